"""Stand-in for Denodo's scripts and servers in a home made by `tests.hosts.denodo.home`.

Every script in `bin` of the home runs this file with the name of the script. A server is a process
named `java` that listens on the ports in Denodo's files and answers Denodo's protocols. Like
Denodo's, it reads the ports when it starts, and has the RMI host and JVM options that
`regenerateFiles.sh` read before.

JVM options make it misbehave: `-Ddead` ends at once, `-Ddeaf` never listens,
`-Dunready` listens and is never ready; and so do files in `behave/`, see `Home.behaves`.
"""

import json
import os
import re
import resource
import selectors
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_ANSWERS = {
    bytes.fromhex("0000000804d2162f"): b"N",  # PostgreSQL's SSLRequest
    bytes.fromhex("4a524d4900024b"): b"\x4e",  # the hello of RMI
}
_MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"
_VDP = "conf/vdp/VDBConfiguration.properties"
_WEB = "resources/apache-tomcat/conf/tomcat.properties"
_WEB_STARTERS = ("datacatalog", "designstudio", "scheduler_webadmin", "diagnosticmonitoringtool")

Settings = dict[str, str]


class Home:
    """A Denodo home."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = (path / "VERSION").read_text()

    def settings(self, file: str) -> Settings:
        """Return the values of a file, which has no continued lines here."""
        values = {}
        for line in (self.path / file).read_text("latin-1").splitlines():
            key, separator, value = line.partition("=")
            if separator and not line.startswith("#"):
                values[key.strip()] = re.sub(r"\\(.)", r"\1", value.strip())
        return values

    def behaves(self, script: str) -> list[str]:
        """Return the words that change the behaviour of a script."""
        file = self.path / "behave" / script
        return file.read_text().split() if file.exists() else []

    def port(self, server: str) -> int:
        """Return the port of a server that starts now."""
        if server == "scheduler":
            return int((self.path / "SCHEDULER_PORT").read_text())
        if server == "web":
            return int(self.settings(_WEB)["com.denodo.tomcat.http.port"])
        key = "registryPort" if self.version == "7.0" else "port"
        return int(self.settings(_VDP)[f"{_MANAGER}.{key}"])

    def running(self, server: str) -> dict[str, object]:
        """Return the settings that a server was started with."""
        file = self.path / "run" / f"{server}.json"
        found: dict[str, object] = json.loads(file.read_text()) if file.exists() else {}
        return found


def main() -> int:
    """Act as a script."""
    home, name, *arguments = Path(sys.argv[1]), *sys.argv[2:]
    # The small disk of a test applies to the program, not to this stand-in.
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if name == "serve":
        return serve(Home(home), arguments[0])
    with (home / "calls").open("a") as calls:
        calls.write(" ".join([name, *arguments]) + "\n")
    behaviour = Home(home).behaves(name)
    if "hang" in behaviour:
        time.sleep(60)
    if "fail" in behaviour:
        sys.stderr.write(f"{name}: told to fail\n")
        return 1
    for one in behaviour:
        if one.startswith("slow="):
            time.sleep(float(one[5:]))
    stem = name[: -len(".sh")]
    for end, do in (("_startup", start), ("_shutdown", stop)):
        if stem.endswith(end):
            return do(Home(home), stem[: -len(end)], *arguments)
    return _OTHERS[name](Home(home), arguments)


def start(home: Home, name: str, *_: str) -> int:
    server = "web" if name in _WEB_STARTERS else {"vqlserver": "vdp"}.get(name, name)
    if _connected(home.port(server)):
        return 0
    if not (home.path / "run/generated.json").exists() and server == "vdp":
        sys.stderr.write("regenerateFiles.sh was never run\n")
        return 1
    # The first argument is the name of the process.
    os.posix_spawn(
        sys.executable,
        ["java", "-S", __file__, str(home.path), "serve", server, f"{home.path}/lib/denodo.jar"],
        {**os.environ, "PYTHONHOME": sys.base_prefix},
        setsid=True,
    )
    return 0


def stop(home: Home, name: str, *how: str) -> int:
    server = {"vqlserver": "vdp", "webcontainer": "web"}.get(name, name)
    if "deaf" in home.behaves(f"{name}_shutdown.sh") or (
        "queries" in home.behaves(f"{name}_shutdown.sh") and "safe" in how
    ):
        return 0
    pid = home.running(server).get("pid")
    if server == "vdp" and "rewrites" in home.behaves("vqlserver_shutdown.sh"):
        with (home.path / _VDP).open("a") as file:
            file.write("written.at.shutdown=yes\n")
    if isinstance(pid, int) and Path(f"/proc/{pid}").exists():
        os.kill(pid, 15)
    return 0


def ping(home: Home, arguments: list[str]) -> int:
    ready = "-r" in arguments
    if ready and home.version == "7.0":
        sys.stderr.write("unknown option -r\n")
        return 2
    match = re.fullmatch(r"//([^:/]+):(\d+)/admin", arguments[-1])
    assert match, arguments
    if not _connected(int(match[2])):
        sys.stderr.write("connection refused\n")
        return 1
    unready = "-Dunready" in str(home.running("vdp").get("jvm"))
    if unready or (ready and "promotion" in home.behaves("ping.sh")):
        sys.stderr.write("the server is not ready\n")
        return 1
    return 0


def regenerate(home: Home, _arguments: list[str]) -> int:
    settings = home.settings(_VDP)
    made = {
        "rmi": settings.get(f"{_MANAGER}.registryURL"),
        "jvm": settings.get("java.env.DENODO_OPTS_START", ""),
    }
    (home.path / "run/generated.json").write_text(json.dumps(made))
    return 0


def tls(home: Home, arguments: list[str]) -> int:
    """Record the arguments, and change files like the real script."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    files = {
        key: Path(path).read_text("latin-1") for key, path in given.items() if "home" not in key
    }
    modes = {key: oct(Path(path).stat().st_mode & 0o777) for key, path in given.items()}
    (home.path / "tls.json").write_text(json.dumps({"files": files, "modes": modes}))
    with (home.path / _VDP).open("a") as file:
        file.write("com.denodo.security.ssl.enabled=true\n")
    return 0


