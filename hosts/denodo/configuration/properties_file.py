r"""Java `.properties` files: read as `java.util.Properties` does, and edited in place.

An edit changes one entry. All other bytes remain: comments, order, unknown keys, line endings.

>>> text = "# ports\nport=9999\nhost = a\\:b\n"
>>> values(text)
{'port': '9999', 'host': 'a:b'}
>>> edited(text, {"port": "19999"})
'# ports\nport=19999\nhost = a\\:b\n'

The text is the content of the file decoded as ISO-8859-1, the encoding of the format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENCODING = "iso-8859-1"

_BLANK = " \t\f"
_END = "\r\n"
_NAMED = {"t": "\t", "r": "\r", "n": "\n", "f": "\f"}
_ESCAPES = {"\t": "\\t", "\r": "\\r", "\n": "\\n", "\f": "\\f"}
_SPECIAL = "\\=:#!"
_UNICODE = re.compile(r"[0-9A-Fa-f]{4}")
_KEY = re.compile(r"(?:[^\\=: \t\f]|\\.?)*", re.DOTALL)
_NATURAL = re.compile(r"[ \t\f]*(?P<content>[^\r\n]*)(?P<end>\r\n|\r|\n|$)")
_COMMENT = re.compile(r"^[ \t\f]*[#!]+[ \t\f]*([^\r\n]*)(\r\n|\r|\n|$)", re.MULTILINE)


class FormatError(ValueError):
    """The text is not a properties file that Java can read."""


@dataclass(frozen=True)
class Entry:
    """One key with its value, and the position of the entry in the text.

    Attributes:
        key: the key, without escapes.
        value: the value, without escapes.
        start: position of the first character, after any indentation.
        end: position of the line end, or of the end of the text.
    """

    key: str
    value: str
    start: int
    end: int


def values(text: str) -> dict[str, str]:
    """Return the values as Java reads them: if a key is repeated, the last value."""
    return {entry.key: entry.value for entry in entries(text)}


def values_or_none(path: Path) -> dict[str, str]:
    """Return the values of a file; an empty dictionary if the file cannot be read."""
    try:
        return values(files.read(path).decode(ENCODING))
    except (OSError, FormatError):
        return {}


def entries(text: str) -> Iterator[Entry]:
    """Return all entries, in order.

    Raises:
        FormatError: Java refuses to read the file.
    """
    for line, start, end in _logical_lines(text):
        key, value = _split(line)
        try:
            yield Entry(_without_escapes(key), _without_escapes(value), start, end)
        except FormatError as error:
            number = len(re.findall(r"\r\n|\r|\n", text[:start])) + 1
            message = f"line {number}: {error}"
            raise FormatError(message) from None


def edited(text: str, changes: Mapping[str, str]) -> str:
    """Return the text with some values changed.

    If a key is repeated, its last entry is changed, because Java uses the last one. A missing key
    is added after the line in which the key is commented out, because the explanation of the key is
    usually next to that line. If there is no such line, the key is added at the end.

    Raises:
        FormatError: Java refuses to read the file, or no entry can be added after its last line.
    """
    for key, value in changes.items():
        text = _edit(text, key, value)
    return text


def escaped(text: str, *, key: bool = False) -> str:
    """Return a key or a value with the escapes of the format."""
    out: list[str] = []
    for position, unit in enumerate(_units(text)):
        char = chr(unit)
        if char in _SPECIAL or (char == " " and (key or position == 0)):
            out.append("\\" + char)
        elif char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif " " <= char <= "~":
            out.append(char)
        else:
            out.append(f"\\u{unit:04X}")
    return "".join(out)


def _edit(text: str, key: str, value: str) -> str:
    current = [entry for entry in entries(text) if entry.key == key]
    if current and current[-1].value == value:
        return text
    line = f"{escaped(key, key=True)}={escaped(value)}"
    expected = {**values(text), key: value}
    if current:
        last = current[-1]
        return text[: last.start] + line + text[last.end :]
    newline = _newline(text)
    position = _after_comment(text, key)
    if position is not None:
        head, tail = text[:position], text[position:]
        separator = newline if head and head[-1] not in _END else ""
        return head + separator + line + newline + tail
    # If the text ends with a backslash, Java would read the new line as a continuation of the
    # last entry. So try separators until Java reads the new entry correctly.
    for separator in ("", newline, newline * 2):
        result = text + separator + line + newline
        if _has_values(result, key, expected):
            return result
    message = "no line can be added after the last line of the file"
    raise FormatError(message)


def _has_values(text: str, key: str, expected: Mapping[str, str]) -> bool:
    """Return whether a text has the expected values.

    An entry with an empty key is ignored, because a backslash at the end of a text creates one.
    """
    try:
        current = values(text)
    except FormatError:
        return False
    return current.get(key) == expected[key] and {**current, "": ""} == {**expected, "": ""}


def _newline(text: str) -> str:
    match = re.search(r"\r\n|\r|\n", text)
    return match.group() if match else "\n"


def _after_comment(text: str, key: str) -> int | None:
    """Return the position after the last comment `# KEY=VALUE` of a key; None if there is none."""
    positions = [(entry.start, entry.end) for entry in entries(text)]
    current = 0
    position = None
    for match in _COMMENT.finditer(text):
        while current < len(positions) and positions[current][1] <= match.start():
            current += 1
        if current < len(positions) and positions[current][0] <= match.start():
            continue  # a line that continues an entry and only looks like a comment
        try:
            name, _ = _split(match.group(1))
            separator = match.group(1)[len(name) :].lstrip(_BLANK)[:1]
            if separator in ("=", ":") and _without_escapes(name) == key:
                position = match.end()
        except FormatError:
            continue
    return position


def _logical_lines(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each logical line (continuation lines joined), with start and end of the line."""
    line, start = "", 0
    for natural in _NATURAL.finditer(text):
        content = natural["content"]
        # Java skips empty lines and comments, even after a line that contains only a backslash.
        if not line and (not content or content[0] in "#!"):
            continue
        if not line:
            start = natural.start("content")
        continues = (len(content) - len(content.rstrip("\\"))) % 2 == 1
        line += content[:-1] if continues else content
        if not continues or natural.end() == len(text):
            # Java reads a backslash at the end of the file as an entry, unless CR LF follows.
            if line or natural["end"] != "\r\n":
                yield line, start, natural.end("content")
            line = ""


def _split(line: str) -> tuple[str, str]:
    """Return key and value of a logical line, with their escapes."""
    match = _KEY.match(line)
    value = key = match.end() if match else 0
    while value < len(line) and line[value] in _BLANK:
        value += 1
    if value < len(line) and line[value] in "=:":
        value += 1
        while value < len(line) and line[value] in _BLANK:
            value += 1
    return line[:key], line[value:]


def _without_escapes(text: str) -> str:
    if "\\" not in text and text.isascii():
        return text  # fast path for most texts, since an apply reads each file many times
    out: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "\\" and position < len(text):
            char = text[position]
            position += 1
            if char == "u":
                digits = text[position : position + 4]
                if not _UNICODE.fullmatch(digits):
                    raise FormatError(
                        "the file contains \\u without four hexadecimal digits, so Java refuses it"
                    )
                char = chr(int(digits, 16))
                position += 4
            else:
                char = _NAMED.get(char, char)
        out.append(char)
    # Join surrogate pairs: Java stores such a character as two code units, Python as one character.
    joined = "".join(out)
    return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _units(text: str) -> Iterator[int]:
    """Return the UTF-16 code units of a text, which are the characters of Java."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return (raw[position] | raw[position + 1] << 8 for position in range(0, len(raw), 2))
