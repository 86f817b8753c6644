"""Security group rules allow what the topology needs, and no more."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from denodo_ha.environment.derived.firewall import (
    FirewallRule,
    SecurityGroup,
    firewall,
    haproxy_target_ports,
)
from denodo_ha.environment.derived.topology import Listener, listeners
from tests.environment.rule_cases.failover import CHECKED, ENDPOINT, V7
from tests.environment.rule_cases.nodes import exists
from tests.strategies import environments
from tests.support.configurations import (
    CHECKERS,
    GONE,
    Data,
    changed,
    loaded,
    minimal,
    networks,
    twins,
)

MANAGERS = {"solution_manager": {"cidrs": ["10.9.0.0/24"]}}
BARE = {
    "clusters/main/nodes/node2": GONE,
    "clusters/main/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
}
MANY = settings(
    max_examples=30,
    derandomize=True,
    database=None,
)


def shown(rule: FirewallRule) -> str:
    """Return a rule as readable text."""
    ports = str(rule.first) if rule.first == rule.last else f"{rule.first}-{rule.last}"
    way = "from" if rule.direction == "ingress" else "to"
    return f"{rule.group} {way} {rule.peer.name}: {ports}"


def rules(folder: Path, data: Data, name: str = "main") -> set[str]:
    """Return the rules of a cluster's security groups as readable texts."""
    sides = firewall(loaded(folder, data).environment, name)
    made = [shown(rule) for side in sides for rule in side.rules]
    assert len(made) == len(set(made))
    return set(made)


def test_shared_ports_are_for_clients(tmp_path: Path) -> None:
    assert rules(tmp_path, minimal("8.0")) == {
        "balancer from 10.0.0.0/8: 9999",
        *(f"balancer to nodes: {port}" for port in (9999, 9191)),
        *(f"nodes from balancer: {port}" for port in (9999, 9191)),
    }


def test_nodes_that_are_not_asked_have_no_port_for_it(tmp_path: Path) -> None:
    assert rules(tmp_path, changed(minimal(), {"denodo/program": False})) == {
        "balancer from 10.0.0.0/8: 9999",
        "balancer to nodes: 9999",
        "nodes from balancer: 9999",
    }


def test_auxiliary_ports_are_for_nodes_and_managers_too(tmp_path: Path) -> None:
    assert rules(tmp_path, changed(minimal("7.0"), MANAGERS)) == {
        *(f"balancer from 10.0.0.0/8: {port}" for port in (9999, 19997, 29997)),
        *(f"balancer from nodes: {port}" for port in (19997, 29997)),
        *(f"balancer from 10.9.0.0/24: {port}" for port in (19997, 29997)),
        *(f"balancer to nodes: {port}" for port in (9191, 9999, 19997, 29997)),
        *(f"nodes from balancer: {port}" for port in (9191, 9999, 19997, 29997)),
        *(f"nodes from 10.9.0.0/24: {port}" for port in (9999, 9090, 9443, 8000, 7998)),
    }


ALONE = {"denodo/servers": ["vdp", "scheduler"]}
SCHEDULER = {
    **ALONE,
    "services/jobs": 8000,
    "clusters/main/catalog": {"components": ["scheduler"]},
}
SCHEDULER_PORTS = {
    f"clusters/main/nodes/node{number}/scheduler_auxiliary_port": port
    for number, port in ((1, 17998), (2, 27998))
}


def test_clients_of_the_scheduler_reach_its_second_port_on_the_node(tmp_path: Path) -> None:
    found = rules(tmp_path, changed(minimal(), SCHEDULER))
    assert {rule for rule in found if rule.endswith("7998")} == {"nodes from 10.0.0.0/8: 7998"}
    public = {**SCHEDULER, "clusters/main/balancer/scheme": "internet-facing"}
    assert not {rule for rule in rules(tmp_path, changed(minimal(), public)) if "7998" in rule}
    bare = rules(tmp_path, changed(minimal(), {**BARE, "services/jobs": 8000, **ALONE}))
    assert {"nodes from 10.0.0.0/8: 8000", "nodes from 10.0.0.0/8: 7998"} <= bare


