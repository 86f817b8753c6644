"""The cluster that Route 53's rules select, and the cluster that the failover name resolves to."""

import itertools
import socket
from dataclasses import replace
from typing import Any

import pytest

from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.dns_answer import Resolved, by_resolver
from denodo_ha.deployed.failover.health_checks import (
    HEALTHY,
    UNHEALTHY,
    UNKNOWN,
    Route53Check,
    combined_state,
)
from denodo_ha.deployed.failover.location import PRIMARY, SECONDARY, FailoverLocation, Role
from denodo_ha.deployed.failover.sides import GroupCount, Side, Sides

SITE = FailoverLocation(
    environment="prod",
    endpoint="denodo.example.com",
    zone_id="Z1",
    account="111122223333",
    region="eu-central-1",
    clusters={
        PRIMARY: StackLocation("one", "prod-one", "111122223333", "eu-west-1"),
        SECONDARY: StackLocation("two", "prod-two", "111122223333", "eu-central-1"),
    },
    switch_namespace="Denodo/Failover",
)


def check(kind: str, state: str, *children: Route53Check) -> Route53Check:
    return Route53Check(f"{kind}-id", kind, state, f"{kind} says so", children)


def side(role: Role, check: Route53Check | None = None, **changes: Any) -> Side:
    plain: dict[str, Any] = {
        "role": role,
        "cluster": SITE.clusters[role].name,
        "target": f"{role.lower()}.elb.example",
        "alias": False,
        "check": check,
        "targets": (),
        "read": True,
    }
    return Side(**{**plain, **changes})


ANSWERED = {
    # Key: the states of the primary and of the secondary. Value: the record that DNS answers with,
    # None if unknown.
    (HEALTHY, HEALTHY): PRIMARY,
    (HEALTHY, UNHEALTHY): PRIMARY,
    (HEALTHY, UNKNOWN): PRIMARY,
    (UNHEALTHY, HEALTHY): SECONDARY,
    (UNHEALTHY, UNHEALTHY): PRIMARY,
    (UNHEALTHY, UNKNOWN): None,
    (UNKNOWN, HEALTHY): None,
    (UNKNOWN, UNHEALTHY): PRIMARY,
    (UNKNOWN, UNKNOWN): None,
}


@pytest.mark.parametrize(("states", "answered"), [*ANSWERED.items()])
def test_primary_while_healthy_else_a_healthy_secondary_else_primary(
    states: tuple[str, str], answered: Role | None
) -> None:
    first, second = (check("alarm", state) for state in states)
    assert Sides(side(PRIMARY, first), side(SECONDARY, second)).answered == answered


@pytest.mark.parametrize(
    ("automatic", "switch"), [*itertools.product((HEALTHY, UNHEALTHY, UNKNOWN), repeat=2)]
)
def test_the_primary_counts_with_the_switch_and_is_well_without(
    automatic: str, switch: str
) -> None:
    children = check("alarm", automatic), check("switch", switch)
    both = check("calculated", combined_state((automatic, switch)), *children)
    found = side(PRIMARY, both)
    assert found.counts_as == combined_state((automatic, switch))
    assert found.state == automatic
    sides = Sides(found, side(SECONDARY))
    assert sides.switched_to == {HEALTHY: PRIMARY, UNHEALTHY: SECONDARY}.get(switch)


def test_an_alias_is_as_well_as_each_of_its_groups() -> None:
    jdbc, auxiliary = (
        GroupCount("jdbc", shared=True, healthy=1, all=2),
        GroupCount("node1", shared=False, healthy=0, all=1),
    )
    switch = check("switch", HEALTHY)
    assert side(PRIMARY, switch, alias=True, targets=(jdbc,)).counts_as == HEALTHY
    assert side(PRIMARY, switch, alias=True, targets=(jdbc, auxiliary)).counts_as == UNHEALTHY
    assert side(PRIMARY, switch, alias=True).counts_as == UNKNOWN
    # A record that is not an alias counts as its own health check says, whatever its targets are.
    assert side(PRIMARY, check("alarm", HEALTHY), targets=(auxiliary,)).counts_as == HEALTHY


def test_an_alias_does_not_see_behind_a_second_balancer() -> None:
    front = GroupCount("web's balancer", shared=False, healthy=1, all=1, alb="web")
    nodes = GroupCount("web", shared=True, healthy=0, all=2, attached=False)
    switch = check("switch", HEALTHY)
    found = side(PRIMARY, switch, alias=True, targets=(front, nodes))
    assert (found.counts_as, found.state) == (HEALTHY, HEALTHY)
    lost = side(PRIMARY, switch, alias=True, targets=(replace(front, healthy=0), nodes))
    assert lost.counts_as == UNHEALTHY
    assert lost.reason == "web's balancer: 0 of 1 targets healthy"
    # If no health check covers the targets, the state for operators is that of the service's nodes.
    assert side(PRIMARY, switch, targets=(front, nodes)).state == UNHEALTHY


def test_where_nothing_looks_the_targets_tell_people() -> None:
    dead = (GroupCount("jdbc", shared=True, healthy=0, all=2),)
    found = side(PRIMARY, check("switch", HEALTHY), targets=dead)
    assert (found.checked, found.state, found.counts_as) == (False, UNHEALTHY, HEALTHY)
    assert side(SECONDARY).state == UNKNOWN


def answered(endpoint: Resolved, **targets: str) -> Role | None:
    """Return the role of the cluster that a DNS answer leads to; None if no cluster is known."""
    known = {
        SITE.endpoint: endpoint,
        "primary.elb.example": Resolved(frozenset(), frozenset({"192.0.2.1", "192.0.2.3"})),
        "secondary.elb.example": Resolved(frozenset(), frozenset({"192.0.2.2", "192.0.2.3"})),
    }
    names = {role: {"target": target} if target else {} for role, target in targets.items()}
    sides = Sides(
        side(PRIMARY, None, **names.get("primary", {})),
        side(SECONDARY, None, **names.get("secondary", {})),
    )
    return by_resolver(SITE, sides, known.get).role


def test_a_name_leads_to_a_side() -> None:
    def leads(names: tuple[str, ...] = (), addresses: tuple[str, ...] = ()) -> Role | None:
        return answered(Resolved(frozenset(names), frozenset(addresses)))

    assert leads(names=("secondary.elb.example",), addresses=("192.0.2.9",)) == SECONDARY
    assert leads(addresses=("192.0.2.1",)) == PRIMARY
    assert leads(addresses=("192.0.2.3",)) is None
    assert leads(addresses=("192.0.2.9",)) is None
    by_address = Resolved(frozenset(), frozenset({"198.51.100.7"}))
    assert answered(by_address, primary="198.51.100.7", secondary="198.51.100.8") == PRIMARY


def test_this_machine_s_resolver_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dns_answer.lookup("localhost")
    assert found is not None
    assert "127.0.0.1" in found.addresses

    def nobody(_name: str) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "gethostbyname_ex", nobody)
    assert dns_answer.lookup("localhost") is None
