r"""Java `.properties` files, read as `java.util.Properties` reads them, and edited in place.

An edit rewrites one entry. Every other byte stays: comments, order, unknown keys, line ends.

>>> text = "# ports\nport=9999\nhost = a\\:b\n"
>>> values(text)
{'port': '9999', 'host': 'a:b'}
>>> edited(text, {"port": "19999"})
'# ports\nport=19999\nhost = a\\:b\n'

The text is the file's bytes as ISO-8859-1, the format's encoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENCODING = "iso-8859-1"

_BLANK = " \t\f"
_END = "\r\n"
_NAMED = {"t": "\t", "r": "\r", "n": "\n", "f": "\f"}
_ESCAPES = {"\t": "\\t", "\r": "\\r", "\n": "\\n", "\f": "\\f"}
_SPECIAL = "\\=:#!"
_UNICODE = re.compile(r"[0-9A-Fa-f]{4}")
_NATURAL = re.compile(r"[ \t\f]*(?P<content>[^\r\n]*)(?P<end>\r\n|\r|\n|$)")
_COMMENT = re.compile(r"^[ \t\f]*[#!]+[ \t\f]*([^\r\n]*)(\r\n|\r|\n|$)", re.MULTILINE)


class FormatError(ValueError):
    """Java would refuse to read the file."""


@dataclass(frozen=True)
class Entry:
    """One key with its value, and where it stands.

    Attributes:
        key: the key, without escapes.
        value: the value, without escapes.
        start: where its first character is, behind any indentation.
        end: where its line end is, or the end of the text.
    """

    key: str
    value: str
    start: int
    end: int


def values(text: str) -> dict[str, str]:
    """What Java reads: of a key that stands twice, the last value."""
    return {entry.key: entry.value for entry in entries(text)}


def entries(text: str) -> Iterator[Entry]:
    """Every entry, in order."""
    for line, start, end in _logical_lines(text):
        key, value = _split(line)
        try:
            yield Entry(_without_escapes(key), _without_escapes(value), start, end)
        except FormatError as wrong:
            number = len(re.findall(r"\r\n|\r|\n", text[:start])) + 1
            message = f"line {number}: {wrong}"
            raise FormatError(message) from None


def edited(text: str, changes: Mapping[str, str]) -> str:
    """The text with some values changed.

    A key that stands twice is changed at its last place, which is the one that counts. An absent
    key goes behind a line in which it is commented out, as the comment that explains it stands
    there; else to the end.
    """
    for key, value in changes.items():
        text = _edit(text, key, value)
    return text


def escaped(text: str, *, key: bool = False) -> str:
    """A key or a value as it stands in a file, with Java's escapes."""
    out: list[str] = []
    for place, unit in enumerate(_units(text)):
        char = chr(unit)
        if char in _SPECIAL or (char == " " and (key or place == 0)):
            out.append("\\" + char)
        elif char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif " " <= char <= "~":
            out.append(char)
        else:
            out.append(f"\\u{unit:04X}")
    return "".join(out)


def _edit(text: str, key: str, value: str) -> str:
    standing = [entry for entry in entries(text) if entry.key == key]
    if standing and standing[-1].value == value:
        return text
    line = f"{escaped(key, key=True)}={escaped(value)}"
    wanted = {**values(text), key: value}
    if standing:
        last = standing[-1]
        return text[: last.start] + line + text[last.end :]
    newline = _newline(text)
    place = _behind_comment(text, key)
    if place is not None:
        head, tail = text[:place], text[place:]
        glue = newline if head and head[-1] not in _END else ""
        return head + glue + line + newline + tail
    # What a last backslash joins to the next line must not be our entry.
    for glue in ("", newline, newline * 2):
        result = text + glue + line + newline
        if _says(result, key, wanted):
            return result
    message = "the file's last line cannot be followed by another"
    raise FormatError(message)


def _says(text: str, key: str, wanted: Mapping[str, str]) -> bool:
    """Whether a file says what is wanted, but for the empty key, which a last backslash makes."""
    try:
        found = values(text)
    except FormatError:
        return False
    return found.get(key) == wanted[key] and {**found, "": ""} == {**wanted, "": ""}


def _newline(text: str) -> str:
    found = re.search(r"\r\n|\r|\n", text)
    return found.group() if found else "\n"


def _behind_comment(text: str, key: str) -> int | None:
    """Where the line behind the last one starts in which a key is commented out."""
    entered = [(entry.start, entry.end) for entry in entries(text)]
    place = None
    for found in _COMMENT.finditer(text):
        if any(start <= found.start() < end for start, end in entered):
            continue  # the continuation of an entry looks like a comment
        try:
            name, _ = _split(found.group(1))
            separator = found.group(1)[len(name) :].lstrip(_BLANK)[:1]
            if separator in ("=", ":") and _without_escapes(name) == key:
                place = found.end()
        except FormatError:
            continue
    return place


def _logical_lines(text: str) -> Iterator[tuple[str, int, int]]:
    """Each logical line, joined, with where it starts and ends."""
    line, start = "", 0
    for natural in _NATURAL.finditer(text):
        content = natural["content"]
        # Also behind a backslash with nothing before it.
        if not line and (not content or content[0] in "#!"):
            continue
        if not line:
            start = natural.start("content")
        goes_on = (len(content) - len(content.rstrip("\\"))) % 2 == 1
        line += content[:-1] if goes_on else content
        if not goes_on or natural.end() == len(text):
            # Java takes a backslash that ends the file for an entry, unless both ends follow it.
            if line or natural["end"] != "\r\n":
                yield line, start, natural.end("content")
            line = ""


def _split(line: str) -> tuple[str, str]:
    """Key and value of a logical line, still with their escapes."""
    key, backslash = 0, False
    while key < len(line) and (backslash or line[key] not in "=:" + _BLANK):
        backslash = line[key] == "\\" and not backslash
        key += 1
    value = key
    while value < len(line) and line[value] in _BLANK:
        value += 1
    if value < len(line) and line[value] in "=:":
        value += 1
        while value < len(line) and line[value] in _BLANK:
            value += 1
    return line[:key], line[value:]


def _without_escapes(text: str) -> str:
    out: list[str] = []
    place = 0
    while place < len(text):
        char = text[place]
        place += 1
        if char == "\\" and place < len(text):
            char = text[place]
            place += 1
            if char == "u":
                digits = text[place : place + 4]
                if not _UNICODE.fullmatch(digits):
                    raise FormatError(
                        "a \\u without four hexadecimal digits; Java refuses the file"
                    )
                char = chr(int(digits, 16))
                place += 4
            else:
                char = _NAMED.get(char, char)
        out.append(char)
    # Two halves of a character beyond the first 65536 are one character in Python.
    joined = "".join(out)
    return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _units(text: str) -> Iterator[int]:
    """The text's UTF-16 units, which are Java's characters."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return (raw[place] | raw[place + 1] << 8 for place in range(0, len(raw), 2))
