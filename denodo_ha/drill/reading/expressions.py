"""What a template's expressions come to, across stacks.

What is known only after a deploy becomes a mark, `${stack/LogicalId}` for `Ref` and
`${stack/LogicalId.Attribute}` for `Fn::GetAtt`, so that two expressions for the same thing come to
the same text and what a value is made of can be found in it again.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.reading.conditions import as_map, holds

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

    def __init__(self, stacks: Iterable[SynthesisedStack]) -> None:
        self._stacks = {stack.name: stack for stack in stacks}
        self._outputs: dict[tuple[str, str], Any] = {}
        self._exports: dict[str, tuple[SynthesisedStack, Any]] | None = None

    def resource(self, found: Found) -> Mapping[str, Any] | None:
        """The resource of a mark."""
        stack = self._stacks.get(found[0])
        return stack.resources.get(found[1]) if stack else None

    def properties(self, stack: SynthesisedStack, id_: str) -> dict[str, Any]:
        """A resource's properties, resolved."""
        resolved = self.value(stack, stack.resources[id_].get("Properties", {}))
        return resolved if isinstance(resolved, dict) else {}

    def exists(self, stack: SynthesisedStack, resource: Mapping[str, Any]) -> bool:
        """Whether the resource's condition lets it be; one that can't be known does."""
        condition = resource.get("Condition")
        return not isinstance(condition, str) or self._holds(stack, condition, 0) is not False

    def value(self, stack: SynthesisedStack, expression: Any, depth: int = 0) -> Any:
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

    def _ref(self, stack: SynthesisedStack, name: str) -> Any:
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
        parameter = as_map(stack.template.get("Parameters")).get(name)
        if isinstance(parameter, dict) and "Default" in parameter:
            default = parameter["Default"]
            many = "List<" in str(parameter.get("Type")) or "CommaDelimited" in str(
                parameter.get("Type")
            )
            return str(default).split(",") if many else default
        return mark(stack.name, name)

    def _call(self, stack: SynthesisedStack, function: str, argument: Any, depth: int) -> Any:
        """What a function comes to; one that is not known here comes to a mark of nothing."""
        if function == "If":
            return self._if(stack, argument, depth)
        if function == "Sub":
            return self._sub(stack, argument, depth)
        given = self.value(stack, argument, depth)
        if function in _PURE:
            return _PURE[function](given)
        own = {
            "GetAtt": self._attribute,
            "GetAZs": self._zones,
            "FindInMap": self._looked_up,
            "ImportValue": self._import,
            "GetStackOutput": self._output,
        }
        return own[function](stack, given, depth) if function in own else f"${{?/{function}}}"

    def _attribute(self, stack: SynthesisedStack, given: Any, _depth: int) -> str:
        id_, attribute = (*given, "")[:2] if isinstance(given, list) else (given, "")
        if not attribute:
            id_, _, attribute = str(id_).partition(".")
        return mark(stack.name, str(id_), str(attribute))

    def _zones(self, stack: SynthesisedStack, given: Any, _depth: int) -> list[str]:
        # Which they are only the account knows; that they differ is what matters.
        return [f"{given or stack.region}#{number}" for number in range(6)]

    def _looked_up(self, stack: SynthesisedStack, given: Any, depth: int) -> Any:
        table, first, second = (*given, "", "", "")[:3] if isinstance(given, list) else ("",) * 3
        rows = as_map(as_map(stack.template.get("Mappings")).get(table))
        return self.value(stack, as_map(rows.get(first)).get(second), depth)

    def _sub(self, stack: SynthesisedStack, argument: Any, depth: int) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})
        values = {key: self.value(stack, one, depth) for key, one in as_map(own).items()}

        def placed(found: re.Match[str]) -> str:
            name = found.group(1).strip()
            if name in values:
                return str(values[name])
            id_, _, attribute = name.partition(".")
            return mark(stack.name, id_, attribute) if attribute else str(self._ref(stack, name))

        return _PLACE.sub(placed, str(text)).replace("${!", "${")

    def _if(self, stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        if not (isinstance(argument, list) and len(argument) == 3):
            return "${?/If}"
        name, yes, no = argument
        # What only a deploy knows is taken as the first of the two.
        chosen = no if self._holds(stack, str(name), depth) is False else yes
        return self.value(stack, chosen, depth)

    def _holds(self, stack: SynthesisedStack, name: str, depth: int) -> bool | None:
        def known(expression: Any) -> str | None:
            value = self.value(stack, expression, depth + 1)
            return None if marks(value) else str(value)

        return holds(as_map(stack.template.get("Conditions")), name, known)

    def _import(self, _stack: SynthesisedStack, given: Any, depth: int) -> Any:
        name = str(given)
        if self._exports is None:
            self._exports = {}
            for stack in self._stacks.values():
                for output in as_map(stack.template.get("Outputs")).values():
                    export = as_map(as_map(output).get("Export")).get("Name")
                    if export is not None:
                        said = str(self.value(stack, export, depth))
                        self._exports[said] = (stack, output.get("Value"))
        if name not in self._exports:
            return f"${{?/{name.replace('.', '-')}}}"
        stack, value = self._exports[name]
        return self.value(stack, value, depth)

    def _output(self, _stack: SynthesisedStack, given: Any, depth: int) -> Any:
        said = as_map(given)
        key = name, output = str(said.get("StackName")), str(said.get("OutputName"))
        if key not in self._outputs:
            stack = self._stacks.get(name)
            outputs = as_map(stack.template.get("Outputs")) if stack else {}
            if stack is None or output not in outputs:
                return mark(name, f"output {output}")
            self._outputs[key] = self.value(stack, as_map(outputs[output]).get("Value"), depth)
        return self._outputs[key]


def _selected(given: Any) -> Any:
    """An item of a list. A piece of what only a deploy knows stays the whole, which it is of."""
    index, items = given if isinstance(given, list) and len(given) == 2 else (0, [])
    listed = items if isinstance(items, list) else []
    try:
        return listed[int(str(index))]
    except (IndexError, ValueError):
        return next((item for item in listed if marks(item)), "${?/Select}")


def _joined(given: Any) -> str:
    separator, parts = given if isinstance(given, list) and len(given) == 2 else ("", [])
    return str(separator).join(str(part) for part in parts) if isinstance(parts, list) else parts


def _split(given: Any) -> list[str]:
    separator, text = given if isinstance(given, list) and len(given) == 2 else (" ", "")
    return str(text).split(str(separator) or " ")


_PURE: Final[dict[str, Callable[[Any], Any]]] = {
    "Join": _joined,
    "Split": _split,
    "Select": _selected,
}
