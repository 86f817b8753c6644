"""Loading a file says everything that is wrong with it, each thing once and with its place."""

from itertools import pairwise
from pathlib import Path

import pytest

from config.load import load
from config.problem import ConfigError
from tests.assembly import EXAMPLES

BASE = """\
name: test
denodo:
  version: "8.0"
services:
  jdbc: 9999
  web: {port: 9090, sticky: true}
clusters:
  main:
    account: "111122223333"
    region: eu-west-1
    network:
      cidr: 10.0.0.0/16
      zones: [eu-west-1a, eu-west-1b]
    instance: {type: m5.xlarge, image: ami-0123456789abcdef0}
    nodes:
      node1: {zone: eu-west-1a}
      node2: {zone: eu-west-1b}
    balancer:
      kind: nlb
      clients: [10.0.0.0/8]
"""
FILE = "environment.yaml"


@pytest.fixture(autouse=True)
def _beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(content: str | bytes) -> list[str]:
    """The errors of a file with this content, without the file's name."""
    file = Path(FILE)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        load(file)
    except ConfigError as error:
        lines = str(error).split("\n")
    else:
        return []
    assert all(line.startswith(f"{FILE}:") for line in lines)
    return [line.removeprefix(f"{FILE}:") for line in lines]


def edited(*edits: tuple[str, str]) -> str:
    """The base with each text, which it has once, replaced by another."""
    result = BASE
    for old, new in edits:
        assert result.count(old) == 1, old
        result = result.replace(old, new)
    return result


def assert_said(content: str | bytes, *beginnings: str) -> None:
    """Each error begins like that, and there are no others."""
    found = said(content)
    assert len(found) == len(beginnings), found
    for line, beginning in zip(found, beginnings, strict=True):
        assert line.startswith(beginning), line


def test_the_base_is_right() -> None:
    assert said(BASE) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_loads(example: Path) -> None:
    assert load(example).environment.clusters


class TestForm:
    """`file:line:column: path.to.key: what (value); why; instead`."""

    def test_of_a_value(self) -> None:
        assert said(edited(("region: eu-west-1", "region: Ireland")))[0] == (
            "10:13: clusters.main.region: is not an AWS region (Ireland); regions are named by "
            "place and number; write a region like eu-west-1"
        )

    def test_of_a_key(self) -> None:
        (line,) = said(edited(("    region: eu", "    regoin: eu")))
        assert line == (
            "10:5: clusters.main.regoin: is an unknown key (eu-west-1); nothing reads it, so what "
            "it says would not happen; did you mean region?"
        )

    def test_of_a_missing_key(self) -> None:
        assert said(edited(("    region: eu-west-1\n", ""))) == [
            "8:3: clusters.main.region: is missing; AWS region of the cluster; add region"
        ]

    def test_of_a_rule(self) -> None:
        (line,) = said(edited(("node2: {zone: eu-west-1b}", "node2: {zone: eu-west-1c}")))
        assert line == (
            "17:21: clusters.main.nodes.node2.zone: is not one of the cluster's zones "
            "(eu-west-1c); the node needs a subnet there; write one of eu-west-1a, eu-west-1b, or "
            "add the zone to network.zones"
        )

    def test_of_what_has_no_path(self) -> None:
        assert said("") == [
            "1:1: the file is empty; it describes an environment; copy one of config/examples"
        ]

    def test_key_with_a_dot_is_quoted(self) -> None:
        content = edited(("node2: {zone: eu-west-1b}", "vdp.node02: {zone: x}"))
        assert_said(content, '17:26: clusters.main.nodes."vdp.node02".zone: is not an avail')

    @pytest.mark.parametrize("text", [r"a\nb", r"a\tb", r"a\x1b[0mb", r"a\u2028b"])
    def test_is_one_line_whatever_is_in_the_file(self, text: str) -> None:
        (line,) = said(edited(("name: test", f'name: "{text}"')))
        assert line.isprintable()
        assert f" ({text});" in line

    def test_half_a_character_is_none(self) -> None:
        content = edited(("name: test", r'name: "\ud800"'))
        assert_said(content, r"1:7: not YAML: an escape from \ud800 to \udfff is half a character")

    def test_key_in_a_message_is_one_line_too(self) -> None:
        assert_said(edited(("name: test", 'name: test\n"a\\nb": 1')), r"2:1: a\nb: is an unknown")

    def test_long_value_is_cut(self) -> None:
        (line,) = said(edited(("name: test", f"name: {'a' * 500}")))
        assert f"({'a' * 117}...);" in line


