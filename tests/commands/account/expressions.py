"""Evaluation of the CloudFormation expressions that this project's templates use."""

from collections.abc import Callable, Mapping
from typing import Any

Attribute = Callable[[str, str], Any]


class Expressions:
    """Values that expressions of a template refer to.

    Args:
        refs: values of `Ref`, by name.
        attribute: returns the value of `Fn::GetAtt` for a logical id and an attribute.
        output: returns the value of `Fn::GetStackOutput` for its arguments.
    """

    def __init__(
        self,
        refs: Mapping[str, str],
        attribute: Attribute,
        output: Callable[[Mapping[str, Any]], str],
    ) -> None:
        self._refs, self._attribute, self._output = refs, attribute, output

    def value(self, expression: Any) -> Any:
        """Return the value of an expression, or of all expressions in a list or a map."""
        if isinstance(expression, list):
            return [self.value(item) for item in expression]
        if not isinstance(expression, dict):
            return expression
        if len(expression) == 1:
            ((name, argument),) = expression.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._function(name, argument)
        return {key: self.value(item) for key, item in expression.items()}

    def _function(self, name: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": lambda told: self._refs.get(told, told),
            "Fn::GetAtt": lambda told: self._attribute(told[0], told[1]),
            "Fn::GetStackOutput": self._output,
            "Fn::Join": lambda told: told[0].join(str(item) for item in self.value(told[1])),
            "Fn::Split": lambda told: str(self.value(told[1])).split(told[0]),
            "Fn::Select": lambda told: self.value(told[1])[int(told[0])],
            "Fn::Base64": self.value,
            "Fn::Sub": lambda told: told if isinstance(told, str) else told[0],
        }
        return functions[name](argument)
