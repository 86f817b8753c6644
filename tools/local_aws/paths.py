"""Paths of a local AWS, all in one folder of the clone, so that two clones use different files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import cached_property
from pathlib import Path

from tools.local_aws.errors import LocalAwsError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Paths:
    """Paths of one local AWS.

    Attributes:
        folder: the folder of the local AWS's state; `make local-down` removes the folder.
        python: the Python of the server's own virtual environment.
    """

    folder: Path = ROOT / ".local"
    python: Path = ROOT / "tools/local_aws/.venv/bin/python"

    @property
    def log(self) -> Path:
        """Log file of the server."""
        return self.folder / "server.log"

    @property
    def notifications(self) -> Path:
        """File with the messages to SNS topics, such as notifications of alarms."""
        return self.folder / "notifications.txt"

    @property
    def state(self) -> Path:
        """Folder with the state of the local AWS, which the server writes after every change."""
        return self.folder / "state"

    @property
    def assemblies(self) -> Path:
        """Folder with the cloud assembly of every deployed environment."""
        return self.folder / "assemblies"

    @cached_property
    def home(self) -> Path:
        """A home folder for the CDK CLI, without any AWS profile."""
        home = self.folder / "home"
        (home / ".cdk").mkdir(parents=True, exist_ok=True)
        return home

    @cached_property
    def temporary(self) -> Path:
        """Folder for temporary files, which the CDK CLI and jsii leave behind when killed."""
        folder = self.folder / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def lock(self) -> Path:
        """The lock file, outside of `folder`: `folder` is removed while the lock is held."""
        return self.folder.with_name(f"{self.folder.name}.lock")

    def server_record(self) -> dict[str, int] | None:
        """Return the server's `pid` and `port`; None if the server was stopped or never ran."""
        try:
            record: dict[str, int] = json.loads((self.folder / "server.json").read_text())
        except FileNotFoundError:
            return None
        return record

    def remove_server_record(self) -> None:
        """Remove the record of a server that has ended."""
        (self.folder / "server.json").unlink(missing_ok=True)

    @property
    def last_port(self) -> int:
        """The server's last port, which open shells may still use; 0 without a previous server."""
        try:
            return int((self.folder / "port").read_text())
        except FileNotFoundError:
            return 0

    def remember_port(self, port: int) -> None:
        """Save the port for the next start of the server."""
        (self.folder / "port").write_text(str(port))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock that `make local` and `make local-down` take.

        Raises:
            LocalAwsError: another process holds the lock.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock.open("w") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                message = (
                    "another make local or make local-down is running in this clone: wait "
                    "until that command has ended, and repeat this command"
                )
                raise LocalAwsError(message) from None
            yield
