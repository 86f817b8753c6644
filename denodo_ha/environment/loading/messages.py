"""Conversion of Pydantic's errors to problems with a reason and a remedy."""

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic_core import ErrorDetails

from denodo_ha.environment.loading.problem import Path, Problem
from denodo_ha.environment.loading.yaml_document import Document
from denodo_ha.environment.model.section import Section

_KEY = "[key]"


def _is_about_key(error: ErrorDetails, document: Document) -> bool:
    """Return whether an error is about a key and not its value, by the error's location."""
    return error["loc"][-1:] == (_KEY,) and error["loc"] not in document.keys


def problem(error: ErrorDetails, root: type[BaseModel], document: Document) -> Problem:
    """Convert one of Pydantic's errors of the model `root` to a problem of the document."""
    bad_key = _is_about_key(error, document)
    model_path = error["loc"][:-1] if bad_key else error["loc"]
    path = _document_path(model_path, document)
    kind, context = error["type"], error.get("ctx", {})
    has_value = kind != "missing" and error["input"] is not None
    value = _display(error["input"], document.texts.get(path)) if has_value else ""
    if bad_key and path:
        value = str(path[-1])
    what, why, instead = _message(kind, context, error, model_path, root)
    return Problem(
        path,
        what,
        why,
        instead,
        value=value,
        at_key=bad_key or kind == "extra_forbidden",
    )


def _message(
    kind: str, context: Mapping[str, Any], error: ErrorDetails, path: Path, root: type[BaseModel]
) -> tuple[str, str, str]:
    """Return a message that says what is wrong, why, and what to write instead."""
    meaning = _lower(_meaning(root, path))
    if kind == "form":
        return context["what"], context["why"], context["instead"]
    if kind == "extra_forbidden":
        return _unknown_key(root, path)
    if error["input"] is None:
        return "has no value", meaning, "write a value"
    other_type = _other_type(kind, context, error["input"])
    if other_type is not None:
        return other_type[0], meaning, other_type[1]
    values = {**context, "key": path[-1] if path else "", "choices": _choices(context)}
    for beginnings, what, instead in _KINDS:
        if kind.startswith(beginnings):
            return what, meaning, instead.format(**values)
    return _lower(error["msg"]), meaning, "write a value that config/schema.json allows"


_KINDS: tuple[tuple[str | tuple[str, ...], str, str], ...] = (
    ("missing", "is missing", "add {key}"),
    ("literal_error", "is not one of the allowed values", "write {choices}"),
    ("too_short", "is empty", "write at least one entry"),
    ("too_long", "has too many values", "write at most {max_length}"),
    ("greater_than_equal", "is too small", "write {ge} or more"),
    ("less_than_equal", "is too large", "write {le} or less"),
    ("string_too_long", "is too long", "use at most {max_length} characters"),
    ("string_too_short", "is empty", "write at least one character"),
    (("int_",), "is not a whole number", "write digits, without quotes"),
    (("bool_",), "is neither true nor false", "write true or false, without quotes"),
    (("string_",), "is not text", "write text"),
    (("model_", "dict_", "mapping_"), "is not a map", "write keys and values below this key"),
    (
        ("tuple_", "list_"),
        "is not a list",
        ("write a list: [one, two], or one line with - for each entry"),
    ),
)


_FLAGS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Words that are booleans in YAML 1.1, and text in YAML 1.2."""


def _other_type(kind: str, context: Mapping[str, Any], value: Any) -> tuple[str, str] | None:
    """Return the message for a value of another scalar type, with what to write instead.

    The user probably wrote a number or word with or without quotes, or a boolean of YAML 1.1.
    Return None for all other errors.
    """
    if kind.startswith("string_"):
        if isinstance(value, bool):
            return "is true or false, not text", "put the value in quotes"
        return (
            ("is a number", "put the value in quotes") if isinstance(value, int | float) else None
        )
    if not isinstance(value, str):
        return None
    takes_flag = kind.startswith("bool_") or "True" in str(context.get("expected", ""))
    if takes_flag and value.lower() in _FLAGS:
        return "is text in YAML 1.2", f"write {_FLAGS[value.lower()]}"
    is_flag = takes_flag and value in {"true", "false"}
    if is_flag or (kind.startswith("int_") and value.isascii() and value.isdigit()):
        return "is text", "remove the quotes"
    return None


def nearest_key(root: type[BaseModel], path: Path) -> str | None:
    """Return the known key that the unknown key at a path resembles; None if there is none."""
    owner = _section(root, path[:-1])
    return owner.nearest_key(str(path[-1])) if owner else None


def _choices(context: Mapping[str, Any]) -> str:
    """Return the allowed values of a key, as YAML writes these values."""
    return str(context.get("expected", "")).replace("True", "true").replace("False", "false")


def _unknown_key(root: type[BaseModel], path: Path) -> tuple[str, str, str]:
    """Return the message for an unknown key, with the known key that it resembles."""
    near = nearest_key(root, path)
    owner = _section(root, path[:-1])
    known = ", ".join(sorted(owner.model_fields)) if owner else "none"
    instead = f"did you mean {near}?" if near else f"known keys are {known}"
    return "is an unknown key", "an unknown key would be ignored", instead


def _document_path(path: Path, document: Document) -> Path:
    """Return the part of a model's path that exists in the file.

    A scalar in the file can be the short form of a map. The path then ends at the scalar.
    """
    while path and path[:-1] in document.texts:
        path = path[:-1]
    return path


def _display(value: Any, text: str | None) -> str:
    """Return a value for a message: a scalar as it is in the file, otherwise only the type."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return str(value) if text is None else text


def _meaning(root: type[BaseModel], path: Path) -> str:
    """Return the purpose of the key at a path, from its description in the model."""
    for depth in range(len(path), 0, -1):
        owner = _section(root, path[: depth - 1])
        info = owner.model_fields.get(str(path[depth - 1])) if owner else None
        if info is not None and info.description:
            return info.description.rstrip(".")
    return "the file describes one environment"


def _lower(text: str) -> str:
    """Return a sentence, for use within another, with a first word in lower case (but not TLS)."""
    first = text.split(" ", 1)[0]
    return text if not first[1:].islower() and len(first) > 1 else text[:1].lower() + text[1:]


def _section(root: type[BaseModel], path: Path) -> type[Section] | None:
    """Return the section class at a path; None if the value is not a section."""
    annotation: Any = root
    for part in path:
        annotation = _below(annotation, part)
        if annotation is None:
            return None
    return next((kind for kind in _members(annotation) if _is_section(kind)), None)


def _below(annotation: Any, part: int | str) -> Any:
    """Return the type of the value at a key or index of a type; None if there is no such value."""
    for kind in _members(annotation):
        if _is_section(kind):
            info = kind.model_fields.get(str(part))
            if info is not None:
                return info.annotation
        elif get_origin(kind) in (dict, tuple, Mapping):
            inner = [item for item in get_args(kind) if item is not Ellipsis]
            return inner[-1]
    return None


def _members(annotation: Any) -> list[Any]:
    """Return the types that an annotation or union contains."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _members(annotation.model_fields["root"].annotation)
    if origin in (Union, UnionType):
        return [member for item in get_args(annotation) for member in _members(item)]
    return [annotation]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
