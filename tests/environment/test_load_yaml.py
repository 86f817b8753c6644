"""Files that are not valid YAML, and files with unusual YAML."""

import errno
import os
from itertools import pairwise
from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from tests.support.loading import BASE, assert_said, edited, said

pytestmark = pytest.mark.usefixtures("in_a_folder")


class TestYaml:
    """Syntax errors of YAML."""

    @pytest.mark.parametrize(
        ("content", "beginning"),
        [
            ("", "1:1: the file is empty"),
            ("# nothing\n\n", "1:1: the file is empty"),
            ("---\n", "1:1: the file is empty"),
            ("null\n", "1:1: the file is empty"),
            ("- name\n", "1:1: is not a map (a list)"),
            ("name\n", "1:1: is not a map (name)"),
            ("5\n", "1:1: is not a map (5)"),
            ("[]\n", "1:1: is not a map (an empty list)"),
            ("name: [a\n", "2:1: the file is not YAML: "),
            (
                "name: test: again\n",
                "1:11: the file is not YAML: mapping values are not allowed here",
            ),
            ("name: 'test\n", "2:1: the file is not YAML: found unexpected end of stream"),
            (
                "a: 1\n\tb: 2\n",
                "2:1: the file is not YAML: found character '\\t' that cannot start any token",
            ),
            ("a: *b\n", "1:4: the file is not YAML: found undefined alias 'b'"),
            ("name: a\n---\nname: b\n", "2:1: the file is not YAML: found another document"),
            ("a: b\n c: d\n", "2:3: the file is not YAML: mapping values are not allowed here"),
            ("a: \x00\n", "1:4: the file is not YAML: character 0x0 is not allowed"),
            ("a: 1\nb: é\x7f\n", "2:5: the file is not YAML: character 0x7f is not allowed"),
            (b"\xff\xfe", "1:1: the file can't be read (byte 0 is not UTF-8)"),
            ("name: ü".encode("latin-1"), "1:1: the file can't be read (byte 6 is not UTF-8)"),
        ],
    )
    def test_is_said(self, content: str | bytes, beginning: str) -> None:
        assert_said(content, beginning)

    def test_file_that_may_not_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Simulate the refusal, since the tests may run as root, who may read every file.
        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(ConfigError, match=r"Permission denied.*; let your user read the file"):
            load(Path("secret.yaml"))

    def test_missing_file(self) -> None:
        with pytest.raises(ConfigError) as caught:
            load(Path("nowhere.yaml"))
        assert str(caught.value) == (
            "nowhere.yaml:1:1: the file can't be read (No such file or directory); this file "
            "describes the environment; check the name of the file"
        )

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"can't be read \(Is a directory\)"):
            load(tmp_path)

    def test_byte_order_mark_counts_for_nothing(self) -> None:
        assert said(b"\xef\xbb\xbf" + BASE.encode()) == []
        wrong = BASE.replace("name: test", "name: Test").encode()
        assert_said(b"\xef\xbb\xbf" + wrong, "1:7: name: is not a name")

    def test_line_ends_of_windows(self) -> None:
        content = edited(("region: eu-west-1", "region: Ireland"))
        assert said(content.replace("\n", "\r\n")) == said(content)
        assert said(BASE.replace("\n", "\r\n")) == []

    def test_duplicate_key(self) -> None:
        content = edited(
            ("    region: eu-west-1\n", "    region: eu-west-1\n    region: eu-west-2\n")
        )
        (line,) = said(content)
        assert line == (
            "11:5: clusters.main.region: is a repeated key: the same key is in line 10; only "
            "one of the two values could be used; remove one of the two keys"
        )

    def test_key_that_is_no_name(self) -> None:
        assert_said(BASE + "? [a]\n: b\n", "21:3: a key is a map or a list; a key must be a name")

    @pytest.mark.parametrize(
        "value", ["!!bool foo", '!!int ""', "!!int x", '!!float ""', "!!timestamp x", "!!seq x"]
    )
    def test_value_that_is_not_what_its_tag_says(self, value: str) -> None:
        kind, _, quoted = value.removeprefix("!!").partition(" ")
        text = quoted.strip('"')
        shown = f" ({text})" if text else ""
        assert_said(
            edited(("name: test", f"name: {value}")), f"1:7: name: can't be read as {kind}{shown};"
        )

    def test_date_that_is_none(self) -> None:
        assert_said(
            edited(("name: test", "name: 2024-02-31")),
            "1:7: name: can't be read as timestamp (2024-02-31); YAML assigns this type",
        )

    @pytest.mark.parametrize("opened", ["[", "{a: "])
    @pytest.mark.parametrize("depth", [60, 200, 290, 300, 310, 320, 330, 400, 1000])
    def test_nested_without_end(self, opened: str, depth: int) -> None:
        closed = "]" if opened == "[" else "}"
        (line,) = said(f"name: {opened * depth}{closed * depth}\n")
        assert ": the file is not YAML: maps or lists are nested too deeply;" in line

    def test_deep_but_not_too_deep(self) -> None:
        assert_said(edited(("name: test", f"name: {'[' * 40}{']' * 40}")), "1:1: name: is not text")


