"""Stand-in for Denodo's scripts and servers, in a Denodo home of tests or of the local AWS.

Every script in `bin` of the home runs this file with the script's name as an argument. A server is
a process named `java` that listens on the ports in Denodo's files and answers Denodo's protocols.
Like a real server, a stand-in reads its ports when it starts, and uses the RMI host and JVM options
that were in Denodo's files when `regenerateFiles.sh` ran. Stand-ins also imitate this behaviour of
Denodo:

- scripts that start and stop servers exit with 0 even if they fail
- from 8.0 on, port 9999 waits for a client that speaks first, and does not answer RMI's hello
- `/` of the web container answers before any application exists; scripts create applications
- a web application that is started before Virtual DataPort listens never answers
- `ping.sh` of 7.0 and of older updates refuses `-r`

Some JVM options make a server fail: with `-Ddead` it exits at the first connection, with `-Ddeaf`
it never listens, and with `-Dunready` it listens but is never ready. The following words in files
of `behave/` change the behaviour of scripts and servers too, see `Home.behaves`:

- `regenerateFiles.sh`: `nothing` (exits with 0 and changes nothing)
- a script: `hang`, `fail`, `slow=SECONDS`; a start of an application: `crash`, `crash-once`
- `vdp`, `web`, `scheduler`: `slow=SECONDS` before the server listens
- `vdp`: `web` also starts the web container, with Virtual DataPort's applications, as Denodo does
- `odbc`: `silent`; `ping.sh`: `promotion`, `single-user`, `silent`
- `web`: `broken` answers every request with status 500

Tests run thousands of scripts, so modules that few scripts need are imported in their functions.
The servers are in `server_process`, and scripts for metadata in `metadata_scripts`, in the same
folder.
"""

# ruff: noqa: PLC0415 - most scripts need few modules

import json
import os
import re
import resource
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"
_VDP = "conf/vdp/VDBConfiguration.properties"
_WEB = "resources/apache-tomcat/conf/tomcat.properties"
_SCHEDULER = "conf/scheduler/ConfigurationParameters.properties"
_FILES = {"vdp": _VDP, "web": _WEB, "scheduler": _SCHEDULER}
_APPLICATIONS = {
    "datacatalog": "/denodo-data-catalog/",
    "designstudio": "/denodo-design-studio/",
    "scheduler_webadmin": "/webadmin/denodo-scheduler-admin/",
    "diagnosticmonitoringtool": "/diagnostic-monitoring-tool/",
}
_OPTIONS = "java.env.DENODO_OPTS_START"
_TLS_ENABLED = "com.denodo.security.ssl.enabled"
_TLS_STORE = "com.denodo.security.ssl.keyStore"
_LOOPBACK = "127.0.0.1"

Settings = dict[str, str]


