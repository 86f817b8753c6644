"""Resolver of expressions (intrinsic functions) in templates, with references between stacks."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.reading.values import (
    MAX_TEXT,
    PURE_FUNCTIONS,
    as_list,
    as_mapping,
    has_items,
    reference,
    references,
    split,
    unknown,
)

_PLACEHOLDER: Final = re.compile(r"\$\{([^!{}][^{}]*)\}")
_MAX_DEPTH: Final = 60
_MAX_CONDITION_DEPTH: Final = 20
_MAX_STEPS: Final = 1_000_000
"""Maximum number of values and conditions to resolve for one stack; a long text counts as several.

The largest possible template contains a tenth of this number of values. Expressions that repeat
other expressions can need many more steps.
"""
_TEXT_PER_STEP: Final = 100
_ABSENT: Final = object()
"""The value of `AWS::NoValue`: a property with this value is omitted."""


@dataclass(frozen=True)
class NestedStack:
    """A nested stack whose template was found.

    Attributes:
        parent: the stack that contains it.
        id: the logical id in the parent.
        stack: the nested stack.
    """

    parent: SynthesisedStack
    id: str
    stack: SynthesisedStack

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The expressions of the parameters, to be resolved in the parent stack."""
        properties = as_mapping(self.parent.resources[self.id].get("Properties"))
        return as_mapping(properties.get("Parameters"))