class TestYaml:
    """What is wrong with the YAML itself."""

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
            ("name: [a\n", "2:1: not YAML: "),
            ("name: test: again\n", "1:11: not YAML: mapping values are not allowed here"),
            ("name: 'test\n", "2:1: not YAML: found unexpected end of stream"),
            ("a: 1\n\tb: 2\n", "2:1: not YAML: found character '\\t' that cannot start any token"),
            ("a: *b\n", "1:4: not YAML: found undefined alias 'b'"),
            ("name: a\n---\nname: b\n", "2:1: not YAML: found another document"),
            ("a: b\n c: d\n", "2:3: not YAML: mapping values are not allowed here"),
            ("a: \x00\n", "1:4: not YAML: character 0x0 is not allowed"),
            ("a: 1\nb: é\x7f\n", "2:5: not YAML: character 0x7f is not allowed"),
            (b"\xff\xfe", "1:1: the file can't be read (byte 0 is not UTF-8)"),
            ("name: ü".encode("latin-1"), "1:1: the file can't be read (byte 6 is not UTF-8)"),
        ],
    )
    def test_is_said(self, content: str | bytes, beginning: str) -> None:
        assert_said(content, beginning)

    def test_missing_file(self) -> None:
        with pytest.raises(ConfigError) as caught:
            load(Path("nowhere.yaml"))
        assert str(caught.value) == (
            "nowhere.yaml:1:1: the file can't be read (No such file or directory); it describes "
            "the environment; check its name"
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
            "11:5: clusters.main.region: the key stands here a second time, after line 10; only "
            "one of the two could count; remove one of them"
        )

    def test_key_that_is_no_name(self) -> None:
        assert_said(BASE + "? [a]\n: b\n", "21:3: a key is a map or a list; keys are names")

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
            "1:7: name: can't be read as timestamp (2024-02-31); YAML took it for that by",
        )

    @pytest.mark.parametrize("opened", ["[", "{a: "])
    @pytest.mark.parametrize("depth", [60, 200, 290, 300, 310, 320, 330, 400, 1000])
    def test_nested_without_end(self, opened: str, depth: int) -> None:
        closed = "]" if opened == "[" else "}"
        (line,) = said(f"name: {opened * depth}{closed * depth}\n")
        assert ": not YAML: maps or lists nested too deeply;" in line

    def test_deep_but_not_too_deep(self) -> None:
        assert_said(edited(("name: test", f"name: {'[' * 40}{']' * 40}")), "1:1: name: is not text")


class TestAnchors:
    """Anchors, aliases and merges are places in the file, too."""

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
            "17:54: clusters.main.nodes.node2.auxiliary_port: is not for this version (5)",
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
            "17:15: clusters.main.nodes.node2: << merges no map; it takes an alias of one",
        )

    def test_quoted_merge_key_is_a_key(self) -> None:
        assert_said(
            edited(("node2: {zone", 'node2: {"<<": 5, zone')),
            "17:15: clusters.main.nodes.node2.<<: is an unknown key (5)",
        )

    @pytest.mark.parametrize("content", ["&a {b: *a}", "&a {<<: *a}", "&a [*a]"])
    def test_alias_that_contains_itself(self, content: str) -> None:
        found = said(f"{BASE}tags: {content}\n")
        assert [line for line in found if "an alias that contains itself" in line]
        assert all(line.startswith("21:") for line in found)

    @pytest.mark.parametrize("leaf", ["[1, 2]", "{}"])
    def test_aliases_that_multiply(self, leaf: str) -> None:
        def of(name: str) -> str:
            return f"[*{name}, *{name}]" if leaf != "{}" else f"{{<<: [*{name}, *{name}]}}"

        names = "abcdefghijklmnopqrstuvwxyz"
        lines = (f"{two}: &{two} {of(one)}" for one, two in pairwise(names))
        (line,) = said(f"a: &a {leaf}\n" + "\n".join(lines))
        assert "not YAML: aliases make more than" in line