class Home:
    """A Denodo home."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = (path / "VERSION").read_text()

    @property
    def address(self) -> str:
        """Return the address on which servers listen: the machine's own, else 127.0.0.1."""
        file = self.path / "ADDRESS"
        return file.read_text().strip() if file.exists() else _LOOPBACK

    def endpoint(self, port: int) -> "tuple[str, int]":
        """Return the endpoint of this system that stands for a port of the machine."""
        machine = self.path / "MACHINE"
        if self.address != _LOOPBACK or not machine.exists():
            return self.address, port
        sys.path.append(str(Path(__file__).parents[1] / "commands"))
        import machine_ports  # type: ignore[import-not-found] # found on the import path

        return self.address, machine_ports.actual(machine.read_text(), self.node, port)

    @property
    def node(self) -> str:
        """Return the name that the servers send to clients, so that clients know the node."""
        file = self.path / "NODE"
        return file.read_text().strip() if file.exists() else "node"

    @property
    def certificate(self) -> "Path | None":
        """Return the key store of servers with TLS; None without TLS.

        Only a key store in PEM form, as the local AWS makes them, turns TLS on. Other key stores,
        as in tests, have no effect on servers.
        """
        settings = self.settings(_VDP)
        store = Path(settings.get(_TLS_STORE, ""))
        if settings.get(_TLS_ENABLED) != "true" or not store.is_file():
            return None
        return store if store.read_bytes().startswith(b"-----BEGIN") else None

    def settings(self, file: str) -> Settings:
        """Return the values of a properties file; continued lines are not supported."""
        values = {}
        for line in (self.path / file).read_text("latin-1").splitlines():
            key, separator, value = line.partition("=")
            if separator and not line.startswith("#"):
                values[key.strip()] = re.sub(r"\\(.)", r"\1", value.strip())
        return values

    def behaves(self, script: str) -> list[str]:
        """Return the words in a script's or server's file in `behave/`; empty without a file."""
        file = self.path / "behave" / script
        return file.read_text().split() if file.exists() else []

    @property
    def listens_for_rmi(self) -> bool:
        """Return whether Virtual DataPort's port answers RMI's hello."""
        return self.version == "7.0"

    @property
    def knows_readiness(self) -> bool:
        """Return whether `ping.sh` has the option `-r`."""
        return self.version != "7.0" and (self.path / "UPDATE").read_text() == "newer"

    def ports(self, server: str) -> dict[str, int]:
        """Return the ports that a server would use if it started now, by protocol."""
        settings = self.settings(_FILES[server])
        if server == "scheduler":
            return {"rmi": int(settings["Launcher/registryPort"])}
        if server == "web":
            names = ("http", "https")
            ports = {name: settings.get(f"com.denodo.tomcat.{name}.port", "") for name in names}
            return {name: int(port) for name, port in ports.items() if port not in ("", "0")}
        key = "registryPort" if self.listens_for_rmi else "port"
        port = int(settings[f"{_MANAGER}.{key}"])
        name = "rmi" if self.listens_for_rmi else "vdp"
        flight = self.path / "FLIGHT"
        more = {"flight": int(flight.read_text())} if flight.exists() else {}
        return {name: port, "odbc": int(settings[f"{_MANAGER}.odbcPort"]), **more}

    def listens(self, server: str) -> bool:
        """Return whether one of a server's ports accepts connections."""
        return any(_connected(self, port) for port in self.ports(server).values())

    def second_port(self, server: str) -> int:
        """Return the port to which a registry of RMI directs its clients, 0 if there is none."""
        settings = self.settings(_FILES[server])
        key = f"{_MANAGER}.factoryPort" if server == "vdp" else "Launcher/factoryPort"
        return int(settings.get(key) or 0)

    def status(self, path: str) -> int:
        """Return the HTTP status with which the web container answers a path."""
        if "broken" in self.behaves("web"):
            return 500
        for name, its_path in _APPLICATIONS.items():
            if path == its_path:
                file = self.application(name)
                return 200 if file.exists() and file.read_text() == "up" else 404
        return 200 if path == "/" else 404

    def start_web(self) -> None:
        """Start the web container unless it runs, as a start of Virtual DataPort does."""
        _start_container(self)

    def application(self, name: str) -> Path:
        """Return the file with the state of a web application: `up` or `dead`."""
        return self.path / "run/applications" / name

    def running(self, server: str) -> dict[str, object]:
        """Return the settings of a server's last start; empty before the first start."""
        file = self.path / "run" / f"{server}.json"
        found: dict[str, object] = json.loads(file.read_text()) if file.exists() else {}
        return found


def main() -> int:
    """Act as the script, or the server, that the arguments name."""
    home, name, *arguments = Path(sys.argv[1]), *sys.argv[2:]
    # Tests limit the file size to imitate a full disk for the node program; lift the limit for this
    # stand-in.
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if name == "serve":
        # The interpreter runs this file by its path, so its folder is on the import path.
        import server_process  # type: ignore[import-not-found] # found by its path

        return int(server_process.serve(Home(home), arguments[0]))
    with (home / "calls").open("a") as calls:
        calls.write(" ".join([name, *arguments]) + "\n")
    behaviour = Home(home).behaves(name)
    if "hang" in behaviour:
        time.sleep(60)
    for one in behaviour:
        if one.startswith("slow="):
            time.sleep(float(one[5:]))
    stem = name[: -len(".sh")]
    for end, do in (("_startup", start), ("_shutdown", stop)):
        if stem.endswith(end):
            with suppress(_FailureError):
                if "fail" in behaviour:
                    sys.stderr.write(f"{name}: fails on request\n")
                    raise _FailureError
                do(Home(home), stem[: -len(end)], *arguments)
            return 0
    if "fail" in behaviour:
        sys.stderr.write(f"{name}: fails on request\n")
        return 1
    if name in _OTHERS:
        return _OTHERS[name](Home(home), arguments)
    import metadata_scripts  # type: ignore[import-not-found] # found by its path

    return int(metadata_scripts.SCRIPTS[name](Home(home), arguments))


class _FailureError(Exception):
    """Failure of a start or stop script, whose exit status is 0 nevertheless."""


def start(home: Home, name: str, *_: str) -> None:
    """Start a server or a web application."""
    server = "web" if name in _APPLICATIONS else {"vqlserver": "vdp"}.get(name, name)
    if server == "web":
        _start_container(home)
    elif not home.listens(server):
        if not (home.path / "run/generated.json").exists() and server == "vdp":
            sys.stderr.write("regenerateFiles.sh was never run\n")
            raise _FailureError
        _spawn(home, server)
    if name in _APPLICATIONS:
        _start_application(home, name)