def import_metadata(home: Home, arguments: list[str]) -> int:
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    (home.path / "imported.json").write_text(
        json.dumps({key: Path(path).read_text() for key, path in given.items()})
    )
    return 0


def regenerate_metadata(home: Home, arguments: list[str]) -> int:
    """Record the arguments, and change Virtual DataPort's file like the real script."""
    flag, file, yes = arguments
    assert (flag, yes) == ("--file", "--yes"), arguments
    mode = oct(Path(file).stat().st_mode & 0o777)
    given = {"mode": mode, "text": Path(file).read_text()}
    (home.path / "metadata.json").write_text(json.dumps(given))
    with (home.path / _VDP).open("a") as written:
        written.write("com.denodo.vdb.catalog.storage.plugin=postgresql\n")
    return 0


def encrypt(home: Home, arguments: list[str]) -> int:
    """Encrypt the password on standard input; with `silent`, print nothing."""
    assert not arguments
    given = sys.stdin.readline().strip()
    if "silent" not in home.behaves("encrypt_password.sh"):
        sys.stdout.write(f"Encrypted Password:\nenc{given[::-1]}\n")
    return 0


def export_metadata(home: Home, arguments: list[str]) -> int:
    """Export the file `metadata`; with `half`, a part of it and fail; with `nothing`, nothing."""
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    login = Path(given["--configurationfile"])
    noted = {
        "login": login.read_text(),
        "mode": oct(login.stat().st_mode & 0o777),
        "user": given["--login"],
    }
    (home.path / "exported.json").write_text(json.dumps(noted))
    text = (home.path / "metadata").read_text()
    behaviour = home.behaves("export.sh")
    if "nothing" in behaviour:
        return 0
    if "half" in behaviour:
        Path(given["--file"]).write_text(text[: len(text) // 2])
        sys.stderr.write("connection lost\n")
        return 1
    Path(given["--file"]).write_text(text)
    return 0


_OTHERS: dict[str, Callable[[Home, list[str]], int]] = {
    "ping.sh": ping,
    "regenerateFiles.sh": regenerate,
    "denodo_tls_configurator.sh": tls,
    "import.sh": import_metadata,
    "regenerateMetadata.sh": regenerate_metadata,
    "encrypt_password.sh": encrypt,
    "export.sh": export_metadata,
}


def serve(home: Home, server: str) -> int:
    """Act as a server until killed."""
    settings = home.settings(_VDP)
    made = home.path / "run/generated.json"
    started = json.loads(made.read_text()) if made.exists() else {}
    port = home.port(server)
    started.update(port=port, pid=os.getpid(), config=settings if server == "vdp" else {})
    (home.path / "run" / f"{server}.json").write_text(json.dumps(started))
    options = started.get("jvm", "") if server == "vdp" else ""
    if "-Ddead" in options:
        time.sleep(0.2)
        return 1
    for one in home.behaves(server):
        if one.startswith("slow="):
            time.sleep(float(one[5:]))
    if "-Ddeaf" in options:
        time.sleep(60)
        return 1
    ports = [port]
    if server == "vdp":
        ports.append(int(settings[f"{_MANAGER}.odbcPort"]))
    with selectors.DefaultSelector() as selector:
        for number in ports:
            listener = socket.create_server(("127.0.0.1", number))
            selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                _answer(key.fileobj, selector)


def _answer(ready: socket.socket, selector: selectors.BaseSelector) -> None:
    if ready.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        selector.register(ready.accept()[0], selectors.EVENT_READ)
        return
    try:
        said = ready.recv(1000)
    except OSError:
        said = b""
    if said.startswith(b"GET "):
        ready.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    elif said in _ANSWERS:
        ready.sendall(_ANSWERS[said])
    selector.unregister(ready)
    ready.close()


def _connected(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