class Resolver:
    """Resolver of the expressions of some stacks, which may refer to each other.

    Args:
        stacks: the stacks, including nested ones.
        nested: the nested stacks among them.

    Attributes:
        undecided: descriptions of the conditions and unsupported functions that resolved values
            depend on and whose results are known only after deployment. The caller must empty this
            set before it resolves a value.
    """

    def __init__(
        self, stacks: Iterable[SynthesisedStack], nested: Iterable[NestedStack] = ()
    ) -> None:
        self._stacks = {stack.name: stack for stack in stacks}
        self._by_child = {one.stack.name: one for one in nested}
        self._by_parent = {(one.parent.name, one.id): one for one in nested}
        self.undecided: dict[str, None] = {}
        self._steps: Counter[str] = Counter()
        self._followed: set[tuple[str, str]] = set()
        self._exports: dict[str, tuple[SynthesisedStack, Any]] | None = None

    def properties(self, stack: SynthesisedStack, id_: str) -> dict[str, Any]:
        """Return a resource's properties with resolved values."""
        resolved = self.value(stack, stack.resources[id_].get("Properties", {}))
        return resolved if isinstance(resolved, dict) else {}

    def exists(self, stack: SynthesisedStack, resource: Mapping[str, Any]) -> bool:
        """Return whether a resource's condition creates the resource; True if not known."""
        condition = resource.get("Condition")
        if not isinstance(condition, str):
            return True
        holds = self._holds(stack, condition, 0)
        if holds is None:
            self._note_undecided(f"condition {condition}")
        return holds is not False

    def _note_undecided(self, text: str) -> None:
        self.undecided.setdefault(text)

    def _count_steps(self, stack: SynthesisedStack, steps: int) -> None:
        self._steps[stack.name] += steps
        if self._steps[stack.name] > _MAX_STEPS:
            message = (
                f"{stack.file or stack.name}: the expressions of this template need more than "
                f"{_MAX_STEPS} steps, because some expressions repeat others many times: replace "
                "these expressions by their values"
            )
            raise UsageError(message)

    @contextmanager
    def _following(self, stack: SynthesisedStack, path: str) -> Iterator[None]:
        """Mark a part of a template as being resolved, to detect circular references.

        Raises:
            UsageError: The part is already being resolved.
        """
        key = (stack.name, path)
        if key in self._followed:
            message = (
                f"{stack.file or stack.name}: {path} refers to itself and therefore has no value: "
                "remove the reference"
            )
            raise UsageError(message)
        self._followed.add(key)
        try:
            yield
        finally:
            self._followed.remove(key)

    def value(self, stack: SynthesisedStack, expression: Any, depth: int = 0) -> Any:
        """Return the value of an expression in a stack's template.

        Raises:
            UsageError: The expression refers to itself, or takes too many steps.
        """
        value = self._value(stack, expression, depth)
        self._count_steps(
            stack, 1 + (len(value) // _TEXT_PER_STEP if isinstance(value, str) else 0)
        )
        return value

    def _value(self, stack: SynthesisedStack, expression: Any, depth: int) -> Any:
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
            with self._following(stack, f"Parameters.{name}"):
                value = self.value(nested.parent, nested.parameters[name], depth)
        elif "Default" in parameter and not kind.startswith("AWS::SSM::"):
            value = parameter["Default"]
        else:
            return reference(stack.name, name)
        is_list = "List<" in kind or "CommaDelimited" in kind
        return split([",", value]) if is_list and isinstance(value, str | int) else value

    def _call(self, stack: SynthesisedStack, function: str, argument: Any, depth: int) -> Any:
        """Return the value of a function; `unknown` for a function that is not supported."""
        if function == "If":
            return self._if(stack, argument, depth)
        if function == "Sub":
            return self._sub(stack, argument, depth)
        value = self.value(stack, argument, depth)
        if function in PURE_FUNCTIONS:
            return PURE_FUNCTIONS[function](value)
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
            with self._following(nested.stack, f"Outputs.{name}"):
                return self.value(nested.stack, as_mapping(output).get("Value"), depth)
        return reference(stack.name, str(id_), str(attribute))

    def _get_azs(self, stack: SynthesisedStack, argument: Any, _depth: int) -> list[str]:
        # Make up names of zones: the real names depend on the account, and the drill only needs
        # different names for different zones.
        return [f"{argument or stack.region}#{number}" for number in range(6)]

    def _find_in_map(self, stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        name, first, second = (
            (*argument, "", "", "")[:3] if isinstance(argument, list) else ("",) * 3
        )
        mappings = as_mapping(stack.template.get("Mappings"))
        try:
            found = mappings[str(name)][first][second]
        except (KeyError, TypeError):
            default = as_mapping(argument[3]) if has_items(argument, 4) else {}
            if "DefaultValue" in default:
                return default["DefaultValue"]
            self._note_undecided("Fn::FindInMap")
            return unknown("FindInMap")
        with self._following(stack, f"Mappings.{name}.{first}.{second}"):
            return self.value(stack, found, depth)

    def _sub(self, stack: SynthesisedStack, argument: Any, depth: int) -> str:
        if isinstance(argument, list) and len(argument) != 2:
            self._note_undecided("Fn::Sub")
            return unknown("Sub")
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

        length = sum(len(replacement(match)) for match in _PLACEHOLDER.finditer(str(text)))
        if length > MAX_TEXT:
            self._note_undecided("Fn::Sub")
            return unknown("Sub")
        return _PLACEHOLDER.sub(replacement, str(text)).replace("${!", "${")

    def _if(self, stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        if not (isinstance(argument, list) and len(argument) == 3):
            return unknown("If")
        name, if_true, if_false = argument
        holds = self._holds(stack, str(name), depth)
        if holds is None:
            # Assume that the unknown condition holds. The reader adds a note on it.
            self._note_undecided(f"condition {name}")
        chosen = if_false if holds is False else if_true
        return self.value(stack, chosen, depth)

    def _holds(self, stack: SynthesisedStack, name: str, depth: int, level: int = 0) -> bool | None:
        """Return whether a named condition of a stack holds, None if known only after deployment.

        The result is also None for a condition that depends on itself. Callers note conditions with
        this result as undecided.
        """
        conditions = as_mapping(stack.template.get("Conditions"))
        path = f"Conditions.{name}"
        if (stack.name, path) in self._followed:
            return None
        with self._following(stack, path):
            return self._condition_holds(stack, conditions.get(name), depth, level)

    def _condition_holds(
        self, stack: SynthesisedStack, condition: Any, depth: int, level: int
    ) -> bool | None:
        """Return whether a condition holds, None if known only after deployment.

        Args:
            stack: the condition's stack.
            condition: the condition.
            depth: the number of expressions in which the condition is nested.
            level: the number of conditions in which the condition is nested.
        """
        self._count_steps(stack, 1)
        too_deep = depth > _MAX_DEPTH or level > _MAX_CONDITION_DEPTH
        if too_deep or not isinstance(condition, dict) or len(condition) != 1:
            return None
        ((function, argument),) = condition.items()
        if function == "Condition":
            return self._holds(stack, str(argument), depth + 1, level + 1)
        parts = as_list(argument)
        if function == "Fn::Equals":
            values = [self.value(stack, part, depth + 1) for part in parts]
            texts = [None if references(value) else str(value) for value in values]
            return None if None in texts or len(texts) != 2 else texts[0] == texts[1]
        verdicts = [self._condition_holds(stack, part, depth + 1, level + 1) for part in parts]
        return _combined(function, verdicts)

    def _import_value(self, _stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        name = str(argument)
        if self._exports is None:
            self._exports = {}
            # Resolve the names of exports as if no expression were being resolved: what the caller
            # resolves must not count as part of a circular reference.
            followed, self._followed = self._followed, set()
            for stack in self._stacks.values():
                for output in as_mapping(stack.template.get("Outputs")).values():
                    export = as_mapping(as_mapping(output).get("Export")).get("Name")
                    if export is not None:
                        key = str(self.value(stack, export, depth))
                        self._exports[key] = (stack, output.get("Value"))
            self._followed = followed
        if name not in self._exports:
            return unknown(name.replace(".", "-"))
        stack, value = self._exports[name]
        return self._output(stack, f"export {name}", value, depth)

    def _get_stack_output(self, _stack: SynthesisedStack, argument: Any, depth: int) -> Any:
        settings = as_mapping(argument)
        name, output = str(settings.get("StackName")), str(settings.get("OutputName"))
        stack = self._stacks.get(name)
        outputs = as_mapping(stack.template.get("Outputs")) if stack else {}
        if stack is None or output not in outputs:
            return reference(name, f"output {output}")
        value = as_mapping(outputs[output]).get("Value")
        return self._output(stack, f"Outputs.{output}", value, depth)

    def _output(self, stack: SynthesisedStack, path: str, value: Any, depth: int) -> Any:
        """Return the value of an output that another stack uses; unknown for a circular reference.

        A circular reference between outputs is not an error: names of exports and stacks are unique
        only within a region, so the other output may be in another region.
        """
        if (stack.name, path) in self._followed:
            self._note_undecided(f"{path} of {stack.name}, which refers to itself")
            return unknown("?")
        with self._following(stack, path):
            return self.value(stack, value, depth)


def _combined(function: str, verdicts: list[bool | None]) -> bool | None:
    """Return the result of `Fn::Not`, `Fn::And` or `Fn::Or`; None for any other function."""
    if function == "Fn::Not" and len(verdicts) == 1:
        return None if verdicts[0] is None else not verdicts[0]
    if function not in ("Fn::And", "Fn::Or"):
        return None
    decisive = function == "Fn::Or"
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive
