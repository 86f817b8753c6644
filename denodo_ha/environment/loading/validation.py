"""Validate every value of a document on its own, and keep what is valid for the cross-key rules.

Pydantic reports every wrong value, but builds no model while there is one. The document is then
validated a second time, in part: `denodo_ha.environment.model.section` leaves out the invalid
fields, and a cross-key rule that reads one of them ends there (see
docs/decisions/0045-partial-validation.md).
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from denodo_ha.environment.loading import messages
from denodo_ha.environment.loading.problem import Problem
from denodo_ha.environment.loading.yaml_document import Document
from denodo_ha.environment.model.section import INVALID, PARTIAL

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Validated(Generic[Model]):
    """The result of a validation.

    Attributes:
        model: the document as a model, without its invalid fields; None if no part is valid.
        problems: everything that is wrong with single values, with positions.
    """

    model: Model | None
    problems: tuple[Problem, ...]


def validate(document: Document, model: type[Model]) -> Validated[Model]:
    """Validate a document against a model."""
    if document.data is None and not document.problems:
        empty = Problem(
            (), "the file is empty", "it describes an environment", "copy one of config/examples"
        )
        return Validated(None, (document.located(empty),))
    try:
        return Validated(model.model_validate(document.data), tuple(document.problems))
    except ValidationError as error:
        details = error.errors(include_url=False)
    problems = {
        (problem.path, problem.what): document.located(problem)
        for problem in (
            messages.problem(detail, model, document)
            for detail in details
            if not _is_consequence(detail, details, model, document)
        )
    }
    try:
        partial = model.model_validate(document.data, context=PARTIAL)
    except ValidationError:
        partial = None
    return Validated(partial, (*document.problems, *problems.values()))


def _is_consequence(
    detail: ErrorDetails, details: list[ErrorDetails], model: type[BaseModel], document: Document
) -> bool:
    """Return whether an error only follows from another problem that is reported."""
    path = detail["loc"]
    match detail["type"]:
        case "extra_forbidden":
            return False
        case "missing":
            return any(
                other["type"] == "extra_forbidden"
                and other["loc"][:-1] == path[:-1]
                and messages.nearest_key(model, other["loc"]) == path[-1]
                for other in details
            )
        case "too_short" if detail["input"]:
            # Nothing in the list or map is right, which is reported for each item.
            return True
    return detail["input"] is INVALID or any(
        path == unread[: len(path)] for unread in document.unread
    )