def _start_container(home: Home) -> None:
    """Start the web container unless it runs.

    A lock ensures one start when two applications are started at the same time.
    """
    import fcntl

    with (home.path / "run/web.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        pid = lock.read()
        if home.listens("web") or (pid and _runs(pid)):
            return
        lock.truncate(0)
        lock.write(str(_spawn(home, "web")))


def _runs(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _spawn(home: Home, server: str) -> int:
    if server == "web":
        import shutil

        shutil.rmtree(home.path / "run/applications", ignore_errors=True)
        (home.path / "run/applications").mkdir()
        shutil.rmtree(home.path / "run/pages", ignore_errors=True)
        _publish(home, "/", is_up=True)
    made = home.path / "run/generated.json"
    options = json.loads(made.read_text())["options"] if made.exists() else {}
    more = options.get(server, "").split()
    if server == "web":
        more.append(f"-Dcatalina.home={home.path}/resources/apache-tomcat")
    # The first argument makes the process's name `java`. Python derives `sys.executable` from the
    # first argument, so STAND_IN_PYTHON has the real path of Python.
    python = os.environ.get("STAND_IN_PYTHON", sys.executable)
    return os.posix_spawn(
        python,
        [
            *("java", "-S", __file__, str(home.path), "serve", server),
            *(f"{home.path}/lib/denodo.jar", *more),
        ],
        {**os.environ, "PYTHONHOME": sys.base_prefix, "STAND_IN_PYTHON": python},
        setsid=True,
    )


def _start_application(home: Home, name: str) -> None:
    behaviour = home.behaves(f"{name}_startup.sh")
    crashed = home.path / "run" / f"{name}-crashed"
    crashes = "crash" in behaviour or ("crash-once" in behaviour and not crashed.exists())
    if crashes:
        crashed.touch()
    up = not crashes and home.listens("vdp")
    home.application(name).write_text("up" if up else "dead")
    _publish(home, _APPLICATIONS[name], is_up=up)


def _publish(home: Home, path: str, *, is_up: bool) -> None:
    """Write the page of a path for a real web server, or remove the page.

    The light web server needs no pages.
    """
    page = home.path / "run/pages" / path.strip("/") / "index.html"
    if is_up and (home.path / "REAL").exists():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"{home.node}\n")
    elif not is_up and page.exists():
        page.unlink()
        page.parent.rmdir()


def stop(home: Home, name: str, *how: str) -> None:
    """Stop a server or a web application."""
    if name in _APPLICATIONS:
        home.application(name).unlink(missing_ok=True)
        _publish(home, _APPLICATIONS[name], is_up=False)
        return
    server = {"vqlserver": "vdp", "webcontainer": "web"}.get(name, name)
    if "deaf" in home.behaves(f"{name}_shutdown.sh") or (
        "queries" in home.behaves(f"{name}_shutdown.sh") and "safe" in how
    ):
        return
    pid = home.running(server).get("pid")
    if server == "vdp" and "rewrites" in home.behaves("vqlserver_shutdown.sh"):
        with (home.path / _VDP).open("a") as file:
            file.write("written.at.shutdown=yes\n")
    if isinstance(pid, int) and Path(f"/proc/{pid}").exists():
        os.kill(pid, 15)


def ping(home: Home, arguments: list[str]) -> int:
    """Test whether Virtual DataPort is alive, or with `-r` ready."""
    ready = "-r" in arguments
    behaviour = home.behaves("ping.sh")
    options = "[-r] [-t <timeout>]" if home.knows_readiness else "[-t <timeout>]"
    if not arguments or (ready and not home.knows_readiness):
        sys.stderr.write("Unrecognized option: -r\n" if arguments else "Missing argument\n")
        sys.stderr.write(f"usage: ping {options} //host[:port][/database]\n")
        return 1
    match = re.fullmatch(r"//([^:/]+):(\d+)/admin", arguments[-1])
    assert match, arguments
    if not _connected(home, int(match[2])):
        sys.stderr.write("connection refused\n")
        return 1
    if "silent" in behaviour:
        sys.stderr.write("the connection timed out\n")
        return 1
    if "single-user" in behaviour:
        sys.stderr.write("The server is in single user mode\n")
        return 1
    if "-Dunready" in str(home.running("vdp").get("jvm")) or (ready and "promotion" in behaviour):
        sys.stderr.write("the server is not ready\n")
        return 1
    return 0


def regenerate(home: Home, _arguments: list[str]) -> int:
    """Store the RMI host and JVM options of Denodo's files for later starts of servers."""
    if "nothing" in home.behaves("regenerateFiles.sh"):
        return 0
    settings = home.settings(_VDP)
    made = {
        "rmi": settings.get(f"{_MANAGER}.registryURL"),
        "jvm": settings.get(_OPTIONS, ""),
        "options": {
            server: home.settings(file).get(_OPTIONS, "") for server, file in _FILES.items()
        },
    }
    (home.path / "run/generated.json").write_text(json.dumps(made))
    return 0


_OTHERS: dict[str, Callable[[Home, list[str]], int]] = {
    "ping.sh": ping,
    "regenerateFiles.sh": regenerate,
}


def _connected(home: Home, port: int) -> bool:
    try:
        with socket.create_connection(home.endpoint(port), 60):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
