"""What every part of the configuration's model has in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A map of the file: immutable, no unknown key, descriptions from the docstrings."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )


def short_form(key: str) -> Any:
    """A function that reads a bare scalar as a map with one key.

    `jdbc: 9999` is short for `jdbc: {port: 9999}`. A scalar of a wrong type is short for a wrong
    one, so that the message says what a port is and not what a map is.
    """

    def expand(value: Any) -> Any:
        return value if value is None or isinstance(value, dict | list | Part) else {key: value}

    return expand
