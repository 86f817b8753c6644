"""Problems of a configuration: what is wrong, where, why, and what to write instead.

`ConfigError` contains all problems of the files, sorted by file and line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

Path = tuple[str | int, ...]
"""Keys from the root of the file to a value, with numbers for positions in lists."""

Position = tuple[int, int]
"""Line and column in a file, both from 1."""

NO_POSITION: Final[Position] = (0, 0)
"""Position of a problem that is not in a file, for example in a command-line option."""

_LONGEST_VALUE: Final = 120
"""Maximum number of characters of a value in a message."""


class Severity(Enum):
    """Severity of a problem; only an error stops the synth."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Problem:
    """Problem of a configuration.

    Attributes:
        path: the keys that lead to the problem in the configuration.
        what: the fault, as a sentence whose subject is the value.
        why: the reason, with its source if there is one.
        instead: what to write instead.
        value: the value as it is in the file; empty if there is none.
        severity: whether the problem stops the synth.
        rule: the rule's name, by which a warning can be acknowledged.
        refuses: clusters to which a named error applies; empty for other problems. A named error
            is an error that earlier versions of this project did not report. For deployed clusters,
            a named error is only a warning (`denodo_ha.environment.rules.acceptance`).
        at_key: whether the position is that of the key, not of its value.
        position: the position in the file, or `NO_POSITION`.
        file: the file's name; empty until it is known.
    """

    path: Path
    what: str
    why: str
    instead: str
    value: str = ""
    severity: Severity = Severity.ERROR
    rule: str = ""
    refuses: tuple[str, ...] = ()
    at_key: bool = False
    position: Position = field(default=(1, 1), compare=False)
    file: str = field(default="", compare=False)

    @property
    def sentence(self) -> str:
        """The message without its position: `what (value); why; what instead`."""
        is_long = len(self.value) > _LONGEST_VALUE
        value = f"{self.value[: _LONGEST_VALUE - 3]}..." if is_long else self.value
        suffix = f" ({value})" if value else ""
        return printable(f"{self.what}{suffix}; {self.why}; {self.instead}")

    @property
    def where(self) -> str:
        """The position: `file:line:column: path.to.key`."""
        line, column = self.position
        has_position = self.position != NO_POSITION
        position = f"{self.file}:{line}:{column}" if has_position else self.file
        return f"{position}: {dotted(self.path)}" if self.path else position

    def __str__(self) -> str:
        """Return `file:line:column: path.to.key: what (value); why; what instead`."""
        return f"{self.where}: {self.sentence}"


def dotted(path: Path) -> str:
    """Return a path with dots between the keys; a key that contains a dot is quoted."""
    return printable(".".join(f'"{key}"' if "." in str(key) else str(key) for key in path))


def printable(text: str) -> str:
    """Return a text on one line, with escapes for characters that are not printable.

    Control, format and bidirectional characters and lone surrogates are escaped. Texts from files,
    AWS or machines can therefore neither control a terminal nor forge a line.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class ConfigError(Exception):
    """Errors of a configuration.

    Attributes:
        problems: every error, sorted by file and line.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Sort the problems by file and line."""
        self.problems: Sequence[Problem] = sorted(
            problems, key=lambda problem: (problem.file, problem.position, problem.path)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))
