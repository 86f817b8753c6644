"""Base class of the configuration's sections, and sections without their invalid fields.

Pydantic builds no model if any value is invalid. But the cross-key rules must also check the rest
of the file, so that one run reports every error. With `context=PARTIAL`, validation omits each
invalid field instead: reading an omitted field raises `NotValidated`, which ends the rule that
reads the field. Validation never invents a replacement value.
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
"""Validation context that omits invalid fields instead of raising `ValidationError`."""

INVALID: Final = object()
"""Placeholder for a missing or invalid value, which no field type accepts."""


class NotValidated(Exception):  # noqa: N818 -- no error of its own: the invalid value is reported
    """A field was read that validation omitted as invalid."""


class Section(BaseModel):
    """Section of the configuration file: immutable, without unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        # Pydantic builds the model only when a file is read, because shell completion, which reads
        # no file, would otherwise be slow.
        defer_build=True,
    )

    @classmethod
    def nearest_key(cls, key: str) -> str | None:
        """Return the known key that an unknown key resembles; None if there is none."""
        return next(iter(get_close_matches(key, sorted(cls.model_fields), n=1)), None)

    @model_validator(mode="wrap")
    @classmethod
    def _leave_out_invalid_fields(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Build the section from its valid fields only, if validation is partial."""
        if info.context is not PARTIAL or isinstance(data, Section):
            return handler(data)
        section = handler(cls._known_fields(data))
        for name in [name for name, value in section.__dict__.items() if value is INVALID]:
            del section.__dict__[name]
        return section

    @classmethod
    def _known_fields(cls, data: Any) -> dict[str, Any]:
        """Return the values of the known fields, with `INVALID` for missing required fields.

        An unknown key counts as a misspelling of the known key that it resembles, whose value is
        then `INVALID`.
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
        # Put complete sections first in a map: a rule that iterates over the map ends at the first
        # incomplete section.
        is_map = isinstance(valid, dict)
        return (
            dict(sorted(valid.items(), key=lambda item: _incomplete(item[1]))) if is_map else valid
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise `NotValidated` for a field that validation omitted."""
            if name in type(self).model_fields:
                raise NotValidated(name)
            return super().__getattr__(name)


class _OmittedField:
    """Descriptor for `copy` of sections without this field, or without a valid value of the field.

    Without this descriptor, the name would lead to pydantic's deprecated method `copy`, and
    pydantic would warn about a field of that name. A valid value of a section's own field `copy`
    has precedence over this descriptor.
    """

    def __get__(self, instance: object, _owner: type) -> Any:
        """Raise AttributeError for a class, and `NotValidated` for a section."""
        if instance is None:
            raise AttributeError("copy")
        raise NotValidated("copy")


type.__setattr__(Section, "copy", _OmittedField())


def _incomplete(value: Any) -> bool:
    """Return whether a value is or contains a section with an omitted field."""
    if isinstance(value, Section):
        fields = value.__dict__
        return len(fields) < len(type(value).model_fields) or any(map(_incomplete, fields.values()))
    return isinstance(value, dict) and any(map(_incomplete, value.values()))


def short_form(key: str) -> Any:
    """Return a function that converts a scalar to a map with one key.

    `jdbc: 9999` is short for `jdbc: {port: 9999}`. A scalar of a wrong type is converted too, so
    that the error message is about the port and not about the map.
    """

    def expand(value: Any) -> Any:
        is_full = value is None or value is INVALID or isinstance(value, dict | list | Section)
        return value if is_full else {key: value}

    return expand
