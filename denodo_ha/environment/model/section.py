"""The base class of the configuration's sections, and sections that are valid only in part.

Pydantic builds no model while one value is wrong, but the cross-key rules must also judge the
rest of the file, so that one run reports every error. With `context=PARTIAL`, validation leaves
out each invalid field instead: reading that field raises `NotValidated`, which ends the rule that
reads it. No value is ever invented.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

PARTIAL: Final = object()
"""Validation context that leaves out invalid fields instead of raising `ValidationError`."""

INVALID: Final = object()
"""The value of a field that is known to be wrong; it fits no field type."""


class NotValidated(Exception):  # noqa: N818 -- no error of its own: the invalid value is reported
    """A field was read that did not validate."""


class Section(BaseModel):
    """A map of the file: immutable, no unknown key, descriptions from the docstrings."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        # Built when a file is read: shell completion imports commands, and reads no file.
        defer_build=True,
    )

    @classmethod
    def nearest_key(cls, key: str) -> str | None:
        """Return the known key that an unknown one resembles."""
        return next(iter(get_close_matches(key, sorted(cls.model_fields), n=1)), None)

    @model_validator(mode="wrap")
    @classmethod
    def _leave_out_invalid_fields(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Build the section from its valid fields, if validation is partial."""
        if info.context is not PARTIAL or isinstance(data, Section):
            return handler(data)
        section = handler(cls._known_fields(data))
        for name in [name for name, value in section.__dict__.items() if value is INVALID]:
            del section.__dict__[name]
        return section

    @classmethod
    def _known_fields(cls, data: Any) -> dict[str, Any]:
        """Return the data of the known fields, `INVALID` for those that are missing.

        An unknown key is taken for a misspelling of the known one that it resembles.
        """
        if not isinstance(data, Mapping):
            return dict.fromkeys(cls.model_fields, INVALID)
        missing = {name for name, field in cls.model_fields.items() if field.is_required()}
        misspelt = {cls.nearest_key(key) for key in data if key not in cls.model_fields}
        return {
            **{name: INVALID for name in cls.model_fields if name in missing | misspelt},
            **{name: value for name, value in data.items() if name in cls.model_fields},
        }

    @field_validator("*", mode="wrap")
    @classmethod
    def _mark_invalid_field(
        cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """Replace an invalid value by `INVALID`, if validation is partial."""
        if info.context is not PARTIAL:
            return handler(value)
        try:
            valid = INVALID if value is INVALID else handler(value)
        except ValidationError:
            return INVALID
        # A rule that goes through a map ends at its first incomplete section: those come last.
        is_map = isinstance(valid, dict)
        return (
            dict(sorted(valid.items(), key=lambda item: _incomplete(item[1]))) if is_map else valid
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise `NotValidated` for a field that was left out."""
            if name in type(self).model_fields:
                raise NotValidated(name)
            return super().__getattr__(name)


def _incomplete(value: Any) -> bool:
    """Return whether a value is, or has in it, a section with a field that was left out."""
    if isinstance(value, Section):
        fields = value.__dict__
        return len(fields) < len(type(value).model_fields) or any(map(_incomplete, fields.values()))
    return isinstance(value, dict) and any(map(_incomplete, value.values()))


def short_form(key: str) -> Any:
    """Return a function that reads a bare scalar as a map with one key.

    `jdbc: 9999` is short for `jdbc: {port: 9999}`. A scalar of a wrong type is expanded too, so
    that the message describes the port and not the map.
    """

    def expand(value: Any) -> Any:
        is_full = value is None or value is INVALID or isinstance(value, dict | list | Section)
        return value if is_full else {key: value}

    return expand