class TestValues:
    """What a value may be."""

    @pytest.mark.parametrize(
        ("old", "new", "beginning"),
        [
            ("name: test", "name:", "1:1: name: is empty; name of the environment"),
            ("name: test", "name: []", "1:1: name: is not text (an empty list)"),
            ("name: test", "name: {a: b}", "1:1: name: is not text (a map)"),
            ("name: test", "name: ~", "1:7: name: is empty; name of the environment"),
            ("name: test", "name: Test", "1:7: name: is not a name for an environment (Test)"),
            ('"8.0"', "8.0", "3:12: denodo.version: is not one of the values (8.0);"),
            ('"8.0"', "7.10", "3:12: denodo.version: is not one of the values (7.10);"),
            ('"8.0"', "8", "3:12: denodo.version: is not one of the values (8);"),
            ('"8.0"', '"10.0"', "3:12: denodo.version: is not one of the values (10.0);"),
            (
                '"111122223333"',
                "011122223333",
                "9:14: clusters.main.account: is not text (011122223333);",
            ),
            ('"111122223333"', '"1"', "9:14: clusters.main.account: is not an AWS account id (1);"),
            ("jdbc: 9999", 'jdbc: "9999"', "5:9: services.jdbc: is not a whole number (9999);"),
            ("jdbc: 9999", "jdbc: 9999.0", "5:9: services.jdbc: is not a whole number (9999.0);"),
            ("jdbc: 9999", "jdbc: true", "5:9: services.jdbc: is not a whole number (true);"),
            ("jdbc: 9999", "jdbc:", "5:3: services.jdbc: is empty; services by name"),
            ("jdbc: 9999", "jdbc: [9999]", "5:3: services.jdbc: is not a map (a list);"),
            ("jdbc: 9999", "jdbc: 0", "5:9: services.jdbc: is too small (0);"),
            ("jdbc: 9999", "jdbc: 65536", "5:9: services.jdbc: is too large (65536);"),
            ("jdbc: 9999", "jdbc: -1", "5:9: services.jdbc: is too small (-1);"),
            ("jdbc: 9999", "jdbc: 1e4", "5:9: services.jdbc: is not a whole number (1e4);"),
            ("port: 9090", "port: '9090'", "6:15: services.web.port: is not a whole number (9090)"),
            ("sticky: true", "sticky: yes", "6:29: services.web.sticky: is not one of the values"),
            ("sticky: true", "client_ip: 1", "6:32: services.web.client_ip: is neither true nor"),
            (
                "clients: [10.0.0.0/8]",
                "clients:",
                "20:7: clusters.main.balancer.clients: is empty; netw",
            ),
            ("[10.0.0.0/8]", "10.0.0.0/8", "20:16: clusters.main.balancer.clients: is not a list"),
            ("[10.0.0.0/8]", "[]", "20:7: clusters.main.balancer.clients: is empty (an empty list"),
            ("[10.0.0.0/8]", "[10.0.0.1/8]", "20:17: clusters.main.balancer.clients.0: has host"),
            ("[10.0.0.0/8]", "[10.0.0.1]", "20:17: clusters.main.balancer.clients.0: has no pre"),
            ("[10.0.0.0/8]", "[[]]", "20:17: clusters.main.balancer.clients.0: is not text"),
            (
                "[10.0.0.0/8]",
                "[10.0.0.0/255.0.0.0]",
                "20:17: clusters.main.balancer.clients.0: is not in network form (10.0.0.0/255.0.0",
            ),
            (
                "[10.0.0.0/8]",
                "['2001:db8::/32']",
                "20:17: clusters.main.balancer.clients.0: is not an IPv4 CIDR (2001:db8::/32)",
            ),
            ("kind: nlb", "kind: alb", "19:13: clusters.main.balancer.kind: is not one of the val"),
            ("  main:", "  Main:", "8:3: clusters.Main: is not a name for a cluster (Main);"),
            ("node1:", "node_1:", "16:7: clusters.main.nodes.node_1: is not a name for a node"),
            ("  jdbc:", "  j.d:", '5:3: services."j.d": is not a name for a service (j.d)'),
            ("eu-west-1b]", "eu-west-1]", "13:27: clusters.main.network.zones.eu-west-1: is not"),
            ("[eu-west-1a, eu-west-1b]", "5", "13:14: clusters.main.network.zones: is not a map"),
            (
                "    nodes:\n",
                "    nodes: {}\n    noodles:\n",
                "15:5: clusters.main.nodes: is empty",
            ),
        ],
    )
    def test_wrong_one_is_said_once(self, old: str, new: str, beginning: str) -> None:
        found = said(edited((old, new)))
        assert found[0].startswith(beginning), found
        misspelt = ["16:5: clusters.main.noodles: is an"] if "noodles" in new else []
        assert [line[:34] for line in found[1:]] == misspelt

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            # YAML 1.2: a zero in front means nothing, and octal numbers begin with 0o.
            ("9999", "09999"),
            ("9999", "0o23417"),
            ("9999", "0x270F"),
            # A key is a name, whatever it looks like.
            ("node1:", "7.0:"),
            ("node1:", "yes:"),
            ("node1:", "null:"),
            ("node1:", "2024-01-01:"),
            ("sticky: true", "sticky: false"),
            # Nothing is as good as left out.
            ("name: test", "name: test\nfailover:"),
        ],
    )
    def test_right_one_is_taken(self, old: str, new: str) -> None:
        assert said(edited((old, new))) == []

    def test_right_text_of_a_wrong_type_is_judged_too(self) -> None:
        assert_said(
            edited(("name: test", "name: 7")),
            "1:7: name: is not text (7); name of the environment; every stack's name begins with",
            "1:7: name: is not a name for an environment (7)",
        )

    def test_zero_in_front_does_not_make_a_number_octal(self) -> None:
        Path(FILE).write_text(edited(("9999", "010")))
        assert load(Path(FILE)).environment.services["jdbc"].port == 10

    def test_short_form_is_the_long_one(self) -> None:
        Path(FILE).write_text(edited(("jdbc: 9999", "jdbc: {port: 9999}")))
        long = load(Path(FILE))
        Path(FILE).write_text(BASE)
        assert load(Path(FILE)).environment == long.environment


