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

from denodo_ha.environment.loading import messages
from denodo_ha.environment.loading.problem import Path, Problem, within
from denodo_ha.environment.loading.yaml_document import Document

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
        hangs_on = (problem.path, problem.lacks or problem.path, *problem.since)
        return not any(within(path, out) for path in hangs_on for out in self.doubtful)

    def explains(self, problem: Problem) -> bool:
        """Whether a value's problem is a consequence of what was replaced or left out.

        What is missing or empty may also be so because something in it was left out.
        """
        lacking = problem.lacks is not None
        return any(
            within(problem.path, out) or (lacking and within(out, problem.path))
            for out in self.doubtful
        )


def validate(document: Document, model: type[Model]) -> Outcome[Model]:
    """Check a document against a model."""
    outcome: Outcome[Model] = Outcome(
        problems=list(document.problems), doubtful=list(document.unread)
    )
    if document.data is None and not outcome.problems:
        empty = Problem(
            (), "the file is empty", "it describes an environment", "copy one of config/examples"
        )
        outcome.problems.append(document.located(empty))
    rest = _Rest(document, model, outcome)
    while rest.data is not None and outcome.model is None:
        try:
            outcome.model = model.model_validate(rest.data)
        except ValidationError as invalid:
            found = [one for one in invalid.errors(include_url=False) if not _follows(one)]
            rest.without(sorted(found, key=_last_first))
    return outcome


def _follows(detail: ErrorDetails) -> bool:
    """Whether a list or map is called empty only because nothing in it is right."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _last_first(detail: ErrorDetails) -> tuple[tuple[int, str], ...]:
    """Sort so that taking an item from a list moves none that is still to be taken."""
    return tuple((-part, "") if isinstance(part, int) else (0, str(part)) for part in detail["loc"])


_TEXTUAL = ("string_type", "literal_error")


class _Rest(Generic[Model]):
    """What is left of a document's data when what is wrong is mended, replaced or left out.

    Attributes:
        data: the data, None when nothing is left.
    """

    def __init__(self, document: Document, model: type[Model], outcome: Outcome[Model]) -> None:
        self.data = deepcopy(document.data)
        self._document, self._model, self._outcome = document, model, outcome
        self._tried: set[tuple[str, Path]] = set()

    def without(self, details: list[ErrorDetails]) -> None:
        """Report what is wrong, and go on without it, or with nothing if that is impossible."""
        before = deepcopy(self.data)
        for detail in details:
            self._note_misspelt(detail)
        for detail in details:
            self._report(detail)
        for detail in details:
            if not self._put_right(detail):
                self._leave_out(detail)
        if self.data == before:
            self.data = None

    def _note_misspelt(self, detail: ErrorDetails) -> None:
        """The misspelt key is the problem, not that the right one is missing."""
        path = detail["loc"]
        near = detail["type"] == "extra_forbidden" and messages.nearest_key(self._model, path)
        if near and (*path[:-1], near) not in self._document.keys:
            self._outcome.doubtful.append((*path[:-1], near))

    def _report(self, detail: ErrorDetails) -> None:
        """Note what is wrong, but for consequences and what is known."""
        problem = messages.problem(detail, self._model, self._document)
        if not self._outcome.explains(problem) and not any(
            problem.path == known.path and problem.what == known.what
            for known in self._outcome.problems
        ):
            self._outcome.problems.append(self._document.located(problem))

    def _put_right(self, detail: ErrorDetails) -> bool:
        """Mend a value or replace it, if that is possible and was not tried before."""
        path = detail["loc"]
        if not path or messages.of_key(detail, self._document):
            return False
        textual = detail["type"] in _TEXTUAL and detail["input"] is not None
        if textual and self._put("mended", path, self._document.texts.get(path)):
            return True
        if self._put("replaced", path, messages.example(detail, self._model)):
            self._outcome.doubtful.append(path)
            return True
        return False

    def _put(self, how: str, path: Path, value: Any) -> bool:
        owner = _owner(self.data, path)
        if value is None or (how, path) in self._tried or not _may_hold(owner, path[-1]):
            return False
        self._tried.add((how, path))
        if _held(owner, path[-1]) == value:
            return False
        owner[path[-1]] = value
        return True

    def _leave_out(self, detail: ErrorDetails) -> None:
        """Take a value out, and the whole that lacks it where it is compulsory."""
        path = detail["loc"]
        if detail["type"] == "missing" or messages.of_key(detail, self._document):
            path = path[:-1]
        self._outcome.doubtful.append(path)
        if path:
            _remove(self.data, path)
        else:
            self.data = None


def _remove(data: Any, path: Path) -> None:
    """Take out a value; what is gone already is no matter."""
    owner, last = _owner(data, path), path[-1]
    if isinstance(owner, list) and isinstance(last, str) and last in owner:
        # Zones may be a list of what are keys to the model.
        owner.remove(last)
    elif isinstance(owner, dict):
        owner.pop(last, None)
    elif _may_hold(owner, last):
        owner.pop(last)
    elif len(path) > 1:
        # A short form: the model checked a map where the file has a scalar.
        _remove(data, path[:-1])


def _may_hold(owner: Any, part: str | int) -> bool:
    """Whether something is a map, or a list with such an item."""
    if isinstance(owner, list):
        return isinstance(part, int) and part < len(owner)
    return isinstance(owner, dict)


def _held(owner: Any, part: str | int) -> Any:
    return owner.get(part) if isinstance(owner, dict) else owner[part]


def _owner(data: Any, path: Path) -> Any:
    """What the last part of a path is in, or would be; nothing holds the root."""
    if not path:
        return None
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data
