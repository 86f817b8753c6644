"""The values of a template's expressions, across stacks.

A value that only a deployment knows becomes a reference, `${stack/LogicalId}` for `Ref` and
`${stack/LogicalId.Attribute}` for `Fn::GetAtt`. So two expressions for the same value become the
same text, and the resources that a value depends on can be found in it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack

_REFERENCE: Final = re.compile(r"\$\{([^/{}]+)/([^.{}]+)(?:\.([^{}]+))?\}")
_PLACEHOLDER: Final = re.compile(r"\$\{([^!{}][^{}]*)\}")
_MAX_DEPTH: Final = 60
_MAX_CONDITION_DEPTH: Final = 20
_ABSENT: Final = object()
"""The value of `AWS::NoValue`: the key is left out."""

Reference = tuple[str, str, str]
"""The stack, logical id and attribute of a reference; the attribute is empty for a `Ref`."""


def reference(stack: str, id_: str, attribute: str = "") -> str:
    """Return the text that stands for a resource, or for an attribute of it."""
    return f"${{{stack}/{id_}{'.' if attribute else ''}{attribute}}}"


def references(value: object) -> list[Reference]:
    """Return the references in a value, in their order."""
    return _REFERENCE.findall(value) if isinstance(value, str) else []


def unknown(name: str) -> str:
    """Return the text that stands for a value that is not known here."""
    return reference("?", name)


@dataclass(frozen=True)
class NestedStack:
    """A nested stack whose template was found.

    Attributes:
        parent: the stack that nests it.
        id: the logical id in the parent.
        stack: the nested stack.
    """

    parent: SynthesisedStack
    id: str
    stack: SynthesisedStack

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The expressions of the parameters, in the parent's terms."""
        properties = as_mapping(self.parent.resources[self.id].get("Properties"))
        return as_mapping(properties.get("Parameters"))