def test_clients_of_the_scheduler_do_not_fill_the_nodes_quota(tmp_path: Path) -> None:
    """Nodes get rules for 57 clients of the Scheduler, but none for 58, which would be too many."""
    many = {**SCHEDULER, **MANAGERS, "clusters/main/balancer/clients": networks(57)}
    assert "nodes from 10.3.0.0/16: 7998" in rules(tmp_path, changed(minimal(), many))
    more = changed(minimal(), {**many, "clusters/main/balancer/clients": networks(58)})
    assert not {rule for rule in rules(tmp_path, more) if rule.startswith("nodes from 10.3.")}


def test_scheduler_ports_lead_from_the_balancer_to_one_node(tmp_path: Path) -> None:
    data = changed(minimal(), {**SCHEDULER, **SCHEDULER_PORTS, **MANAGERS})
    second = {rule for rule in rules(tmp_path, data) if rule.endswith("7998")}
    assert second == {
        "nodes from 10.9.0.0/24: 7998",
        *(
            f"{way}: {port}"
            for port in (17998, 27998)
            for way in (
                "balancer from 10.0.0.0/8",
                "balancer from nodes",
                "balancer from 10.9.0.0/24",
                "balancer to nodes",
                "nodes from balancer",
            )
        ),
    }
    proxied = {**SCHEDULER, **SCHEDULER_PORTS, "clusters/main/balancer/kind": "haproxy"}
    environment = loaded(tmp_path, changed(minimal(), proxied), deploying=False).environment
    assert {8000, 17998, 27998} <= set(haproxy_target_ports(environment, "main"))


def test_balancer_reaches_node_ports_and_health_ports(tmp_path: Path) -> None:
    service = {"port": 443, "node_port": 9090, "health": {"port": 9191}}
    assert rules(tmp_path, changed(minimal(), {"services": {"web": service}})) == {
        "balancer from 10.0.0.0/8: 443",
        *(f"balancer to nodes: {port}" for port in (9090, 9191)),
        *(f"nodes from balancer: {port}" for port in (9090, 9191)),
    }


def test_cookies_are_set_between_the_balancer_and_the_nodes(tmp_path: Path) -> None:
    """Requests to a service with cookies reach nodes only from the Application Load Balancer."""
    web = {"port": 80, "node_port": 9090, "sticky": "cookie"}
    assert rules(tmp_path, changed(minimal(), {"services/web": web})) == {
        *(f"balancer from 10.0.0.0/8: {port}" for port in (80, 9999)),
        "balancer to alb: 80",
        "alb from balancer: 80",
        *(f"alb to nodes: {port}" for port in (9090, 9191)),
        *(f"nodes from alb: {port}" for port in (9090, 9191)),
        *(f"balancer to nodes: {port}" for port in (9191, 9999)),
        *(f"nodes from balancer: {port}" for port in (9191, 9999)),
    }


def test_services_on_one_node_port_are_one_rule_there(tmp_path: Path) -> None:
    data = changed(minimal(), {"services/batch": {"port": 19999, "node_port": 9999}})
    assert "nodes from balancer: 9999" in rules(tmp_path, data)


def test_checkers_reach_the_jdbc_port(tmp_path: Path) -> None:
    data = changed(twins(), {**ENDPOINT, "services/odbc": 9996})
    assert rules(tmp_path, data) == {
        *(f"balancer from 10.0.0.0/8: {port}" for port in (9996, 9999)),
        f"balancer from {CHECKERS}: 9999",
        *(f"balancer to nodes: {port}" for port in (9191, 9996, 9999)),
        *(f"nodes from balancer: {port}" for port in (9191, 9996, 9999)),
    }


@pytest.mark.parametrize(
    "changes",
    [
        CHECKED,
        {**ENDPOINT, "failover": GONE},
        {**ENDPOINT, "failover/control": "operator"},
        {**ENDPOINT, "clusters/main/balancer/clients": ["0.0.0.0/0"]},
    ],
)
def test_checkers_that_check_nothing_here_stay_out(tmp_path: Path, changes: Data) -> None:
    assert not [rule for rule in rules(tmp_path, changed(twins(), changes)) if CHECKERS in rule]


