"""Validate each value of a document, and keep the valid values for the cross-key rules.

Pydantic reports every invalid value, but then builds no model. In this case the document is
validated a second time, partially: `denodo_ha.environment.model.section` omits the invalid fields,
and a cross-key rule ends when the rule reads an omitted field (see
docs/decisions/0045-partial-validation.md).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from denodo_ha.environment.loading import messages
from denodo_ha.environment.loading.problem import Path, Problem
from denodo_ha.environment.loading.yaml_document import Document
from denodo_ha.environment.model.section import INVALID, PARTIAL

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Validated(Generic[Model]):
    """The result of a validation.

    Attributes:
        model: the document as a model, without its invalid fields; None if no part is valid.
        problems: all problems of single values, with their positions.
    """

    model: Model | None
    problems: tuple[Problem, ...]


def validate(document: Document, model: type[Model]) -> Validated[Model]:
    """Validate a document against a model."""
    if document.data is None and not document.problems:
        empty = Problem(
            (),
            "the file is empty",
            "a configuration describes an environment",
            "copy one of the files in config/examples",
        )
        return Validated(None, (document.located(empty),))
    try:
        return Validated(model.model_validate(document.data), tuple(document.problems))
    except ValidationError as error:
        details = error.errors(include_url=False)
    misspelt = _misspelt_keys(details, model)
    unread = frozenset(document.unread)
    problems = {
        (problem.path, problem.what): document.located(problem)
        for problem in (
            messages.problem(detail, model, document)
            for detail in details
            if not _is_consequence(detail, misspelt, unread)
        )
    }
    try:
        partial = model.model_validate(document.data, context=PARTIAL)
    except ValidationError:
        partial = None
    return Validated(partial, (*document.problems, *problems.values()))


def empty_values(document: Document, reported: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the keys with nothing after the colon, for which the default would be used silently.

    An explicit `null` or `~` is a way to write the default. Earlier versions of this project
    accepted an empty value, so each empty value is a named error (see
    `denodo_ha.environment.rules.acceptance`).

    Args:
        document: the configuration.
        reported: the problems that other code reports already.
    """
    seen = {problem.path for problem in reported}
    clusters = document.data.get("clusters") if isinstance(document.data, dict) else None
    names = tuple(sorted(clusters)) if isinstance(clusters, dict) else ()
    for path in _paths_without_value(document.data, ()):
        if path not in seen and path not in document.texts:
            is_of_cluster = path[0] == "clusters" and len(path) > 1
            problem = Problem(
                path,
                "has no value",
                "the key would be ignored",
                "write a value, or remove the key",
                rule="empty-value",
                refuses=(str(path[1]),) if is_of_cluster else names,
                at_key=True,
            )
            yield document.located(problem)


def _paths_without_value(value: object, path: Path) -> Iterator[Path]:
    match value:
        case None if path:
            yield path
        case dict():
            for key, item in value.items():
                yield from _paths_without_value(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _paths_without_value(item, (*path, index))


def _misspelt_keys(details: list[ErrorDetails], model: type[BaseModel]) -> frozenset[Path]:
    """Return the paths of the known keys that unknown keys resemble."""
    unknown = (detail["loc"] for detail in details if detail["type"] == "extra_forbidden")
    nearest = ((path, messages.nearest_key(model, path)) for path in unknown)
    return frozenset((*path[:-1], key) for path, key in nearest if key is not None)


def _is_consequence(
    detail: ErrorDetails, misspelt: frozenset[Path], unread: frozenset[Path]
) -> bool:
    """Return whether an error is only a consequence of another problem, which is reported too.

    Args:
        detail: the error.
        misspelt: the paths of the known keys that unknown keys resemble.
        unread: the paths of the values that could not be read.
    """
    path = detail["loc"]
    match detail["type"]:
        case "extra_forbidden":
            return False
        case "missing":
            return path in misspelt
        case "too_short" if detail["input"]:
            # All items of the list or map are invalid, and each item has its own error.
            return True
    parents = (path[:length] for length in range(len(path) + 1))
    return detail["input"] is INVALID or any(parent in unread for parent in parents)
