"""Where the local AWS keeps what it knows: in the clone, so that two clones never meet."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import cached_property
from pathlib import Path

from tools.local_aws.problem import LocalError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Place:
    """The folder of one local AWS.

    Attributes:
        folder: the folder; `make local-down` removes it.
        python: the Python of the server's own environment.
    """

    folder: Path = ROOT / ".local"
    python: Path = ROOT / "tools/local_aws/.venv/bin/python"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "server.log"

    @property
    def state(self) -> Path:
        """What the server knows; it writes it after every change."""
        return self.folder / "state"

    @property
    def assemblies(self) -> Path:
        """The cloud assembly of every environment that was deployed."""
        return self.folder / "assemblies"

    @cached_property
    def home(self) -> Path:
        """A home folder for the CDK CLI, which finds nobody's profiles there."""
        home = self.folder / "home"
        (home / ".cdk").mkdir(parents=True, exist_ok=True)
        return home

    def told(self) -> dict[str, int] | None:
        """Process id and port, as the server wrote them; None if it was stopped politely."""
        try:
            told: dict[str, int] = json.loads((self.folder / "server.json").read_text())
        except FileNotFoundError:
            return None
        return told

    def forget_server(self) -> None:
        """Forget a server that is gone."""
        (self.folder / "server.json").unlink(missing_ok=True)

    @property
    def last_port(self) -> int:
        """The port that the server had last, 0 if there was none: shells may still name it."""
        try:
            return int((self.folder / "port").read_text())
        except FileNotFoundError:
            return 0

    def remember_port(self, port: int) -> None:
        """Take the same port the next time."""
        (self.folder / "port").write_text(str(port))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other command work here meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / f"{self.folder.name}.lock").open("w") as lock:
            try:
                flock(lock, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                message = (
                    "another `make local` or `make local-down` of this clone is at work: wait "
                    "until it has ended"
                )
                raise LocalError(message) from None
            yield