def test_node_without_a_balancer_meets_its_clients(tmp_path: Path) -> None:
    assert rules(tmp_path, changed(minimal("7.0"), {**BARE, **MANAGERS})) == {
        *(f"nodes from 10.0.0.0/8: {port}" for port in (9999, 19997)),
        *(f"nodes from 10.9.0.0/24: {port}" for port in (9999, 9090, 9443, 8000, 7998)),
    }


def test_instances_that_exist_are_reached_by_address(tmp_path: Path) -> None:
    data = changed(exists(), {"clusters/main/balancer/clients": ["192.168.0.0/16"], **MANAGERS})
    assert rules(tmp_path, data) == {
        "balancer from 192.168.0.0/16: 9999",
        "balancer to 10.0.0.0/16: 9999",
    }


def test_range_is_from_the_lowest_to_the_highest_port(tmp_path: Path) -> None:
    data = changed(V7(), {"clusters/main/balancer/clients": networks(25)})
    found = rules(tmp_path, data)
    assert {one for one in found if one.startswith("balancer from")} == {
        *(f"balancer from {network}: 9999-29997" for network in networks(25)),
        "balancer from nodes: 19997-29997",
    }
    # Only the security group that would have too many rules gets port ranges; the nodes' does not.
    assert "nodes from balancer: 9999" in found


def of(side: Any) -> set[tuple[str, int]]:
    """Return pairs: a peer, and a port that the rules for single ports open to the peer."""
    return {(rule.peer.name, rule.first) for rule in side.port_rules}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("firewall")


@MANY
@given(data=environments.environments())
def test_what_the_balancer_may_send_the_nodes_take(folder: Path, data: Data) -> None:
    environment = loaded(folder, data).environment
    for name, cluster in environment.clusters.items():
        sides = {(side.group, side.direction): side for side in firewall(environment, name)}
        served = listeners(environment, cluster)
        if cluster.balancer.kind == "none":
            assert set(sides) - {("nodes", "egress")} == {("nodes", "ingress")}
            continue
        created = any(node.instance_id is None for node in cluster.nodes.values())
        if cluster.balancer.kind == "haproxy":
            needed = set(haproxy_target_ports(environment, name))
            inside = {service.port for service in served} | {cluster.balancer.proxy.health_port}
            assert of(sides["balancer", "egress"]) == {("haproxy", port) for port in inside}
            met = of(sides["haproxy", "ingress"])
            assert {port for peer, port in met if peer == "balancer"} == inside
            sent = of(sides["haproxy", "egress"]) - {("0.0.0.0/0", 443)}
            assert {port for _, port in sent} == needed
            taken = of(sides["nodes", "ingress"]) if created else set()
            assert {port for peer, port in taken if peer == "haproxy"} == (
                needed if created else set()
            )
            continue
        of_groups: list[tuple[SecurityGroup, list[Listener]]] = [
            ("balancer", [service for service in served if not service.alb_health]),
            ("alb", [service for service in served if service.alb_health]),
        ]
        for group, behind in of_groups:
            needed = {port for one in behind for port in (one.target_port, one.health.port)}
            sent = of(sides[group, "egress"]) if (group, "egress") in sides else set()
            assert {port for peer, port in sent if peer != "alb"} == needed
            taken = of(sides["nodes", "ingress"]) if created else set()
            assert {port for peer, port in taken if peer == group} == (needed if created else set())
            assert not (created and needed) or ("nodes", max(needed)) in sent
        if not created:
            assert ("nodes", "ingress") not in sides
        passed_on = {("alb", service.port) for service in served if service.alb_health}
        assert passed_on <= of(sides["balancer", "egress"])
        assert ("alb", "ingress") in sides or not passed_on
        if passed_on:
            assert of(sides["alb", "ingress"]) == {("balancer", port) for _, port in passed_on}