class TestKeys:
    """What a key may be."""

    @pytest.mark.parametrize(
        ("wrong", "near"),
        [
            ("regon", "did you mean region?"),
            ("allow_single_zones", "did you mean allow_single_zone?"),
            ("qqq", "known keys are account, allow_single_zone, balancer, catalog, "),
        ],
    )
    def test_unknown_one_is_said_with_the_nearest(self, wrong: str, near: str) -> None:
        region = "    region: eu-west-1\n"
        (line,) = said(edited((region, f"{region}    {wrong}: 1\n")))
        assert line.startswith(f"11:5: clusters.main.{wrong}: is an unknown key (1)")
        assert near in line

    def test_one_that_looks_like_pydantic_s_marker(self) -> None:
        assert_said(f'{BASE}"[key]": 1\n', "21:1: [key]: is an unknown key (1)")
        tags = f'{BASE}tags: {{"[key]": 1}}\n'
        assert_said(tags, "21:17: tags.[key]: is not text (1)")

    def test_misspelt_compulsory_one_is_said_once(self) -> None:
        content = edited(("name: test", "nmae: test"), ("    balancer:", "    balancar:"))
        assert_said(
            content,
            "1:1: nmae: is an unknown key (test)",
            "18:5: clusters.main.balancar: is an unknown key (a map)",
        )

    def test_misspelt_one_beside_the_right_one_hides_nothing(self) -> None:
        content = edited(
            ("node2: {zone: eu-west-1b}", "node2: {zone: eu-west-1c}"),
            ("    balancer:\n", "    node: {}\n    balancer:\n"),
        )
        assert_said(
            content,
            "17:21: clusters.main.nodes.node2.zone: is not one of the cluster's zones",
            "18:5: clusters.main.node: is an unknown key (a map)",
        )


