"""What a host that our stacks made has beside HAProxy's own files, and how it is brought up.

The wanted state is a parameter; it names a file, certificates and this program. A change is
validated, loaded without loss and looked at. One that is wrong leaves everything as it was.
"""

from __future__ import annotations

import http.client
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.haproxy import server_state_file
from hosts.haproxy.draining import POLL_S, Tell
from hosts.haproxy.errors import Failed, NoAnswer, Refused
from hosts.haproxy.reloading import reload, validate
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.workers import workers

if TYPE_CHECKING:
    from hosts.haproxy.cloud import Cloud, Wanted

_COME_UP_S = 60
_USABLE_S = 60
_SETTLE_S = 15
"""A balancer in front finds a new target healthy after two checks, 5 s apart; only then may the
deploy go on to the next host."""
_SYSTEMD_S = 120
_SECRET = 0o600
_MODE = 0o644


@dataclass(frozen=True)
class Host:
    """Where things are; only tests have them elsewhere.

    Attributes:
        haproxy: HAProxy's own files.
        tls: folder of the certificates, as the file names them.
        drop_in: the systemd drop-in.
        systemctl: the command, None where there is no systemd.
        settle: seconds from being usable until the host counts as up.
    """

    haproxy: LocalHaproxy = field(default_factory=LocalHaproxy)
    tls: Path = Path("/etc/haproxy/tls")
    drop_in: Path = Path("/etc/systemd/system/haproxy.service.d/denodo.conf")
    systemctl: str | None = "systemctl"
    settle: float = _SETTLE_S

    def system(self, *arguments: str) -> None:
        """Run systemctl.

        Raises:
            Failed: it does not do it.
        """
        if self.systemctl is None:
            return
        try:
            done = subprocess.run(
                [self.systemctl, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_SYSTEMD_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as wrong:
            message = f"systemctl {' '.join(arguments)}: {wrong}"
            raise Failed(message) from wrong
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace").strip()
            message = f"systemctl {' '.join(arguments)}: {said}; see `journalctl -u haproxy`"
            raise Failed(message)


def apply(host: Host, cloud: Cloud, tell: Tell) -> None:
    """Bring a running HAProxy to what its parameter says.

    Raises:
        Refused: HAProxy does not accept it; nothing was changed.
        Failed: it cannot be fetched, or did not come up; what was there goes on to serve.
    """
    wanted = cloud.wanted()
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "haproxy.cfg"
        cloud.fetch(wanted.file, new)
        secrets = _secrets(host, cloud, wanted)
        _service(host, wanted)
        old = {path: _text(path) for path in secrets}
        same = old == secrets and _text(host.haproxy.config) == new.read_text(encoding="utf-8")
        if same and workers(host.haproxy).failed == 0:
            tell("nothing has changed")
            return
        _put(secrets)
        try:
            reload(host.haproxy, new, tell)
        except BaseException:  # Ctrl-C too: the old file goes on to serve, with its secrets
            _put(old)
            raise


def boot(host: Host, cloud: Cloud, tell: Tell) -> None:
    """Set a new host up, and wait until HAProxy serves.

    Raises:
        Refused: HAProxy does not accept its file.
        Failed: it does not come up.
    """
    wanted = cloud.wanted()
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "haproxy.cfg"
        cloud.fetch(wanted.file, new)
        _put(_secrets(host, cloud, wanted))
        wrong = validate(host.haproxy.program, new)
        if wrong:
            message = f"HAProxy does not accept its file:\n{wrong}"
            raise Refused(message)
        host.haproxy.state.parent.mkdir(parents=True, exist_ok=True)
        host.haproxy.config.parent.mkdir(parents=True, exist_ok=True)
        server_state_file.write(host.haproxy.config, new.read_text(encoding="utf-8"), _MODE)
    _service(host, wanted)
    host.system("enable", "haproxy")
    host.system("restart", "haproxy")
    _wait_until_serving(host, wanted.health_port, tell)


def _secrets(host: Host, cloud: Cloud, wanted: Wanted) -> dict[Path, str | None]:
    named = {"server.pem": wanted.certificate, "nodes-ca.pem": wanted.authority}
    return {
        host.tls / name: cloud.secret(arn).rstrip() + "\n" for name, arn in named.items() if arn
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _put(files: dict[Path, str | None]) -> None:
    for path, text in files.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            server_state_file.write(path, text, _SECRET)


def _service(host: Host, wanted: Wanted) -> None:
    """The drop-in; a limit of open files that grows counts from the next start on."""
    if _text(host.drop_in) != wanted.drop_in:
        host.drop_in.parent.mkdir(parents=True, exist_ok=True)
        server_state_file.write(host.drop_in, wanted.drop_in, _MODE)
        host.system("daemon-reload")


def _wait_until_serving(host: Host, port: int, tell: Tell) -> None:
    """Wait for HAProxy, and a while for a node that it can use: there may be none yet."""
    end = time.monotonic() + _COME_UP_S
    while _health(port) is None or not _has_worker(host.haproxy):
        if time.monotonic() > end:
            message = f"HAProxy does not answer on port {port}: see `journalctl -u haproxy`"
            raise Failed(message)
        time.sleep(POLL_S)  # the service's start ends before HAProxy answers
    end = time.monotonic() + _USABLE_S
    while _health(port) != http.client.OK:
        if time.monotonic() > end:
            tell("HAProxy serves, and finds no usable node yet")
            return
        time.sleep(POLL_S)  # HAProxy checks the nodes by itself
    time.sleep(host.settle)  # see _SETTLE_S
    tell("HAProxy serves")


def _has_worker(haproxy: LocalHaproxy) -> bool:
    try:
        return workers(haproxy).serving is not None
    except NoAnswer:
        return False


def _health(port: int) -> int | None:
    """What the health port says, as if asked by the balancer in front; None if nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
        # The PROXY protocol's word for: nobody in particular.
        connection.sock.sendall(b"PROXY UNKNOWN\r\n")
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
