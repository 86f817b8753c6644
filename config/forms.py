"""The forms that single values take: identifiers, names, CIDRs, ports.

A form is a regular expression plus what a person needs to hear when a value
does not fit it: what the value is not, why that matters, what to write instead.
The expression also goes into `schema.json`, so an editor marks the same values.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def wrong(what: str, why: str, instead: str, example: str) -> PydanticCustomError:
    """An error of one value, in the three parts that every message has, and a right value.

    The parts travel in the error's context, because Pydantic would read braces
    in the message itself as placeholders.
    """
    return PydanticCustomError(
        "form", "{what}", {"what": what, "why": why, "instead": instead, "example": example}
    )


@dataclass(frozen=True)
class Form:
    """What a string has to look like, and how to say that it does not."""

    pattern: str
    what: str
    why: str
    example: str
    hint: str = "write {example}"

    def check(self, value: str) -> str:
        """Return the value, or raise the three-part error."""
        if re.fullmatch(self.pattern, value) is None:
            instead = self.hint.format(example=self.example)
            raise wrong(self.what, self.why, instead, self.example)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after Pydantic has made sure that it is a string."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Give editors the same expression."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True)
class Example:
    """A right value of a type that is no form."""

    example: str


Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