class TestAllAtOnce:
    """Every error comes in one run, whatever finds it, and no error brings others with it."""

    def test_errors_of_all_layers_by_line(self) -> None:
        content = edited(
            ('version: "8.0"', "version: 8.0"),  # a type that can be mended
            ("jdbc: 9999", "jdbc: 9999\n  odbc: 9999"),  # a rule
            ("region: eu-west-1", "regoin: eu-west-1"),  # an unknown key
            ("cidr: 10.0.0.0/16", "cidr: 10.0.0.1/16\n      cidr: 10.0.0.0/16"),  # a form, YAML
            ("kind: nlb", "kind: haproxy"),  # what a kind of balancer needs
            ("[10.0.0.0/8]", "[10.0.0.0/8, 10.0.0.0/8]"),  # another rule
        )
        assert_said(
            content,
            "3:12: denodo.version: is not one of the values (8.0)",
            "6:9: services.odbc.port: is the port of jdbc too (9999)",
            "11:5: clusters.main.regoin: is an unknown key",
            "13:13: clusters.main.network.cidr: has host bits set (10.0.0.1/16)",
            "14:7: clusters.main.network.cidr: the key stands here a second time, after line 13",
            "20:5: clusters.main.balancer.haproxy.instance: is missing",
            "22:29: clusters.main.balancer.clients.1: stands here twice (10.0.0.0/8)",
        )

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("name: test\n", ""),
            ("name: test", "name: {}"),
            ("denodo:\n", "denodoo:\n"),
            ('"8.0"', "eight"),
            ("clusters:\n  main:", "clusters:\n  Main:"),
            ("account: ", "acount: "),
            ("region: eu-west-1", "region: []"),
            ("cidr: 10.0.0.0/16", "cidr: []"),
            ("zones: [eu-west-1a, eu-west-1b]", "zones: 5"),
            ("zones: [eu-west-1a, eu-west-1b]", "zones: [eu-west-1a, EU]"),
            ("    network:\n", "    netwerk:\n"),
            ("type: m5.xlarge", "type: big"),
            ("type: m5.xlarge, ", ""),
            ("    nodes:\n", "    noods:\n"),
            ("node1:", "node_1:"),
            ("    balancer:\n", "    balanzer:\n"),
            ("kind: nlb", "kind: alb"),
            ("clients: [10.0.0.0/8]", "clients: []"),
        ],
    )
    def test_no_error_hides_another(self, old: str, new: str) -> None:
        clash = ("  web:", "  web2: 9999\n  web:")
        alone = said(edited((old, new)))
        assert len(alone) == 1, alone
        both = said(edited((old, new), clash))
        assert [line for line in both if "services.web2.port: is the port of jdbc too" in line]
        assert len(both) == 2, both

    def test_pins_and_configuration_together(self) -> None:
        Path("environment.pins.yaml").write_text("main: {node1: {image: latest}}\n")
        Path(FILE).write_text(edited(("kind: nlb", "kind: alb")))
        with pytest.raises(ConfigError) as caught:
            load(Path(FILE))
        assert [problem.file for problem in caught.value.problems] == [
            "environment.pins.yaml",
            "environment.pins.yaml",
            "environment.pins.yaml",
            FILE,
        ]
