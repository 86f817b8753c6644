"""Wrong values and keys are reported once, at their position."""

from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from tests.support.loading import BASE, FILE, assert_said, edited, said

pytestmark = pytest.mark.usefixtures("in_a_folder")


class TestValues:
    """Wrong values of configuration keys."""

    @pytest.mark.parametrize(
        ("old", "new", "beginning"),
        [
            ("name: test", "name:", "1:1: name: has no value; name of the environment"),
            ("name: test", "name: []", "1:1: name: is not text (an empty list)"),
            ("name: test", "name: {a: b}", "1:1: name: is not text (a map)"),
            ("name: test", "name: ~", "1:7: name: has no value; name of the environment"),
            ("name: test", "name: Test", "1:7: name: is not a name for an environment (Test)"),
            ('"8.0"', "8.0", "3:12: denodo.version: is a number (8.0);"),
            ('"8.0"', "7.10", "3:12: denodo.version: is a number (7.10);"),
            ('"8.0"', "8", "3:12: denodo.version: is a number (8);"),
            ('"8.0"', '"10.0"', "3:12: denodo.version: is not a known version of Denodo (10.0);"),
            (
                '"111122223333"',
                "011122223333",
                "9:14: clusters.main.account: is a number (011122223333);",
            ),
            ('"111122223333"', '"1"', "9:14: clusters.main.account: is not an AWS account id (1);"),
            ("jdbc: 9999", 'jdbc: "9999"', "5:9: services.jdbc: is text (9999);"),
            ("jdbc: 9999", "jdbc: 9999.0", "5:9: services.jdbc: is not a whole number (9999.0);"),
            ("jdbc: 9999", 'jdbc: "99x9"', "5:9: services.jdbc: is not a whole number (99x9);"),
            ("name: test", "name: true", "1:7: name: is true or false, not text (true);"),
            ("sticky: true", 'sticky: "true"', "6:29: services.web.sticky: is text (true);"),
            ("sticky: true", "client_ip: no", "6:32: services.web.client_ip: is text in YAML 1.2"),
            ("name: test", "name: test\nfailover:", "2:1: failover: has no value; the key would"),
            (
                "name: test",
                "name: test\nsolution_manager: {cidrs: [10.0.9.0/24], host: }",
                "2:42: solution_manager.host: has no value; the key would be ignored; write a val",
            ),
            ("jdbc: 9999", "jdbc: true", "5:9: services.jdbc: is not a whole number (true);"),
            ("jdbc: 9999", "jdbc:", "5:3: services.jdbc: has no value; services by name"),
            ("jdbc: 9999", "jdbc: [9999]", "5:3: services.jdbc: is not a map (a list);"),
            ("jdbc: 9999", "jdbc: 0", "5:9: services.jdbc: is too small (0);"),
            ("jdbc: 9999", "jdbc: 65536", "5:9: services.jdbc: is too large (65536);"),
            ("jdbc: 9999", "jdbc: -1", "5:9: services.jdbc: is too small (-1);"),
            ("jdbc: 9999", "jdbc: 1e4", "5:9: services.jdbc: is not a whole number (1e4);"),
            ("port: 9090", "port: '9090'", "6:15: services.web.port: is text (9090)"),
            ("sticky: true", "sticky: yes", "6:29: services.web.sticky: is text in YAML 1.2 (yes)"),
            ("sticky: true", "client_ip: 1", "6:32: services.web.client_ip: is neither true nor"),
            (
                "clients: [10.0.0.0/8]",
                "clients:",
                "20:7: clusters.main.balancer.clients: has no value; netw",
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
            (
                "kind: nlb",
                "kind: alb",
                "19:13: clusters.main.balancer.kind: is not one of the allowed val",
            ),
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
            # YAML 1.2: a leading zero has no meaning, and octal numbers begin with 0o.
            ("9999", "09999"),
            ("9999", "0o23417"),
            ("9999", "0x270F"),
            # The key of a node is a name, even if the key looks like a number.
            ("node1:", "7.0:"),
            ("node1:", "yes:"),
            ("node1:", "null:"),
            ("node1:", "2024-01-01:"),
            ("sticky: true", "sticky: false"),
            # An explicit null is the same as a missing key.
            ("name: test", "name: test\nfailover: ~"),
        ],
    )
    def test_right_one_is_taken(self, old: str, new: str) -> None:
        assert said(edited((old, new))) == []

    def test_wrong_type_is_one_error(self) -> None:
        assert_said(
            edited(("name: test", "name: 7")),
            "1:7: name: is a number (7); name of the environment; the names of all stacks begin",
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
    """Wrong names of configuration keys."""

    @pytest.mark.parametrize(
        ("wrong", "near"),
        [
            ("regon", "did you mean region?"),
            ("allow_single_zones", "did you mean allow_single_zone?"),
            ("qqq", "known keys are account, allow_single_zone, balancer, capacity, catalog, "),
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
        assert_said(tags, "21:17: tags.[key]: is a number (1)")

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
