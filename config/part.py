"""What every part of the configuration's model has in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A map of the file: immutable, no unknown key, descriptions from the docstrings."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )


def short_form(key: str, *scalars: type) -> Any:
    """A function that reads a bare scalar as a map with one key.

    `jdbc: 9999` is short for `jdbc: {port: 9999}`. A bool is no number here.
    """

    def expand(value: Any) -> Any:
        if isinstance(value, scalars) and not isinstance(value, bool):
            return {key: value}
        return value

    return expand
