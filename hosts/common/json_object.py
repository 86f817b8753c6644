"""Typed reading of a JSON object that reports all problems at once, each with its key.

    problems: list[str] = []
    reader = JsonObject(json.loads(text), problems)
    port = reader.integer("port", 1, 65535)
    reader.finish()

A method that finds a problem adds the problem to the list and returns a placeholder of its result
type, so that all other keys are read too. The caller must not use the values if there are problems.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T", str, int)
TEXT_LIMIT = 2**20
"""Number of characters or bytes above which a JSON text is refused."""
Fallback = TypeVar("Fallback")

_SHOWN = 60
"""Maximum number of characters of an invalid value that a message shows."""
_MISSING = object()


def parse(text: str | bytes, *, limit: int = TEXT_LIMIT) -> Any:
    """Return the value of a JSON text, which may come from outside this program.

    Raises:
        ValueError: The text is not JSON, is nested too deeply, or is larger than the limit.
    """
    if len(text) > limit:
        message = f"the text is longer than {limit} characters"
        raise ValueError(message)
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the text is nested too deeply") from None


class JsonObject:
    """A JSON object, and the problems found in it.

    Args:
        data: the parsed object.
        problems: list that receives the problems.
        path: keys that lead to the object, joined by dots; empty for the whole document.
    """

    def __init__(self, data: Any, problems: list[str], path: str = "") -> None:
        self._problems, self._path = problems, path
        self._data: dict[str, Any] = {}
        self._known: list[str] = []
        if isinstance(data, dict):
            self._data = data
        else:
            problems.append(f"{path or 'the document'}: {_shown(data)} is not a JSON object")

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def text(self, key: str, pattern: str = "", *, default: str | None = None) -> str:
        """Return a key's text, which must match a pattern; without `default`, require the key."""
        value = self._take(key, required=default is None)
        if value is _MISSING:
            return default or ""
        if not isinstance(value, str):
            return self._wrong(key, value, "a text", "")
        if pattern and not re.fullmatch(pattern, value):
            return self._wrong(key, value, f"a text that matches {pattern}", "")
        if any("\ud800" <= char <= "\udfff" for char in value):
            return self._wrong(key, value, "a text without unpaired surrogates", "")
        return value

    def optional_text(self, key: str, pattern: str = "") -> str:
        """Return a key's text, which must match a pattern; empty for a missing key or null."""
        return "" if self._is_null(key) else self.text(key, pattern, default="")

    def integer(self, key: str, low: int, high: int, *, default: int | None = None) -> int:
        """Return the integer of a key, from `low` to `high`; without `default`, require the key."""
        value = self._take(key, required=default is None)
        if value is _MISSING:
            return default or 0
        if type(value) is not int or not low <= value <= high:
            return self._wrong(key, value, f"a whole number from {low} to {high}", 0)
        return value

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        """Return the integer of a key, from `low` to `high`; None if the key is missing or null."""
        return None if self._is_null(key) else self.integer(key, low, high)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return the Boolean value of a key, or the default if the key is missing."""
        value = self._take(key, required=False)
        if value is _MISSING:
            return default
        if not isinstance(value, bool):
            return self._wrong(key, value, "true or false", instead=False)
        return value

    def choice(self, key: str, allowed: Sequence[T]) -> T:
        """Return the value of a required key; the value must be one of the allowed values."""
        value = self._take(key, required=True)
        for candidate in allowed:
            if type(value) is type(candidate) and value == candidate:
                return candidate
        if value is not _MISSING:
            self._wrong(key, value, " or ".join(str(candidate) for candidate in allowed), None)
        return allowed[0]

    def choices(self, key: str, allowed: Sequence[str]) -> list[str]:
        """Return the value of a required key: a list of one or more different allowed texts."""
        value = self._take(key, required=True)
        if value is _MISSING:
            return []
        if not isinstance(value, list) or not value:
            return self._wrong(key, value, "a list with at least one item", [])
        for position, item in enumerate(value):
            if item not in allowed:
                self._wrong(f"{key}[{position}]", item, " or ".join(allowed), None)
            elif item in value[:position]:
                self._wrong(f"{key}[{position}]", item, "allowed twice", None)
        return value

    def texts(self, key: str, pattern: str, most: int) -> list[str]:
        """Return the list of a key: at most `most` texts of a pattern; empty for a missing key."""
        value = self._take(key, required=False)
        if value is _MISSING:
            return []
        if not isinstance(value, list) or len(value) > most:
            return self._wrong(key, value, f"a list of at most {most} texts", [])
        for position, item in enumerate(value):
            if not isinstance(item, str) or not re.fullmatch(pattern, item):
                self._wrong(f"{key}[{position}]", item, f"a text that matches {pattern}", None)
        return value

    def object(self, key: str) -> JsonObject:
        """Return a reader of the JSON object that is the value of a required key."""
        value = self._take(key, required=True)
        return JsonObject({} if value is _MISSING else value, self._problems, self._below(key))

    def optional_object(self, key: str, *, nullable: bool = True) -> JsonObject | None:
        """Return a reader of a key's object; None for a missing key or, with `nullable`, null."""
        if key not in self._data or (nullable and self._data[key] is None):
            self._known.append(key)
            return None
        return self.object(key)

    def named_objects(self, pattern: str) -> Iterator[tuple[str, JsonObject]]:
        """Yield each key and a reader of the key's object; the keys must match a pattern."""
        for key in self._names(pattern):
            yield key, self.object(key)

    def named_texts(self, pattern: str) -> dict[str, str | None]:
        """Return the keys and values (texts or null) of this object; keys must match a pattern."""
        return {key: None if self._is_null(key) else self.text(key) for key in self._names(pattern)}

    def finish(self) -> None:
        """Add a problem for each key that no method has read, because that key is unknown."""
        names = {*self._known}
        known = ", ".join(sorted(names))
        for key in self._data:
            if key not in names:
                self._problems.append(f"{self._below(key)}: unknown key; known keys are {known}")

    def _names(self, pattern: str) -> Iterator[str]:
        for key in self._data:
            if re.fullmatch(pattern, key):
                yield key
            else:
                self._problems.append(f"{self._below(key)}: the name does not match {pattern}")

    def _take(self, key: str, *, required: bool) -> Any:
        self._known.append(key)
        if required and key not in self._data:
            self._problems.append(f"{self._below(key)}: is missing")
        return self._data.get(key, _MISSING)

    def _is_null(self, key: str) -> bool:
        self._known.append(key)
        return self._data.get(key) is None

    def _wrong(self, key: str, value: Any, expected: str, instead: Fallback) -> Fallback:
        self._problems.append(f"{self._below(key)}: {_shown(value)} is not {expected}")
        return instead

    def _below(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
