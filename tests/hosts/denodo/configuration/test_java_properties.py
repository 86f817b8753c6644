"""Properties files are read as Java reads them, and an edit changes a single line."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hosts.denodo.configuration import properties_file
from hosts.denodo.configuration.properties_file import (
    ENCODING,
    FormatError,
    edited,
    escaped,
    values,
)
from tests.hosts.denodo import java_properties

# All characters with a special meaning in .properties files, and some ordinary characters.
_FORMAT = st.text(alphabet="\\\\\\\n\r\t\f =:#!abu0041é\x00ÿ", max_size=40)
_ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
_KEYS = st.sampled_from(["a", "ab", "b", "a b", "u", ""]) | _ANY


def _read(text: str) -> dict[str, str] | None:
    """Return the values that the reader finds in a text, None if the reader refuses the text."""
    try:
        return values(text)
    except FormatError:
        return None


def _java(text: str) -> dict[str, str] | None:
    try:
        return java_properties.properties(text.encode(ENCODING))
    except ValueError:
        return None


@given(_FORMAT)
@example("\\\n#a\nb=c")
@example("a=b\\\n   #c")
@example("a=b\\\n\nc=d")
@example("a=b\\")
@example("a=b\\\n")
@example("\\")
@example("\\\r\n")
@example("\\\n")
@example("a\\\r\n  = b")
@example("a : = b")
@example("\\u00e9=\\ud83d\\ude00")
@example("a=\\u12")
@example("a=b\\\\\\\nc=d")
@example("a=b\\\\\\\\\nc=d")
@settings(max_examples=500)
def test_any_text_is_read_as_java_reads_it(text: str) -> None:
    assert _read(text) == _java(text)


@given(st.dictionaries(_ANY, _ANY, max_size=3))
@settings(max_examples=200)
def test_what_java_writes_is_read(written: dict[str, str]) -> None:
    assert values(java_properties.stored(written).decode(ENCODING)) == written


@given(_KEYS, _ANY)
@settings(max_examples=300)
def test_any_key_and_value_survive_the_round_trip(key: str, value: str) -> None:
    line = f"{escaped(key, key=True)}={escaped(value)}"
    assert java_properties.properties(line.encode(ENCODING)) == {key: value}


@given(_FORMAT, _KEYS, _ANY)
@example("a=1\na=2\n", "a", "3")
@example("# a=1\n", "a", "2")
@example("x=1\\\n# a=1\n", "a", "2")
# The second line looks like a comment, but continues the entry, as does the third line.
@example("x=1\\\n# a=1\\\ny=2\n", "a", "2")
@example("b=1\nx=1\\\n# a=1\\\ny=2\n", "a", "2")
@example("x=1\\", "a", "2")
@example("x=1\\\n", "a", "2")
@example("x", "a", "2")
@settings(max_examples=500)
def test_an_edit_changes_one_value_and_no_other_byte(text: str, key: str, value: str) -> None:
    before = _read(text)
    if before is None:
        with pytest.raises(FormatError):
            edited(text, {key: value})
        return
    after = edited(text, {key: value})
    found = _java(after)
    assert found is not None
    # A backslash at the end of a file is an entry with an empty key. Adding a line after the
    # backslash removes that entry, so the comparison ignores empty keys.
    assert {**found, "": ""} == {**before, key: value, "": ""} or key == ""
    assert found[key] == value
    # The edit adds at most the line, its `=`, and three line ends: the line's own, and two if
    # the text ends with a backslash.
    line = len(escaped(key, key=True)) + len(escaped(value))
    assert len(after) - _common(text, after) <= line + len("=") + 3 * len("\r\n")
    assert edited(after, {key: value}) == after


def _common(before: str, after: str) -> int:
    """Return how many characters two texts share at the beginning and at the end."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return head + tail


@given(
    st.lists(st.sampled_from(["# note", "b = 1", "", "!x", "c\\ d:\\u00e9", "e=1\\\n   2"])),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["a=1", "a : \\\n  1", "  a 1", "\ta=", "a"]),
    st.lists(st.sampled_from(["# a=0", "z", "", "f=\\\n", "b a"])),
)
@settings(max_examples=300)
def test_lines_around_an_edit_are_the_same_bytes(
    above: list[str], end: str, line: str, below: list[str]
) -> None:
    head = "".join(f"{one}{end}" for one in above)
    tail = "".join(f"{end}{one}" for one in below)
    after = edited(head + line + tail, {"a": "new"})
    indent = line[: len(line) - len(line.lstrip())]
    assert after == f"{head}{indent}a=new{tail}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a=1\n"),
        ("b=2", "b=2\na=1\n"),
        ("b=2\r\n", "b=2\r\na=1\r\n"),
        ("#a=0\nb=2\n", "#a=0\na=1\nb=2\n"),
        ("# a = 0\n# about b\nb=2\n", "# a = 0\na=1\n# about b\nb=2\n"),
        ("#a=0\n#a=5\nb=2\n", "#a=0\n#a=5\na=1\nb=2\n"),
        ("# a is a port\nb=2\n", "# a is a port\nb=2\na=1\n"),
        ("a=0\nb=2\na=5\n", "a=0\nb=2\na=1\n"),
        ("#a=0", "#a=0\na=1\n"),
        ("b=\\\n#a=0\n", "b=\\\n#a=0\na=1\n"),
    ],
)
def test_where_an_entry_goes(before: str, after: str) -> None:
    assert edited(before, {"a": "1"}) == after


def test_a_value_that_is_there_already_changes_nothing() -> None:
    assert edited("a : \\\n 1", {"a": "1"}) == "a : \\\n 1"


def test_jvm_options_are_escaped_as_denodo_has_them() -> None:
    line = edited("", {"java.env.DENODO_OPTS_START": "-Xmx4096m -XX:NewRatio=4"})
    assert line == "java.env.DENODO_OPTS_START=-Xmx4096m -XX\\:NewRatio\\=4\n"


def test_a_file_that_java_refuses_is_refused_with_its_line() -> None:
    with pytest.raises(FormatError, match=r"line 3: the file contains \\u without four"):
        values("a=1\n\nb=\\u12\n")


def test_the_work_for_comments_is_linear() -> None:
    """The test counts executed lines; an algorithm with quadratic time would execute 640,000."""
    count = 800
    text = "".join(f"key{number}=1\n# comment{number}\n" for number in range(count))
    lines = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Callable[..., Any] | None:
        nonlocal lines
        if frame.f_code.co_filename != properties_file.__file__:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        edited(text, {"absent": "1"})
    finally:
        sys.settrace(before)
    assert 0 < lines < 600 * count