@MANY
@given(data=environments.environments())
def test_single_node_groups_are_no_shared_ones(folder: Path, data: Data) -> None:
    environment = loaded(folder, data).environment
    for cluster in environment.clusters.values():
        served = listeners(environment, cluster)
        assert len({service.port for service in served}) == len(served) <= 50
        shared = {
            port
            for service in served
            if service.service
            for port in (service.port, service.target_port)
        }
        for one in served:
            everyone = tuple(sorted(cluster.nodes))
            assert one.nodes == (everyone if one.service else (one.key,))
            assert one.service or one.port not in shared
            assert one.health.timeout < one.health.interval


def test_clients_by_prefix_list_and_security_group(tmp_path: Path) -> None:
    """Each port has one rule for each peer; a prefix list counts as its maximum size."""
    clients = ["10.0.0.0/8", "pl-0123456789abcdef0", "sg-0123456789abcdef0"]
    data = changed(minimal(), {"clusters/main/balancer/clients": clients})
    (side,) = [
        rules
        for rules in firewall(loaded(tmp_path, data).environment, "main")
        if (rules.group, rules.direction) == ("balancer", "ingress")
    ]
    assert {(rule.peer.kind, rule.peer.name, rule.first) for rule in side.rules} == {
        ("cidr", "10.0.0.0/8", 9999),
        ("prefix-list", "pl-0123456789abcdef0", 9999),
        ("security-group", "sg-0123456789abcdef0", 9999),
    }
    assert side.weight == 1 + 25 + 1


def test_nodes_connect_to_what_egress_lists_and_to_what_they_need(tmp_path: Path) -> None:
    """The Solution Manager's networks, the database's VPC and the balancer need no entry."""
    egress = [
        {"to": "0.0.0.0/0", "ports": [443]},
        {"to": "10.20.0.0/16", "ports": [5432, "8020-8040"]},
        {"to": "10.20.0.2/32", "ports": [53], "protocol": "udp"},
        "sg-0123456789abcdef0",
    ]
    changes: Data = {
        "clusters/main/network/egress": egress,
        "solution_manager": {"host": "sm.example.com", "cidrs": ["10.9.0.0/24"]},
        "license_manager": {"host": "sm.example.com"},
        "denodo/servers": ["vdp", "scheduler"],
        "clusters/main/catalog": {"components": ["scheduler"]},
    }
    environment = loaded(tmp_path, changed(minimal("7.0"), changes)).environment
    (side,) = [
        side
        for side in firewall(environment, "main")
        if (side.group, side.direction) == ("nodes", "egress")
    ]
    assert {(rule.peer.name, rule.first, rule.last, rule.protocol) for rule in side.rules} == {
        ("0.0.0.0/0", 443, 443, "tcp"),
        ("10.20.0.0/16", 5432, 5432, "tcp"),
        ("10.20.0.0/16", 8020, 8040, "tcp"),
        ("10.20.0.2/32", 53, 53, "udp"),
        ("sg-0123456789abcdef0", 1, 65535, "tcp"),
        ("10.9.0.0/24", 10090, 10090, "tcp"),
        ("10.9.0.0/24", 10091, 10091, "tcp"),
        ("10.0.0.0/16", 5432, 5432, "tcp"),
        ("balancer", 19997, 19997, "tcp"),
        ("balancer", 29997, 29997, "tcp"),
    }


def test_nodes_connect_to_the_endpoints_of_their_vpc(tmp_path: Path) -> None:
    changes = {
        "clusters/main/network/nat": "none",
        "clusters/main/network/egress": [{"to": "pl-01234567", "ports": [443]}],
    }
    assert {
        rule for rule in rules(tmp_path, changed(minimal(), changes)) if rule.startswith("nodes to")
    } == {"nodes to pl-01234567: 443", "nodes to 10.0.0.0/16: 443"}


def test_nodes_connect_to_all_destinations_by_default(tmp_path: Path) -> None:
    assert not [one for one in rules(tmp_path, minimal("7.0")) if one.startswith("nodes to")]
