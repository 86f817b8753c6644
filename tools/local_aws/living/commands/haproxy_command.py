"""`/usr/sbin/haproxy` of a machine: runs the real HAProxy with the machine's addresses.

HAProxy listens on all addresses of its host, and asks the DNS servers of `/etc/resolv.conf` on port
53. All machines share one loopback interface, so this program writes a copy of each configuration
file with the machine's own address and the DNS server of its VPC, and runs HAProxy with the copies.
HAProxy's master process runs this program again at each reload.
"""

import json
import os
import re
import resource
import socket
import sys
import urllib.error
import urllib.request

SETTINGS = "/etc/local-aws.json"
COPIES = "/run/local-aws/haproxy"
PROGRAM = "/usr/sbin/haproxy"
_TIMEOUT_S = 60.0
"""Project default: seconds to wait for the local AWS to name its DNS server, without which HAProxy
would never find the nodes."""
_SHIFT = 10_000
"""Number that is added to a port that this user may not bind, as in `emulator/loopback.py`."""
_BIND = re.compile(r"^(\s*bind\s+)(?:\*|0\.0\.0\.0|127\.0\.0\.1)?:(\d+)", re.MULTILINE)


def rewritten(text: str, address: str, name_server: str) -> str:
    """Return a configuration for a machine.

    Args:
        text: the configuration.
        address: the machine's address.
        name_server: host and port of the DNS server of the machine's VPC, empty without one.
    """

    def bound(match: "re.Match[str]") -> str:
        return f"{match[1]}{address}:{_port(int(match[2]))}"

    text = _BIND.sub(bound, text)
    # Without this option, HAProxy would not start: this user may not raise the limit of open files.
    text = re.sub(r"^global$", "global\n    no strict-limits", text, count=1, flags=re.MULTILINE)
    if name_server:
        text = text.replace("parse-resolv-conf", f"nameserver local {name_server}")
    return text


def _port(port: int) -> int:
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except PermissionError:
            return port + _SHIFT
        except OSError:
            return port
    return port


def _name_server(settings: "dict[str, str]") -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{settings['endpoint']}/_local/names", timeout=_TIMEOUT_S) as answer:
            servers = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return ""
    host, port = servers.get(settings.get("vpc", "")) or servers.get("outside") or ("", 0)
    return f"{host}:{port}" if host else ""


def _copied(path: str, settings: "dict[str, str]", name_server: str) -> str:
    """Copy a configuration file for this machine, and return the path of the copy.

    The path may already be that of a copy; then the original is copied again.
    """
    original = path[len(COPIES) + 1 :].replace("%", "/") if path.startswith(COPIES) else path
    try:
        with open(original) as file:  # noqa: PTH123 - pathlib takes time to import
            text = rewritten(file.read(), settings["address"], name_server)
    except OSError:
        return path
    os.makedirs(COPIES, exist_ok=True)  # noqa: PTH103 - pathlib takes time to import
    copy = f"{COPIES}/{original.replace('/', '%')}"
    with open(copy, "w") as file:  # noqa: PTH123 - pathlib takes time to import
        file.write(text)
    return copy


def main() -> None:
    """Run HAProxy with copies of its configuration files, adapted to this machine."""
    with open(SETTINGS) as file:  # noqa: PTH123 - pathlib takes time to import
        settings = json.load(file)
    name_server = _name_server(settings)
    # The HAProxy of the Python wheel does not support systemd's notifications (-Ws).
    arguments = ["-W" if word == "-Ws" else word for word in sys.argv[1:]]
    for place, word in enumerate(arguments[:-1]):
        if word == "-f":
            arguments[place + 1] = _copied(arguments[place + 1], settings, name_server)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.execv(settings["haproxy"], [PROGRAM, *arguments])  # noqa: S606 - no shell is needed


if __name__ == "__main__":
    main()
