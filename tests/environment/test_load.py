"""Loading reports every error of a file once, with its position."""

from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from tests.support.assembly import EXAMPLES
from tests.support.loading import BASE, FILE, assert_said, edited, said

pytestmark = pytest.mark.usefixtures("in_a_folder")


def test_the_base_is_right() -> None:
    assert said(BASE) == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_loads(example: Path) -> None:
    assert load(example).environment.clusters


class TestForm:
    """Form of messages: `file:line:column: path.to.key: fault (value); reason; remedy`."""

    def test_of_a_value(self) -> None:
        assert said(edited(("region: eu-west-1", "region: Ireland")))[0] == (
            "10:13: clusters.main.region: is not an AWS region (Ireland); a region is an area, a "
            "direction and a number, joined by hyphens; write a region like eu-west-1"
        )

    def test_of_a_key(self) -> None:
        (line,) = said(edited(("    region: eu", "    regoin: eu")))
        assert line == (
            "10:5: clusters.main.regoin: is an unknown key (eu-west-1); an unknown key would "
            "be ignored; did you mean region?"
        )

    def test_of_a_missing_key(self) -> None:
        assert said(edited(("    region: eu-west-1\n", ""))) == [
            "8:3: clusters.main.region: is missing; AWS region of the cluster; add region"
        ]

    def test_of_a_rule(self) -> None:
        (line,) = said(edited(("node2: {zone: eu-west-1b}", "node2: {zone: eu-west-1c}")))
        assert line == (
            "17:21: clusters.main.nodes.node2.zone: is not one of the cluster's zones "
            "(eu-west-1c); the node needs a subnet in its zone; write one of eu-west-1a, "
            "eu-west-1b, or add the zone to network.zones"
        )

    def test_of_what_has_no_path(self) -> None:
        assert said("") == [
            (
                "1:1: the file is empty; a configuration describes an environment; copy one of "
                "the files in config/examples"
            )
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
        assert_said(
            content,
            r"1:7: the file is not YAML: an escape from \ud800 to \udfff is half a character",
        )

    def test_key_in_a_message_is_one_line_too(self) -> None:
        assert_said(edited(("name: test", 'name: test\n"a\\nb": 1')), r"2:1: a\nb: is an unknown")

    def test_long_value_is_cut(self) -> None:
        (line,) = said(edited(("name: test", f"name: {'a' * 500}")))
        assert f"({'a' * 117}...);" in line


class TestAllAtOnce:
    """One run reports all kinds of errors of a file; no error causes further ones."""

    def test_errors_of_all_layers_by_line(self) -> None:
        content = edited(
            # a wrong type; the loader corrects it, so that rules can be checked
            ('version: "8.0"', "version: 8.0"),
            # an error of a rule, which is reported although another key is unknown
            ("jdbc: 9999", "jdbc: 9999\n  odbc: 9999"),
            ("region: eu-west-1", "regoin: eu-west-1"),  # an unknown key
            (
                "cidr: 10.0.0.0/16",
                "cidr: 10.0.0.1/16\n      cidr: 10.0.0.0/16",
            ),  # a malformed value, and a repeated key
            ("kind: nlb", "kind: haproxy"),  # a missing key that this kind requires
            ("[10.0.0.0/8]", "[10.0.0.0/8, 10.0.0.0/8]"),  # another rule's error
        )
        assert_said(
            content,
            "3:12: denodo.version: is a number (8.0)",
            "6:9: services.odbc.port: is the port of jdbc too (9999)",
            "11:5: clusters.main.regoin: is an unknown key",
            "13:13: clusters.main.network.cidr: has host bits set (10.0.0.1/16)",
            "14:7: clusters.main.network.cidr: is a repeated key: the same key is in line 13",
            "20:5: clusters.main.balancer.haproxy.instance: is missing",
            "22:29: clusters.main.balancer.clients.1: is listed twice (10.0.0.0/8)",
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

    def test_misspelt_optional_key_counts_as_given(self) -> None:
        assert_said(
            edited(("    instance: {", "    instanse: {")), "14:5: clusters.main.instanse: is"
        )

    def test_complete_sections_are_judged_before_incomplete_ones(self) -> None:
        _, _, main = BASE.partition("  main:\n")
        spare = main.replace("node2: {zone: eu-west-1b}", "node2: {zone: eu-west-1c}")
        content = edited(("node1: {zone: eu-west-1a}", "node1: {zone: wrong}"))
        found = said(f"{content}  spare:\n{spare}")
        assert [line for line in found if "clusters.main.nodes.node1.zone: is not an av" in line]
        assert [line for line in found if "clusters.spare.nodes.node2.zone: is not one" in line]

    def test_section_that_is_not_a_map_hides_no_error_of_the_next_one(self) -> None:
        content = edited(
            ("node1: {zone: eu-west-1a}", "node1: here"),
            ("node2: {zone: eu-west-1b}", "node2: {auxiliary_port: 5, zone: eu-west-1b}"),
        )
        assert_said(
            content,
            "16:14: clusters.main.nodes.node1: is not a map (here)",
            "17:15: clusters.main.nodes.node2.auxiliary_port: is not allowed for this version "
            "of Denodo (5)",
        )

    def test_unknown_key_hides_no_other_missing_key(self) -> None:
        content = edited(
            ("node1: {zone: eu-west-1a}", "node1: {zone: eu-west-1a, zon: x}"),
            ("node2: {zone: eu-west-1b}", "node2: {colour: green}"),
        )
        assert_said(
            content,
            "16:33: clusters.main.nodes.node1.zon: is an unknown key (x)",
            "17:7: clusters.main.nodes.node2.zone: is missing",
            "17:15: clusters.main.nodes.node2.colour: is an unknown key (green)",
        )

    def test_unknown_key_with_an_unreadable_value(self) -> None:
        assert_said(
            edited(("name: test", "name: test\ncolour: [!!int x]")),
            "2:1: colour: is an unknown key (a list)",
            "2:10: colour.0: can't be read as int (x)",
        )

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
