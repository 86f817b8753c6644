"""A failover's state for people and for machines."""

from collections.abc import Iterator, Sequence
from typing import Any

from denodo_ha.cli.output import Cell, print_json, print_line, print_table, styled
from denodo_ha.deployed.failover.dns_answer import DnsAnswer
from denodo_ha.deployed.failover.health_checks import UNHEALTHY, UNKNOWN, Route53Check
from denodo_ha.deployed.failover.location import FailoverLocation, Role
from denodo_ha.deployed.failover.sides import Side, Sides


def as_table(site: FailoverLocation, sides: Sides, answers: Sequence[DnsAnswer]) -> None:
    """Print which side is answered, and why."""
    asked = [(one.by, _name(site, one.role) or UNKNOWN, one.said) for one in answers]
    print_table(["Asked", "Answers with", "Said"], asked, title=site.endpoint)
    print_line("")
    at = _name(site, sides.switched_to)
    print_line(
        f"The switch, in {site.region}, is at {at}" if at else "Where the switch is, is unknown"
    )
    print_line("")
    rows = [row for side in sides.both for row in _rows(side)]
    print_table(["What", "State", "Why"], rows)


def _name(site: FailoverLocation, role: Role | None) -> str:
    if role is None:
        return ""
    return f"{site.clusters[role].name} ({role.lower()})"


def _rows(side: Side) -> Iterator[Sequence[Cell]]:
    yield f"{side.cluster} ({side.role.lower()})", styled(side.state), side.reason
    if side.check is not None:
        yield from _of_check(side.check, "  ")
    elif side.read:
        looks = "the alias evaluates its targets" if side.alias else "Route 53 takes it as healthy"
        yield "  no health check", "", looks
    for one in side.targets:
        state = "healthy" if one.healthy else UNHEALTHY
        name = f"service {one.group}" if one.shared else f"auxiliary port of {one.group}"
        shown = one.group if one.alb else name
        yield f"  {shown}", styled(state), f"{one.healthy} of {one.all} targets healthy"
    for problem in side.problems:
        yield "  ", styled(UNKNOWN), problem


def _of_check(check: Route53Check, indent: str) -> Iterator[Sequence[Cell]]:
    title = "the switch" if check.kind == "switch" else f"{check.kind} check"
    state = check.state
    if check.kind == "switch":
        state = {"healthy": "at primary", UNHEALTHY: "at secondary"}.get(state, state)
    yield f"{indent}{title} {check.id}", styled(state), check.reason
    for child in check.children:
        yield from _of_check(child, f"{indent}  ")


def as_json(site: FailoverLocation, sides: Sides, answers: Sequence[DnsAnswer]) -> None:
    """Print the same for machines."""
    print_json(
        {
            "environment": site.environment,
            "endpoint": site.endpoint,
            "switch": {"region": site.region, "at": _cluster(site, sides.switched_to)},
            "answered": [
                {"cluster": _cluster(site, one.role), "by": one.by, "said": one.said}
                for one in answers
            ],
            "sides": [_side(one) for one in sides.both],
        }
    )


def _cluster(site: FailoverLocation, role: Role | None) -> str | None:
    return site.clusters[role].name if role else None


def _side(side: Side) -> dict[str, Any]:
    return {
        "cluster": side.cluster,
        "role": side.role.lower(),
        "state": side.state,
        "reason": side.reason,
        "counts_as": side.counts_as,
        "target": side.target,
        "check": _check(side.check) if side.check else None,
        "targets": side.targets,
        "problems": side.problems,
    }


def _check(check: Route53Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "kind": check.kind,
        "state": check.state,
        "reason": check.reason,
        "children": [_check(one) for one in check.children],
    }
