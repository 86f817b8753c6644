"""The target of a new connection: hash, stickiness, zones, health, security groups."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.local_aws.living import balancing
from tests.local_aws.living.balancing import (
    TIMEOUT_S,
    ZONES,
    Client,
    Control,
    Node,
    balancer,
    expect,
    listener,
    nodes_reached,
    outcome,
    rule,
    table,
)
from tests.support.waiting import until
from tools.local_aws.emulator.elb import probe


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    with balancing.running() as result:
        yield result


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Node, Node]]:
    first, second = Node("node1"), Node("node2")
    with balancing.serving(first, second):
        yield first, second


@pytest.fixture
def port() -> int:
    return balancing.port()


@dataclass(frozen=True)
class Deployed:
    """The load balancers' process with its control API, two nodes, and a port of this machine."""

    control: Control
    nodes: tuple[Node, Node]
    port: int


@pytest.fixture
def deployed(control: Control, nodes: tuple[Node, Node], port: int) -> Deployed:
    return Deployed(control, nodes, port)


def at(zone: str, port: int) -> balancing.Endpoint:
    return ZONES[zone], port


def both(nodes: tuple[Node, Node], *states: str) -> list[balancing.Document]:
    """Return two nodes as targets, the first in zone a and the second in zone b."""
    return [
        node.target(state, zone)
        for node, state, zone in zip(nodes, states or ("healthy", "healthy"), "ab", strict=True)
    ]


