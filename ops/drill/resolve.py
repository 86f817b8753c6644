"""What a template's expressions come to, across stacks.

What is known only after a deploy becomes a mark, `${stack/LogicalId}` for `Ref` and
`${stack/LogicalId.Attribute}` for `Fn::GetAtt`, so that two expressions for the same thing come to
the same text and what a value is made of can be found in it again.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ops.drill.template import Stack

_MARK: Final = re.compile(r"\$\{([^/{}]+)/([^.{}]+)(?:\.([^{}]+))?\}")
_PLACE: Final = re.compile(r"\$\{([^!{}][^{}]*)\}")
_DEEPEST: Final = 60
_ABSENT: Final = object()
"""What `AWS::NoValue` comes to: the key is left out."""

Found = tuple[str, str, str]
"""A mark's stack, logical id and attribute; no attribute for a `Ref`."""


def mark(stack: str, id_: str, attribute: str = "") -> str:
    """The text for what a resource will be."""
    return f"${{{stack}/{id_}{'.' if attribute else ''}{attribute}}}"


def marks(value: object) -> list[Found]:
    """The resources that a value is made of, in their order."""
    return [(a, b, c or "") for a, b, c in _MARK.findall(value)] if isinstance(value, str) else []


class Resolver:
    """Resolves expressions of some stacks, which may refer to each other."""

    def __init__(self, stacks: Iterable[Stack]) -> None:
        self._stacks = {stack.name: stack for stack in stacks}
        self._outputs: dict[tuple[str, str], Any] = {}
        self._exports: dict[str, tuple[Stack, Any]] | None = None

    def resource(self, found: Found) -> Mapping[str, Any] | None:
        """The resource of a mark."""
        stack = self._stacks.get(found[0])
        return stack.resources.get(found[1]) if stack else None

    def properties(self, stack: Stack, id_: str) -> dict[str, Any]:
        """A resource's properties, resolved."""
        resolved = self.value(stack, stack.resources[id_].get("Properties", {}))
        return resolved if isinstance(resolved, dict) else {}

    def exists(self, stack: Stack, resource: Mapping[str, Any]) -> bool:
        """Whether the resource's condition lets it be; one that can't be known does."""
        condition = resource.get("Condition")
        return not isinstance(condition, str) or self._holds(stack, condition, 0) is not False

    def value(self, stack: Stack, expression: Any, depth: int = 0) -> Any:
        """What an expression of a stack comes to."""
        if depth > _DEEPEST:
            return "${?/?}"
        if isinstance(expression, list):
            items = [self.value(stack, item, depth + 1) for item in expression]
            return [item for item in items if item is not _ABSENT]
        if not isinstance(expression, dict):
            return expression
        if len(expression) == 1:
            ((key, argument),) = expression.items()
            if key == "Ref":
                return self._ref(stack, str(argument))
            if isinstance(key, str) and key.startswith("Fn::"):
                return self._call(stack, key.removeprefix("Fn::"), argument, depth + 1)
        items_ = {key: self.value(stack, one, depth + 1) for key, one in expression.items()}
        return {key: one for key, one in items_.items() if one is not _ABSENT}

    def _ref(self, stack: Stack, name: str) -> Any:
        pseudo = {
            "AWS::Region": stack.region,
            "AWS::AccountId": stack.account or mark(stack.name, "AWS::AccountId"),
            "AWS::StackName": stack.name,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": _ABSENT,
        }
        if name in pseudo:
            return pseudo[name]
        parameter = _mapping(stack.template.get("Parameters")).get(name)
        if isinstance(parameter, dict) and "Default" in parameter:
            default = parameter["Default"]
            many = "List<" in str(parameter.get("Type")) or "CommaDelimited" in str(
                parameter.get("Type")
            )
            return str(default).split(",") if many else default
        return mark(stack.name, name)

    def _call(self, stack: Stack, function: str, argument: Any, depth: int) -> Any:
        if function == "If":
            return self._if(stack, argument, depth)
        if function == "Sub":
            return self._sub(stack, argument, depth)
        given = self.value(stack, argument, depth)
        match function, given:
            case "GetAtt", [id_, attribute, *_]:
                return mark(stack.name, str(id_), str(attribute))
            case "GetAtt", str():
                id_, _, attribute = given.partition(".")
                return mark(stack.name, id_, attribute)
            case "Join", [separator, list() as parts]:
                return str(separator).join(str(part) for part in parts)
            case "Split", [separator, text]:
                return str(text).split(str(separator))
            case "Select", [index, list() as items]:
                return _selected(index, items)
            case "GetAZs", _:
                return [f"{given or stack.region}#{number}" for number in range(6)]
            case "FindInMap", [table, first, second, *_]:
                rows = _mapping(_mapping(stack.template.get("Mappings")).get(table))
                return self.value(stack, _mapping(rows.get(first)).get(second), depth)
            case "ImportValue", _:
                return self._import(str(given), depth)
            case "GetStackOutput", {"StackName": name, "OutputName": output, **_rest}:
                return self._output(str(name), str(output), depth)
            case _:
                return f"${{?/{function}}}"

    def _sub(self, stack: Stack, argument: Any, depth: int) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})
        values = {key: self.value(stack, one, depth) for key, one in _mapping(own).items()}

        def placed(found: re.Match[str]) -> str:
            name = found.group(1).strip()
            if name in values:
                return str(values[name])
            id_, _, attribute = name.partition(".")
            return mark(stack.name, id_, attribute) if attribute else str(self._ref(stack, name))

        return _PLACE.sub(placed, str(text)).replace("${!", "${")

    def _if(self, stack: Stack, argument: Any, depth: int) -> Any:
        if not (isinstance(argument, list) and len(argument) == 3):
            return "${?/If}"
        name, yes, no = argument
        # What only a deploy knows is taken as the first of the two.
        chosen = no if self._holds(stack, str(name), depth) is False else yes
        return self.value(stack, chosen, depth)

    def _holds(self, stack: Stack, name: str, depth: int) -> bool | None:
        condition = _mapping(stack.template.get("Conditions")).get(name)
        return self._judged(stack, condition, depth + 1)

    def _judged(self, stack: Stack, condition: Any, depth: int) -> bool | None:
        """A condition's truth, None where only a deploy knows it."""
        if depth > _DEEPEST or not isinstance(condition, dict) or len(condition) != 1:
            return None
        ((key, argument),) = condition.items()
        if key == "Condition":
            return self._holds(stack, str(argument), depth)
        if key == "Fn::Equals" and isinstance(argument, list) and len(argument) == 2:
            one, two = (self.value(stack, item, depth) for item in argument)
            return None if marks(one) or marks(two) else str(one) == str(two)
        parts = argument if isinstance(argument, list) else []
        judged = [self._judged(stack, part, depth + 1) for part in parts]
        if key == "Fn::Not" and len(judged) == 1:
            return None if judged[0] is None else not judged[0]
        if key in ("Fn::And", "Fn::Or"):
            decides = key == "Fn::Or"
            if decides in judged:
                return decides
            return None if None in judged else not decides
        return None

    def _import(self, name: str, depth: int) -> Any:
        if self._exports is None:
            self._exports = {}
            for stack in self._stacks.values():
                for output in _mapping(stack.template.get("Outputs")).values():
                    export = _mapping(_mapping(output).get("Export")).get("Name")
                    if export is not None:
                        said = str(self.value(stack, export, depth))
                        self._exports[said] = (stack, output.get("Value"))
        if name not in self._exports:
            return f"${{?/{name.replace('.', '-')}}}"
        stack, value = self._exports[name]
        return self.value(stack, value, depth)

    def _output(self, name: str, output: str, depth: int) -> Any:
        key = (name, output)
        if key not in self._outputs:
            stack = self._stacks.get(name)
            outputs = _mapping(stack.template.get("Outputs")) if stack else {}
            if stack is None or output not in outputs:
                return mark(name, f"output {output}")
            self._outputs[key] = self.value(stack, _mapping(outputs[output]).get("Value"), depth)
        return self._outputs[key]


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _selected(index: object, items: Sequence[Any]) -> Any:
    """An item of a list. A piece of what only a deploy knows stays the whole, which it is of."""
    try:
        return items[int(str(index))]
    except (IndexError, ValueError):
        return next((item for item in items if marks(item)), "${?/Select}")
