"""Check every value of a document by itself, and keep what is right for the rules.

Pydantic reports every wrong value, but gives no model while there is one, and the rules
need a model. So a wrong value is mended where it is clear what was meant (a number that lacks
its quotes), else replaced by a right one as an example, else left out with as much around it as
the model then lacks. The rules then judge the rest, and the user sees every error in one run.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config import wording
from config.document import Document
from config.problem import Path, Problem, within

Model = TypeVar("Model", bound=BaseModel)


@dataclass
class Outcome(Generic[Model]):
    """What a document says.

    Attributes:
        model: the document's right part, None where nothing of it can be used.
        problems: what is wrong with single values, located.
        doubtful: where something was replaced or left out.
    """

    model: Model | None = None
    problems: list[Problem] = field(default_factory=list)
    doubtful: list[Path] = field(default_factory=list)

    def bears(self, problem: Problem) -> bool:
        """Whether a rule's problem stands although something is not as in the file.

        Else it is a consequence of a problem that is reported already.
        """
        hangs_on = (problem.path, problem.lacks or problem.path)
        return not any(within(path, out) for path in hangs_on for out in self.doubtful)

    def touches(self, path: Path) -> bool:
        """Whether something is doubtful at, in or around a path."""
        return any(within(path, out) or within(out, path) for out in self.doubtful)


def validate(document: Document, model: type[Model]) -> Outcome[Model]:
    """Check a document against a model."""
    outcome: Outcome[Model] = Outcome(
        problems=list(document.problems), doubtful=list(document.unread)
    )
    data = deepcopy(document.data)
    if data is None and not outcome.problems:
        empty = Problem(
            (), "the file is empty", "it describes an environment", "copy one of config/examples"
        )
        outcome.problems.append(document.located(empty))
    tried: set[tuple[str, Path]] = set()
    while data is not None:
        try:
            outcome.model = model.model_validate(data)
            return outcome
        except ValidationError as invalid:
            details = sorted(invalid.errors(include_url=False), key=_last_first)
        for detail in details:
            path = detail["loc"]
            near = detail["type"] == "extra_forbidden" and wording.nearest_key(model, path)
            if near:
                # The misspelt key is the problem, not that the right one is missing.
                outcome.doubtful.append((*path[:-1], near))
        _report(details, document, model, outcome)
        data = _rest(data, details, document, outcome, tried)
    return outcome


def _last_first(detail: ErrorDetails) -> tuple[tuple[int, str], ...]:
    """Sort so that taking an item from a list moves none that is still to be taken."""
    return tuple((-part, "") if isinstance(part, int) else (0, str(part)) for part in detail["loc"])


def _report(
    details: list[ErrorDetails],
    document: Document,
    model: type[Model],
    outcome: Outcome[Model],
) -> None:
    """Note what is wrong, but for consequences of what was left out before."""
    consequences = ("missing", "too_short")
    for detail in details:
        problem = wording.problem(detail, model, document)
        if not (detail["type"] in consequences and outcome.touches(problem.path)) and not any(
            problem.path == known.path and problem.what == known.what for known in outcome.problems
        ):
            outcome.problems.append(document.located(problem))


def _rest(
    data: Any,
    details: list[ErrorDetails],
    document: Document,
    outcome: Outcome[Model],
    tried: set[tuple[str, Path]],
) -> Any:
    """The data without what is wrong, None when nothing is left."""
    for detail in details:
        path: Path = tuple(part for part in detail["loc"] if part != wording.KEY)
        if wording.KEY not in detail["loc"]:
            text = document.texts.get(path) if detail["type"] in _TEXTUAL else None
            if _put(data, path, text, "mended", tried):
                continue
            if _put(data, path, wording.example(detail), "replaced", tried):
                outcome.doubtful.append(path)
                continue
        if detail["type"] == "missing":
            path = path[:-1]
        outcome.doubtful.append(path)
        if not path:
            return None
        _remove(data, path)
    return data


_TEXTUAL = ("string_type", "literal_error")


def _put(data: Any, path: Path, value: str | None, how: str, tried: set[tuple[str, Path]]) -> bool:
    """Put a value in place of a wrong one, unless that was tried or is what stands there."""
    owner = _owner(data, path)
    if value is None or owner is None or owner[path[-1]] == value or (how, path) in tried:
        return False
    tried.add((how, path))
    owner[path[-1]] = value
    return True


def _remove(data: Any, path: Path) -> None:
    """Take out a value; what is gone already is no matter."""
    owner = _owner(data, path)
    if owner is not None:
        del owner[path[-1]]
    elif len(path) > 1:
        # A short form: the model checked a map where the file has a scalar.
        _remove(data, path[:-1])


def _owner(data: Any, path: Path) -> Any:
    """The map or list that holds the last part of a path, if it does; nothing holds the root."""
    owner = None
    for part in path:
        owner = data
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return owner