def test_flows_are_spread_over_the_healthy_targets(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    control.apply(table(balancer(listener(port, *both(nodes)))))
    assert nodes_reached(at("a", port)) == {"node1", "node2"}
    control.apply(table(balancer(listener(port, *both(nodes, "healthy", "unhealthy")))))
    assert nodes_reached(at("a", port)) == {"node1"}
    control.apply(table(balancer(listener(port, *both(nodes, "draining", "healthy")))))
    assert nodes_reached(at("b", port)) == {"node2"}


def test_a_source_address_sticks_to_its_target(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    sticky = {"stickiness.enabled": "true", "stickiness.type": "source_ip"}
    control.apply(table(balancer(listener(port, *both(nodes), attributes=sticky))))
    sources = [f"127.0.9.{number}" for number in range(1, 13)]
    reached = {source: nodes_reached(at("a", port), 3, source=source) for source in sources}
    assert all(len(names) == 1 for names in reached.values())
    assert set.union(*reached.values()) == {"node1", "node2"}
    # Clients of the unhealthy target get the other target; the other clients keep their target.
    changed = both(nodes, "healthy", "unhealthy")
    control.apply(table(balancer(listener(port, *changed, attributes=sticky))))
    assert nodes_reached(at("a", port), 3, source=sources[0]) == {"node1"}


@pytest.mark.parametrize(
    ("of_balancer", "of_group", "reached"),
    [
        (False, "use_load_balancer_configuration", {"node1"}),
        (True, "use_load_balancer_configuration", {"node1", "node2"}),
        (True, "false", {"node1"}),
        (False, "true", {"node1", "node2"}),
    ],
)
def test_cross_zone_load_balancing(
    deployed: Deployed, *, of_balancer: bool, of_group: str, reached: set[str]
) -> None:
    attributes = {"load_balancing.cross_zone.enabled": of_group}
    there = listener(deployed.port, *both(deployed.nodes), attributes=attributes)
    deployed.control.apply(table(balancer(there, cross_zone=of_balancer)))
    assert nodes_reached(at("a", deployed.port)) == reached


def test_a_zone_without_a_target_refuses_and_fails_open_on_its_own(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    only = both(nodes)[0]
    control.apply(table(balancer(listener(port, only), cross_zone=False)))
    expect(at("a", port), "node1")
    expect(at("b", port), "refused")
    states = both(nodes, "unhealthy", "healthy")
    control.apply(table(balancer(listener(port, *states), cross_zone=False)))
    expect(at("a", port), "node1")


def test_a_target_group_without_healthy_targets_fails_open(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    there = listener(port, *both(nodes, "unhealthy", "unhealthy"))
    control.apply(table(balancer(there, arn="fails-open")))
    assert nodes_reached(at("a", port), 16) == {"node1", "node2"}
    until(lambda: control.counted("fails-open", "UnhealthyRoutingFlowCount") == 16)


@pytest.mark.parametrize("kind", ["count", "percentage"])
def test_too_few_healthy_targets_fail_open(
    control: Control, nodes: tuple[Node, Node], port: int, kind: str
) -> None:
    prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets"
    enough, more = {"count": ("1", "2"), "percentage": ("50", "51")}[kind]
    states = both(nodes, "unhealthy", "healthy")
    for value, reached in ((enough, {"node2"}), (more, {"node1", "node2"})):
        there = listener(port, *states, attributes={f"{prefix}.{kind}": value})
        control.apply(table(balancer(there)))
        assert nodes_reached(at("a", port)) == reached


def test_a_zonal_shift_keeps_flows_from_the_zones_targets(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    there = balancer(listener(port, *both(nodes)))
    there["zones"]["a"]["shifted"] = True
    control.apply(table(there))
    assert nodes_reached(at("b", port)) == {"node2"}


def test_without_targets_a_listener_refuses(control: Control, port: int) -> None:
    control.apply(table(balancer(listener(port))))
    expect(at("a", port), "refused")


def test_a_listener_that_is_deleted_closes(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    control.apply(table(balancer(listener(port, *both(nodes)))))
    with Client(at("a", port)) as client:
        control.apply(table(balancer()))
        with pytest.raises(ConnectionError):
            client.ask("still there?")
    expect(at("a", port), "refused")


class TestAddresses:
    def test_a_target_sees_the_client_or_the_load_balancer(
        self, control: Control, nodes: tuple[Node, Node], port: int
    ) -> None:
        for kept, seen in (("true", "127.0.9.1"), ("false", ZONES["a"])):
            attributes = {"preserve_client_ip.enabled": kept}
            control.apply(table(balancer(listener(port, *both(nodes), attributes=attributes))))
            with Client(at("a", port), source="127.0.9.1") as client:
                assert client.seen == seen

    def test_a_node_that_keeps_addresses_does_not_reach_itself(
        self, control: Control, nodes: tuple[Node, Node], port: int
    ) -> None:
        node = nodes[0]
        sources = {"127.0.9.1": {"address": node.address, "groups": ["sg-node"]}}
        for kept, result in (("true", "silent"), ("false", "node1")):
            attributes = {"preserve_client_ip.enabled": kept}
            there = balancer(listener(port, node.target(), attributes=attributes))
            control.apply(table(there, sources=sources))
            expect(at("a", port), result, source="127.0.9.1")


class TestSecurityGroups:
    """Flows that no rule admits are dropped: the client gets no answer."""

    def test_a_client_needs_a_rule_of_the_load_balancer(
        self, control: Control, nodes: tuple[Node, Node], port: int
    ) -> None:
        admitting = [rule(port, cidr="10.9.0.0/16"), rule(port + 1, cidr="10.8.0.0/16")]
        rules = {"sg-balancer": {**balancing.OPEN, "ingress": admitting}, "sg-node": balancing.OPEN}
        sources = {
            "127.0.9.1": {"address": "10.9.0.7", "groups": []},
            "127.0.9.2": {"address": "10.8.0.7", "groups": []},
        }
        there = balancer(listener(port, nodes[0].target()))
        control.apply(table(there, rules=rules, sources=sources))
        expect(at("a", port), "node1", source="127.0.9.1")
        expect(at("a", port), "silent", source="127.0.9.2")
        # The local AWS knows no AWS address for this client, so it counts as a usual client.
        expect(at("a", port), "node1", source="127.0.9.3")

    def test_a_port_without_a_rule_is_closed_to_usual_clients(
        self, control: Control, nodes: tuple[Node, Node], port: int
    ) -> None:
        other = balancing.port()
        rules = {
            "sg-balancer": {**balancing.OPEN, "ingress": [rule(port, cidr="10.0.0.0/8")]},
            "sg-node": balancing.OPEN,
        }
        target = nodes[0].target()
        both_ports = balancer(listener(port, target), listener(other, target))
        control.apply(table(both_ports, rules=rules))
        expect(at("a", port), "node1")
        expect(at("a", other), "silent")

    @pytest.mark.parametrize(
        ("of_node", "of_balancer", "result"),
        [
            ([rule(9999, group="sg-balancer")], [rule(9999, group="sg-node")], "node1"),
            ([rule(9996, group="sg-balancer")], [rule(9999, group="sg-node")], "silent"),
            ([rule(9999, group="sg-other")], [rule(9999, group="sg-node")], "silent"),
            ([rule(9999, cidr="10.0.0.9/32")], [rule(9999, cidr="10.0.0.0/24")], "node1"),
            ([rule(9999, group="sg-balancer")], [rule(9999, cidr="10.7.0.0/24")], "silent"),
            ([rule(9999, group="sg-balancer")], [], "silent"),
        ],
    )
    def test_a_target_needs_rules_of_both(
        self,
        deployed: Deployed,
        of_node: list[balancing.Document],
        of_balancer: list[balancing.Document],
        result: str,
    ) -> None:
        rules = {
            "sg-balancer": {**balancing.OPEN, "egress": of_balancer},
            "sg-node": {**balancing.OPEN, "ingress": of_node},
        }
        there = balancer(listener(deployed.port, deployed.nodes[0].target()))
        deployed.control.apply(table(there, rules=rules))
        expect(at("a", deployed.port), result)

    def test_without_groups_the_nodes_rules_decide(
        self, control: Control, nodes: tuple[Node, Node], port: int
    ) -> None:
        """The nodes' rules must admit the address that a node sees as the source.

        That address is the client's if the target group keeps it, else the load balancer's.
        """
        rules = {"sg-node": {**balancing.OPEN, "ingress": [rule(9999, cidr="10.9.0.0/16")]}}
        sources = {"127.0.9.2": {"address": "10.8.0.7", "groups": []}}
        for kept, results in (("true", ("node1", "silent")), ("false", ("silent", "silent"))):
            attributes = {"preserve_client_ip.enabled": kept}
            there = balancer(listener(port, nodes[0].target(), attributes=attributes), groups=[])
            control.apply(table(there, rules=rules, sources=sources))
            for number, result in enumerate(results, 1):
                expect(at("a", port), result, source=f"127.0.9.{number}")


def test_a_cut_zone_and_a_cut_target_are_silent(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    there = balancer(listener(port, *both(nodes)))
    there["zones"]["a"]["cut"] = True
    control.apply(table(there))
    expect(at("a", port), "silent")
    assert outcome(at("b", port), patience=TIMEOUT_S) in ("node1", "node2")
    control.apply(table(balancer(listener(port, nodes[0].target(cut=True)))))
    expect(at("a", port), "silent")


def test_an_endpoint_check_passes_only_if_it_reaches_a_target(
    control: Control, nodes: tuple[Node, Node], port: int
) -> None:
    """The load balancer accepts a connection before the target does, so a check must wait."""
    with socket.create_server(("127.0.0.1", 0)) as waiting:
        target = nodes[0].target(endpoint=list(waiting.getsockname()))
        for state, passes in (
            (target, True),
            ({**target, "cut": True}, False),
            ({**target, "endpoint": None}, False),
        ):
            control.apply(table(balancer(listener(port, state))))
            # A check that passes waits for its whole `patience`; a check that fails ends earlier.
            patience = 0.2 if passes else TIMEOUT_S
            check = probe.stays_open(at("a", port), TIMEOUT_S, silence=0.2, patience=patience)
            assert check is passes


def test_nothing_that_listens_resets(control: Control, nodes: tuple[Node, Node], port: int) -> None:
    for endpoint in (None, ["127.0.0.1", balancing.port()]):
        there = listener(port, nodes[0].target(endpoint=endpoint))
        control.apply(table(balancer(there, arn="resets")))
        expect(at("a", port), "reset")
    until(lambda: control.counted("resets", "TCP_Target_Reset_Count") == 2)
