"""A database of the local AWS: a real PostgreSQL, which TLS clients reach at an endpoint.

    python -m tools.local_aws.living.database FOLDER/settings.json

PostgreSQL itself listens on a socket in its data folder only. This process ends the TLS of clients
on the endpoint and passes their data on to PostgreSQL without TLS, because the PostgreSQL of a
Python package has no TLS. Clients that do not ask for TLS are refused, as RDS refuses them with the
parameter `rds.force_ssl`. At SIGTERM, PostgreSQL shuts down. If the server of the local AWS ends,
this process and PostgreSQL end at once.
"""

import asyncio
import json
import os
import pwd
import shutil
import signal
import ssl
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.local_aws.living import isolation, parent, small_postgres

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_GSS_REQUEST = bytes.fromhex("0000000804d21630")
"""First messages of a client that asks for TLS, or for GSSAPI encryption (PostgreSQL documentation,
Message Formats)."""
_REFUSED = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host, no encryption\0\0"
_SOCKET = ".s.PGSQL.5432"
_SUPERUSER = "rdsadmin"
"""The user of RDS itself; the administrator of a database is not a superuser."""
_MOST_BYTES = 65_536
_STEP_S, _START_S, _STOP_S, _POLL_S = 120.0, 120.0, 8.0, 0.1
_NEWUSER = 0x10000000
_SETTINGS = """\
listen_addresses = ''
unix_socket_directories = '.'
"""
_ACCESS = "local all all scram-sha-256\n"


@dataclass(frozen=True)
class Settings:
    """Settings that the local AWS passes for a database.

    Attributes:
        folder: folder of the database.
        programs: folder of PostgreSQL's programs.
        address: address on which clients connect.
        port: port on which clients connect.
        user: name of the administrator.
        password: password of the administrator.
        certificate: paths of the certificate's chain and key.
    """

    folder: Path
    programs: Path
    address: str
    port: int
    user: str
    password: str
    certificate: tuple[Path, Path]

    @classmethod
    def read(cls, file: Path) -> "Settings":
        """Return the settings in a file."""
        values = json.loads(file.read_text())
        values["programs"] = Path(values["programs"])
        chain, key = values.pop("certificate")
        return cls(folder=file.parent, certificate=(Path(chain), Path(key)), **values)

    @property
    def data(self) -> Path:
        """Return PostgreSQL's data folder."""
        return self.folder / "data"


def create(settings: Settings) -> None:
    """Create the database's data folder with PostgreSQL's settings, unless the folder exists."""
    if not settings.data.exists():
        new = settings.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        options = ("--no-sync", "--locale=C", "--encoding=UTF8", "--auth=trust", "-D", str(new))
        _run(settings, "initdb", f"--username={_SUPERUSER}", *options)
        with (new / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS + small_postgres.SETTINGS)
        (new / "pg_hba.conf").write_text(_ACCESS)
        new.rename(settings.data)


def set_administrator(settings: Settings) -> None:
    """Create the administrator's user, unless the user exists, and set the user's password."""
    user = settings.user.replace('"', '""')
    name, password = (text.replace("'", "''") for text in (settings.user, settings.password))
    exists = f"SELECT FROM pg_roles WHERE rolname = '{name}'"
    # PostgreSQL's single-user mode reads one statement from each line.
    lines = (
        f'DO $$BEGIN IF NOT EXISTS ({exists}) THEN CREATE ROLE "{user}"; END IF; END$$',
        f"ALTER ROLE \"{user}\" LOGIN CREATEDB CREATEROLE PASSWORD '{password}'",
        f'ALTER DATABASE postgres OWNER TO "{user}"',
        "",
    )
    options = ("--single", "-D", str(settings.data), "postgres")
    _run(settings, "postgres", *options, given="\n".join(lines))


def _run(settings: Settings, program: str, *arguments: str, given: str = "") -> None:
    """Run a program of PostgreSQL until the program ends."""
    subprocess.run(
        [str(settings.programs / program), *arguments],
        input=given,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=settings.folder,
        preexec_fn=_become_ordinary,
        timeout=_STEP_S,
        check=True,
    )


def _become_ordinary() -> None:
    """Let the kernel end this process with its parent, and run as a user other than root.

    PostgreSQL refuses to run as root. In the new user namespace, root appears as that user,
    also as the owner of files.
    """
    if os.geteuid() == 0 and sys.platform == "linux":
        nobody = pwd.getpwnam("nobody")
        isolation.system_call("unshare", _NEWUSER)
        process = Path("/proc/self")
        (process / "setgroups").write_text("deny")
        (process / "uid_map").write_text(f"{nobody.pw_uid} 0 1\n")
        (process / "gid_map").write_text(f"{nobody.pw_gid} 0 1\n")
    isolation.die_with_parent()


class _Front:
    """Accepts clients with TLS and passes their connections on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*settings.certificate)

    async def run(self, server: "subprocess.Popen[bytes]") -> int:
        """Pass connections on until SIGTERM, or until PostgreSQL ends; return an exit code."""
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
        ended = asyncio.create_task(asyncio.to_thread(server.wait))
        async with asyncio.timeout(_START_S):
            while not Path(_SOCKET).exists() and not ended.done():
                await asyncio.sleep(_POLL_S)
        address, port = self._settings.address, self._settings.port
        async with await asyncio.start_server(self._serve, address, port):
            stopped = asyncio.create_task(stopping.wait())
            await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return 1
        # SIGINT ends sessions, too ("fast shutdown").
        server.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), _STOP_S)
        return 0

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError, EOFError, ssl.SSLError):
            try:
                if await self._secure(reader, writer):
                    inner_reader, inner = await asyncio.open_unix_connection(_SOCKET)
                    try:
                        await asyncio.gather(_copy(reader, inner), _copy(inner_reader, writer))
                    finally:
                        inner.close()
            finally:
                writer.close()

    async def _secure(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Begin TLS if the client asks for it, else refuse the client."""
        request = await reader.readexactly(len(_SSL_REQUEST))
        if request == _GSS_REQUEST:
            writer.write(b"N")
            request = await reader.readexactly(len(_SSL_REQUEST))
        if request != _SSL_REQUEST:
            writer.write(b"E" + (len(_REFUSED) + 4).to_bytes(4, "big") + _REFUSED)
            await writer.drain()
            return False
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(self._context)
        return True


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Copy the data of one side to the other, and close the other side at the end."""
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(_MOST_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


def main(arguments: Sequence[str]) -> int:
    """Run the database of the settings in a file."""
    settings = Settings.read(Path(arguments[0]))
    parent.end_with_parent()
    create(settings)
    set_administrator(settings)
    # Use a path relative to the data folder: the path of a Unix socket is limited to some 100
    # bytes.
    os.chdir(settings.data)
    Path(_SOCKET).unlink(missing_ok=True)
    server = subprocess.Popen(
        [str(settings.programs / "postgres"), "-D", str(settings.data)],
        stdin=subprocess.DEVNULL,
        preexec_fn=_become_ordinary,  # noqa: PLW1509 - this process has only one thread
    )
    try:
        return asyncio.run(_Front(settings).run(server))
    finally:
        server.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
