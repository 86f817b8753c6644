"""Evaluation of IAM policies in templates, according to IAM's documentation.

    allows(statements, "ec2:DeleteTags", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", {})

Sources: AWS, IAM JSON policy elements: Condition operators; AWS, Set operators for multivalued
context keys. An unknown operator or expression raises an error, so that no condition is ignored.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Statement = Mapping[str, Any]
Context = Mapping[str, str | tuple[str, ...]]
"""Condition keys of a request with their values; a tuple is the value of a multivalued key."""

_PSEUDO: Final = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "111122223333",
    "AWS::Region": "eu-west-1",
}


def allows(statements: Iterable[Statement], action: str, resource: str, context: Context) -> bool:
    """Return whether one of the statements permits a request; all must have the effect Allow."""
    return any(_admits(statement, action, resource, context) for statement in statements)


def _admits(statement: Statement, action: str, resource: str, context: Context) -> bool:
    if statement["Effect"] != "Allow":
        raise NotImplementedError(statement["Effect"])
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in _several(statement["Action"]))
        and any(_like(_text(one), resource) for one in _several(statement["Resource"]))
        and conditions_hold(statement, context)
    )


def conditions_hold(statement: Statement, context: Context) -> bool:
    """Return whether all conditions of a statement hold for a request."""
    return all(
        _holds(operator, key, _several(values), context)
        for operator, conditions in statement.get("Condition", {}).items()
        for key, values in conditions.items()
    )


def _holds(operator: str, key: str, values: list[str], context: Context) -> bool:
    """Return whether a condition holds; the case of keys does not matter."""
    given = {name.lower(): value for name, value in context.items()}.get(key.lower())
    if operator == "Null":
        # `Null` with `true` requires that the key is missing, with `false` that the key exists and
        # is not empty.
        return values == ["false" if given else "true"]
    quantifier, _, name = operator.rpartition(":")
    matches = _OPERATORS[name]
    requested = (given,) if isinstance(given, str) else given or ()
    admitted = [any(matches(value, one) for value in values) for one in requested]
    if quantifier == "ForAllValues":
        # `all` of no values is true: a condition with `ForAllValues` also holds for a request
        # without the key.
        return all(admitted)
    if quantifier not in ("", "ForAnyValue"):
        raise NotImplementedError(operator)
    return any(admitted)


def _text(value: Any) -> str:
    """Return the text of an expression in a template; only pseudo parameters are resolved."""
    if isinstance(value, str):
        return value
    match value:
        case {"Ref": name} if name in _PSEUDO:
            return _PSEUDO[name]
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(_text, parts))
        case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
            return f"<{name}>"
    raise NotImplementedError(value)


def _like(pattern: str, text: str) -> bool:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(escaped, text, re.DOTALL) is not None


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": lambda value, given: value == given,
    "StringLike": _like,
    "ArnLike": _like,
    "ArnEquals": _like,
}


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