class TestAnchors:
    """Errors in anchors, aliases and merges also have positions in the configuration file."""

    def test_alias_stands_for_what_it_names(self) -> None:
        content = edited(
            (
                "{type: m5.xlarge, image: ami-0123456789abcdef0}",
                "&machine {type: big, image: ami-1}",
            ),
            ("zone: eu-west-1b", "zone: eu-west-1b, instance: *machine"),
        )
        assert_said(
            content,
            "14:31: clusters.main.instance.type: is not an instance type (big)",
            "14:31: clusters.main.nodes.node2.instance.type: is not an instance type (big)",
            "14:43: clusters.main.instance.image: is not the id of a machine image (ami-1)",
            "14:43: clusters.main.nodes.node2.instance.image: is not the id of a machine image",
        )

    def test_merge_gives_what_is_not_there(self) -> None:
        content = edited(
            ("node1: {zone: eu-west-1a}", "node1: &one {zone: eu-west-1a}"),
            ("node2: {zone: eu-west-1b}", "node2: {<<: *one, zone: eu-west-1b}"),
        )
        assert said(content) == []

    def test_merged_value_is_where_it_is_written(self) -> None:
        content = edited(
            ("node1: {zone: eu-west-1a}", "node1: &one {zone: wrong}"),
            ("node2: {zone: eu-west-1b}", "node2: {<<: *one}"),
        )
        assert_said(
            content,
            "16:26: clusters.main.nodes.node1.zone: is not an availability zone (wrong)",
            "16:26: clusters.main.nodes.node2.zone: is not an availability zone (wrong)",
        )

    def test_own_value_has_the_last_word_on_places(self) -> None:
        content = edited(
            ("node1: {zone: eu-west-1a}", "node1: &one {zone: eu-west-1a}"),
            ("node2: {zone: eu-west-1b}", "node2: {zone: wrong, <<: *one}"),
        )
        assert_said(content, "17:21: clusters.main.nodes.node2.zone: is not an availability zone")

    def test_first_of_two_merged_maps_wins(self) -> None:
        content = edited(
            ("zone: eu-west-1b", "<<: [{zone: wrong}, {zone: eu-west-1b, auxiliary_port: 5}]")
        )
        assert_said(
            content,
            "17:27: clusters.main.nodes.node2.zone: is not an availability zone (wrong)",
            "17:54: clusters.main.nodes.node2.auxiliary_port: is not allowed for this version "
            "of Denodo (5)",
        )

    def test_map_in_place_of_a_merged_scalar(self) -> None:
        content = edited(
            ("  web: {port: 9090, sticky: true}", "  <<: {web: 80}\n  web: {port: x, sticky: true}")
        )
        assert_said(content, "7:15: services.web.port: is not a whole number (x)")

    def test_anchor_may_be_used_again(self) -> None:
        content = edited(("node1: {", "node1: &node {"), ("node2: {", "node2: &node {"))
        assert said(content) == []

    def test_merge_of_no_map(self) -> None:
        assert_said(
            edited(("node2: {zone", "node2: {<<: 5, zone")),
            "17:15: clusters.main.nodes.node2: << does not refer to a map; << needs an alias of a "
            "map",
        )

    def test_quoted_merge_key_is_a_key(self) -> None:
        assert_said(
            edited(("node2: {zone", 'node2: {"<<": 5, zone')),
            "17:15: clusters.main.nodes.node2.<<: is an unknown key (5)",
        )

    @pytest.mark.parametrize("content", ["&a {b: *a}", "&a {<<: *a}", "&a [*a]"])
    def test_alias_that_contains_itself(self, content: str) -> None:
        found = said(f"{BASE}tags: {content}\n")
        assert [line for line in found if "is an alias that contains itself" in line]
        assert all(line.startswith("21:") for line in found)

    @pytest.mark.parametrize("leaf", ["[1, 2]", "{}"])
    def test_aliases_that_multiply(self, leaf: str) -> None:
        def of(name: str) -> str:
            return f"[*{name}, *{name}]" if leaf != "{}" else f"{{<<: [*{name}, *{name}]}}"

        names = "abcdefghijklmnopqrstuvwxyz"
        lines = (f"{two}: &{two} {of(one)}" for one, two in pairwise(names))
        (line,) = said(f"a: &a {leaf}\n" + "\n".join(lines))
        assert "not YAML: aliases expand the document to more than" in line
