"""YAML and JSON beyond limits are refused, with a position, before they use time or memory."""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.loading.bounded_document import (
    TOO_DEEP,
    DocumentError,
    Limits,
    NotJsonError,
    PlainConstructor,
    compose_yaml,
    load_json,
    load_yaml,
)
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from denodo_ha.environment.loading.text_file import UnreadableFileError, read_text_file
from denodo_ha.environment.model.section import Section
from tests.support.loading import assert_said, said

LIMITS = Limits(size=2**20, depth=10, values=1000)


def error_of_json(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        load_json(text, LIMITS)
    return caught.value


def error_of_yaml(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        load_yaml(text, LIMITS, PlainConstructor)
    return caught.value


@pytest.mark.parametrize(
    ("text", "what", "position"),
    [
        ("[" * 10_000, TOO_DEEP, (1, 11)),
        ("[" * 11 + "]" * 11, TOO_DEEP, (1, 11)),
        ('{"a":\n' + "[1," * 10_000, TOO_DEEP, (2, 28)),
        ("[" + "1," * 1001 + "1]", "more than 1000 keys and values", (1, 1999)),
        ('{"a": [\n ' + "1" * 5001 + "]}", "a number has more than 4300 digits", (2, 2)),
        ('{"a":\n"\\ud800"}', "is half a character", (2, 1)),
        ('{"\\udc00": 1}', "is half a character", (1, 2)),
    ],
)
def test_json_beyond_a_limit_is_refused_with_a_position(
    text: str, what: str, position: tuple[int, int]
) -> None:
    error = error_of_json(text)
    assert what in error.what
    assert error.position == position
    assert not isinstance(error, NotJsonError)


def test_json_within_the_limits_is_read_as_it_is() -> None:
    data: dict[str, Any] = {
        "escapes": '\\ud800 "[{,' + "\n" + "\U0001f600",
        "digits": "1" * 5001,
        "deep": [[[[[[[[[1.5, -2, None, True]]]]]]]]],
    }
    for text in (json.dumps(data), json.dumps(data, ensure_ascii=False, indent=1)):
        assert load_json(text, LIMITS) == data
    assert isinstance(error_of_json("{a: 1}"), NotJsonError)


@pytest.mark.parametrize(
    ("text", "what", "position"),
    [
        ("[" * 10_000, TOO_DEEP, (1, 12)),
        ("{a: " * 10_000, TOO_DEEP, (1, 45)),
        ("- " * 10_000, TOO_DEEP, (1, 23)),
        ("? " * 10_000, TOO_DEEP, (1, 23)),
        ("a: &a [[[[[1]]]]]\nb: [[[[[*a]]]]]", TOO_DEEP, (2, 9)),
        ("".join(f"k{n}: 1\n" for n in range(501)), "more than 1000 keys and values", (500, 7)),
        ("%YAML 1.3\n---\na: b", "the version of %YAML is neither 1.1 nor 1.2", (1, 1)),
        ("# x\n%YAML 1." + "3" * 5001 + "\n---\na: b", "the version of %YAML", (2, 1)),
        ("a: 1\nb: !!int x", "a value can't be read as int", (2, 4)),
        ("a: !!bool maybe", "a value can't be read as bool", (1, 4)),
        ("a: " + "1" * 5001, "a value can't be read as int", (1, 4)),
        ('a: "\\ud800"', "is half a character", (1, 4)),
    ],
)
def test_yaml_beyond_a_limit_is_refused_with_a_position(
    text: str, what: str, position: tuple[int, int]
) -> None:
    error = error_of_yaml(text)
    assert (what in error.what, error.position) == (True, position), error


@pytest.mark.parametrize(
    "line", ["&{new} [{old}, {old}, {old}]", "&{new} {{<<: [{old}, {old}], k{number}: {old}}}"]
)
def test_aliases_count_again_without_being_followed(line: str) -> None:
    leaf = "[1, 2]" if line.endswith("]") else "{x: 1}"
    lines = [f"a0: &a0 {leaf}"]
    for number in range(1, 60):
        value = line.format(new=f"a{number}", old=f"*a{number - 1}", number=number)
        lines.append(f"a{number}: {value}")
    limits = Limits(size=LIMITS.size, depth=100, values=1000)
    with pytest.raises(
        DocumentError, match="aliases expand the document to more than 1000 values"
    ) as caught:
        load_yaml("\n".join(lines), limits, PlainConstructor)
    assert caught.value.position is not None


def test_an_alias_of_a_node_around_it_is_left_to_the_consumer() -> None:
    data = load_yaml("a: &a {b: *a}", LIMITS, PlainConstructor)
    assert data["a"]["b"] is data["a"]
    assert compose_yaml("", LIMITS) is None


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "a"
    with file.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(UnreadableFileError, match="the file has more than 1048576 bytes"):
        read_text_file(file, LIMITS.size)
    file.write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert read_text_file(file, LIMITS.size) == "a\nb"
    file.write_bytes(b"a" * LIMITS.size)
    assert len(read_text_file(file, LIMITS.size)) == LIMITS.size


@pytest.mark.usefixtures("in_a_folder")
class TestConfiguration:
    """Configuration files beyond a limit of size, depth, keys or values, or of YAML features."""

    def test_size_and_number_of_keys_and_version(self) -> None:
        assert_said("#" * (2**20 + 1), "1:1: the file can't be read (the file has more than")
        keys = "".join(f"key{number}: 1\n" for number in range(20_000))
        assert_said(
            keys, "10000:10: the file is not YAML: the text has more than 20000 keys and values"
        )
        assert_said(
            "%YAML 1.3\n---\nname: x\n", "1:1: the file is not YAML: the version of %YAML is"
        )

    def test_the_work_for_unknown_keys_grows_with_their_number(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[str] = []
        compare = Section.nearest_key.__func__  # type: ignore[attr-defined] # the function of a class method

        def counting(cls: type[Section], key: str) -> Any:
            compared.append(key)
            return compare(cls, key)

        monkeypatch.setattr(Section, "nearest_key", classmethod(counting))
        clusters = "".join(f"  c{number}: {{regin: 1, accunt: 2}}\n" for number in range(100))
        lines = said(f"clusters:\n{clusters}")
        assert sum("is an unknown key" in line for line in lines) == 200
        assert len(compared) <= 3 * 200

    def test_misspelt_keys_are_not_also_missing(self) -> None:
        lines = said("clusters:\n  c1: {regin: eu-west-1, account: !!int x}\n")
        assert not [line for line in lines if "clusters.c1.region: is missing" in line]
        assert sum("clusters.c1.account" in line for line in lines) == 1

    def test_pins_have_the_same_limits(self, tmp_path: Path) -> None:
        file = tmp_path / "a.yaml"
        file.write_text("name: a\n")
        (tmp_path / "a.pins.yaml").write_text("c: " + "[" * 10_000)
        with pytest.raises(
            ConfigError, match=r"a\.pins\.yaml:1:55: the file is not YAML: maps or lists are"
        ):
            load(file)
