"""What is wrong with a configuration, where, why, and what to write instead.

ConfigError
└── carries every Problem of the file at once, sorted by place
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

Path = tuple[str | int, ...]
"""Keys from the file's root, with numbers for places in lists."""


NOWHERE = (0, 0)
"""The place of what stands in no file."""

_SHOWN = 120
"""How many characters of a value a message shows."""


class Severity(Enum):
    """Whether a problem stops the synth."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Problem:
    """One finding about a configuration.

    Attributes:
        path: where in the configuration.
        what: what is wrong, said of the value.
        why: the reason, with its source where there is one.
        instead: what to write instead.
        value: the value as the file has it, empty where there is none.
        severity: whether it stops the synth.
        rule: the rule's name, by which a warning can be acknowledged.
        at_key: point at the key and not at its value.
        at: line and column, both from 1, once they are known, or `NOWHERE`.
        file: the file's name, once it is known.
    """

    path: Path
    what: str
    why: str
    instead: str
    value: str = ""
    severity: Severity = Severity.ERROR
    rule: str = ""
    at_key: bool = False
    at: tuple[int, int] = field(default=(1, 1), compare=False)
    file: str = field(default="", compare=False)

    @property
    def sentence(self) -> str:
        """What, why and what instead, without the place."""
        long = len(self.value) > _SHOWN
        value = f"{self.value[: _SHOWN - 3]}..." if long else self.value
        shown = f" ({value})" if value else ""
        return printable(f"{self.what}{shown}; {self.why}; {self.instead}")

    @property
    def where(self) -> str:
        """The place: `file:line:column: path.to.key`."""
        line, column = self.at
        place = self.file if self.at == NOWHERE else f"{self.file}:{line}:{column}"
        return f"{place}: {dotted(self.path)}" if self.path else place

    def __str__(self) -> str:
        """`file:line:column: path.to.key: what (value); why; what instead`."""
        return f"{self.where}: {self.sentence}"


def dotted(path: Path) -> str:
    """A path as people write it; a key that contains a dot is quoted."""
    return printable(".".join(f'"{key}"' if "." in str(key) else str(key) for key in path))


def printable(text: str) -> str:
    """A text on one line, whatever is in the file that it is about."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


class ConfigError(Exception):
    """A configuration that cannot be used.

    Attributes:
        problems: every error of the file, by line.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in the order of the file."""
        self.problems: Sequence[Problem] = sorted(
            problems, key=lambda problem: (problem.file, problem.at, problem.path)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))