class Resolver:
    """Resolver of the expressions of some stacks, which may refer to each other.

    Args:
        stacks: the stacks, nested ones too.
        nested: the nested stacks among them.

    Attributes:
        undecided: descriptions of what values depend on that only a deployment knows: conditions,
            and functions that are not known here. The caller empties it before a value.
    """

    def __init__(
        self, stacks: Iterable[SynthesisedStack], nested: Iterable[NestedStack] = ()
    ) -> None:
        self._stacks = {stack.name: stack for stack in stacks}
        self._by_child = {one.stack.name: one for one in nested}
        self._by_parent = {(one.parent.name, one.id): one for one in nested}
        self.undecided: dict[str, None] = {}
        self._outputs: dict[tuple[str, str], Any] = {}
        self._exports: dict[str, tuple[SynthesisedStack, Any]] | None = None

    def properties(self, stack: SynthesisedStack, id_: str) -> dict[str, Any]:
        """Return a resource's properties, resolved."""
        resolved = self.value(stack, stack.resources[id_].get("Properties", {}))
        return resolved if isinstance(resolved, dict) else {}

    def exists(self, stack: SynthesisedStack, resource: Mapping[str, Any]) -> bool:
        """Return whether a resource's condition holds; True if only a deployment knows."""
        condition = resource.get("Condition")
        if not isinstance(condition, str):
            return True
        holds = self._holds(stack, condition, 0)
        if holds is None:
            self._note_undecided(f"condition {condition}")
        return holds is not False

    def _note_undecided(self, text: str) -> None:
        self.undecided.setdefault(text)

    def value(self, stack: SynthesisedStack, expression: Any, depth: int = 0) -> Any:
        """Return the value of an expression of a stack."""
        if depth > _MAX_DEPTH:
            return unknown("?")
        if isinstance(expression, list):
            items = [self.value(stack, item, depth + 1) for item in expression]
            return [item for item in items if item is not _ABSENT]
        if not isinstance(expression, dict):
            return expression
        if len(expression) == 1:
            ((key, argument),) = expression.items()
            if key == "Ref":
                name = self.value(stack, argument, depth + 1)
                return self._ref(stack, str(name), depth + 1)
            if isinstance(key, str) and key.startswith("Fn::"):
                return self._call(stack, key.removeprefix("Fn::"), argument, depth + 1)
        if "Fn::Transform" in expression:
            self._note_undecided("Fn::Transform")
        values = {key: self.value(stack, item, depth + 1) for key, item in expression.items()}
        return {key: value for key, value in values.items() if value is not _ABSENT}

    def _ref(self, stack: SynthesisedStack, name: str, depth: int) -> Any:
        pseudo_parameters = {
            "AWS::Region": stack.region,
            "AWS::AccountId": stack.account or reference(stack.name, "AWS::AccountId"),
            "AWS::StackName": stack.name,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": _ABSENT,
        }
        if name in pseudo_parameters:
            return pseudo_parameters[name]
        parameter = as_mapping(as_mapping(stack.template.get("Parameters")).get(name))
        kind = str(parameter.get("Type"))
        nested = self._by_child.get(stack.name)
        if nested is not None and name in nested.parameters:
            value = self.value(nested.parent, nested.parameters[name], depth)
        elif "Default" in parameter and not kind.startswith("AWS::SSM::"):
            value = parameter["Default"]
        else:
            return reference(stack.name, name)
        is_list = "List<" in kind or "CommaDelimited" in kind
        return _split([",", value]) if is_list and isinstance(value, str | int) else value

    def _call(self, stack: SynthesisedStack, function: str, argument: Any, depth: int) -> Any:
        """Return the value of a function; of a function that is not known here, `unknown`."""
        if function == "If":
            return self._if(stack, argument, depth)
        if function == "Sub":
            return self._sub(stack, argument, depth)
        value = self.value(stack, argument, depth)
        if function in _PURE:
            return _PURE[function](value)
        of_stack = {
            "GetAtt": self._get_att,
            "GetAZs": self._get_azs,
            "FindInMap": self._find_in_map,
            "ImportValue": self._import_value,
            "GetStackOutput": self._get_stack_output,
        }
        if function not in of_stack:
            self._note_undecided(f"Fn::{function}")
            return unknown(function)
        return of_stack[function](stack, value, depth)

    def _get_att(self, stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        id_, attribute = (*argument, "", "")[:2] if isinstance(argument, list) else (argument, "")
        if not attribute:
            id_, _, attribute = str(id_).partition(".")
        nested = self._by_parent.get((stack.name, str(id_)))
        if nested is not None and str(attribute).startswith("Outputs."):
            name = str(attribute).removeprefix("Outputs.")
            output = as_mapping(nested.stack.template.get("Outputs")).get(name)
            return self.value(nested.stack, as_mapping(output).get("Value"), depth)
        return reference(stack.name, str(id_), str(attribute))

    def _get_azs(self, stack: SynthesisedStack, argument: Any, _depth: int) -> list[str]:
        # Only the account knows the zones' names; the drill needs only that they differ.
        return [f"{argument or stack.region}#{number}" for number in range(6)]

    def _find_in_map(self, stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        name, first, second = (
            (*argument, "", "", "")[:3] if isinstance(argument, list) else ("",) * 3
        )
        mappings = as_mapping(stack.template.get("Mappings"))
        try:
            found = mappings[str(name)][first][second]
        except (KeyError, TypeError):
            default = as_mapping(argument[3]) if _has_items(argument, 4) else {}
            if "DefaultValue" in default:
                return default["DefaultValue"]
            self._note_undecided("Fn::FindInMap")
            return unknown("FindInMap")
        return self.value(stack, found, depth)

    def _sub(self, stack: SynthesisedStack, argument: Any, depth: int) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})
        values = {
            key: self.value(stack, item, depth) for key, item in as_mapping(variables).items()
        }

        def replacement(match: re.Match[str]) -> str:
            name = match.group(1).strip()
            if name in values:
                return str(values[name])
            id_, _, attribute = name.partition(".")
            if attribute:
                return str(self._get_att(stack, [id_, attribute], depth))
            return str(self._ref(stack, name, depth))

        return _PLACEHOLDER.sub(replacement, str(text)).replace("${!", "${")

    def _if(self, stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        if not (isinstance(argument, list) and len(argument) == 3):
            return unknown("If")
        name, if_true, if_false = argument
        holds = self._holds(stack, str(name), depth)
        if holds is None:
            # The value is taken as if the condition held, and the reader notes that it is open.
            self._note_undecided(f"condition {name}")
        chosen = if_false if holds is False else if_true
        return self.value(stack, chosen, depth)

    def _holds(self, stack: SynthesisedStack, name: str, depth: int) -> bool | None:
        """Return whether a condition of a stack holds, None if only a deployment knows."""

        def known_text(expression: Any) -> str | None:
            value = self.value(stack, expression, depth + 1)
            return None if references(value) else str(value)

        conditions = as_mapping(stack.template.get("Conditions"))
        return _condition_holds(conditions, conditions.get(name), known_text)

    def _import_value(self, _stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        name = str(argument)
        if self._exports is None:
            self._exports = {}
            for stack in self._stacks.values():
                for output in as_mapping(stack.template.get("Outputs")).values():
                    export = as_mapping(as_mapping(output).get("Export")).get("Name")
                    if export is not None:
                        key = str(self.value(stack, export, depth))
                        self._exports[key] = (stack, output.get("Value"))
        if name not in self._exports:
            return unknown(name.replace(".", "-"))
        stack, value = self._exports[name]
        return self.value(stack, value, depth)

    def _get_stack_output(self, _stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        settings = as_mapping(argument)
        key = name, output = str(settings.get("StackName")), str(settings.get("OutputName"))
        if key not in self._outputs:
            stack = self._stacks.get(name)
            outputs = as_mapping(stack.template.get("Outputs")) if stack else {}
            if stack is None or output not in outputs:
                return reference(name, f"output {output}")
            self._outputs[key] = self.value(stack, as_mapping(outputs[output]).get("Value"), depth)
        return self._outputs[key]


def _select(argument: Any) -> Any:
    """Return an item of a list; of an unknown list, text that differs by index."""
    index, items = argument if isinstance(argument, list) and len(argument) == 2 else (0, [])
    if isinstance(items, str) and (found := references(items)):
        stack, id_, attribute = found[0]
        return reference(stack, id_, f"{attribute}#{index}")
    items = items if isinstance(items, list) else []
    try:
        return items[int(str(index))]
    except (IndexError, ValueError):
        return next((item for item in items if references(item)), unknown("Select"))


def _join(argument: Any) -> str:
    separator, parts = argument if isinstance(argument, list) and len(argument) == 2 else ("", [])
    return str(separator).join(str(part) for part in parts) if isinstance(parts, list) else parts


def _split(argument: Any) -> Any:
    """Return the parts of a text; a text that is only known at deployment is an unknown list."""
    separator, text = argument if _has_items(argument, 2) else (" ", "")
    parts = str(text).split(str(separator) or " ")
    is_unknown_list = len(parts) == 1 and _REFERENCE.fullmatch(parts[0]) is not None
    return parts[0] if is_unknown_list else parts


def _has_items(argument: Any, least: int) -> bool:
    return isinstance(argument, list) and len(argument) >= least


_PURE: Final[dict[str, Callable[[Any], Any]]] = {"Join": _join, "Split": _split, "Select": _select}
"""The functions whose value depends on their argument alone."""


def _condition_holds(
    conditions: Mapping[str, Any],
    condition: Any,
    known_text: Callable[[Any], str | None],
    depth: int = 0,
) -> bool | None:
    """Return whether a condition holds, None if only a deployment knows.

    Args:
        conditions: the template's conditions by name.
        condition: the condition.
        known_text: returns the text of an expression, None if only a deployment knows it.
        depth: the number of conditions around this one.
    """
    if depth > _MAX_CONDITION_DEPTH or not isinstance(condition, dict) or len(condition) != 1:
        return None
    ((function, argument),) = condition.items()
    if function == "Condition":
        return _condition_holds(conditions, conditions.get(str(argument)), known_text, depth + 1)
    parts = argument if isinstance(argument, list) else []
    if function == "Fn::Equals":
        texts = [known_text(part) for part in parts]
        return None if None in texts or len(texts) != 2 else texts[0] == texts[1]
    verdicts = [_condition_holds(conditions, part, known_text, depth + 1) for part in parts]
    return _combined(function, verdicts)


def _combined(function: str, verdicts: list[bool | None]) -> bool | None:
    """Return the verdict of `Fn::Not`, `Fn::And` or `Fn::Or`; None for any other function."""
    if function == "Fn::Not" and len(verdicts) == 1:
        return None if verdicts[0] is None else not verdicts[0]
    if function not in ("Fn::And", "Fn::Or"):
        return None
    decisive = function == "Fn::Or"
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping, empty for any other value."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list, empty for any other value."""
    return value if isinstance(value, list) else []


def as_integer(value: object, default: int) -> int:
    """Return an integer in any spelling, or the default for any other value."""
    try:
        return int(float(str(value)))
    except ValueError:
        return default


def is_true(value: object) -> bool:
    """Return whether a flag in any spelling is set."""
    return str(value).lower() == "true"
