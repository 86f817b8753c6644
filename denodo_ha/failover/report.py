"""The output of `denodo-ha failover status`: tables and JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from denodo_ha.cli.output import Cell, print_json, print_line, print_table, styled
from denodo_ha.deployed.failover.dns_answer import DnsAnswer
from denodo_ha.deployed.failover.health_checks import UNHEALTHY, UNKNOWN, Route53Check
from denodo_ha.deployed.failover.location import FailoverLocation, Role
from denodo_ha.deployed.failover.sides import Side, Sides


def print_status(site: FailoverLocation, sides: Sides, answers: Sequence[DnsAnswer]) -> None:
    """Print the DNS answers, the switch and the health checks as tables."""
    rows = [(each.by, _name(site, each.role) or UNKNOWN, each.text) for each in answers]
    print_table(["Source", "Answers with", "Answer"], rows, title=site.endpoint)
    print_line("")
    role = _name(site, sides.switched_to)
    print_line(
        f"The switch, in {site.region}, is set to {role}"
        if role
        else f"The state of the switch, in {site.region}, is unknown"
    )
    print_line("")
    checks = [row for side in sides.both for row in _side_rows(side)]
    print_table(["Check", "State", "Reason"], checks)


def _name(site: FailoverLocation, role: Role | None) -> str:
    if role is None:
        return ""
    return f"{site.clusters[role].name} ({role.lower()})"


def _side_rows(side: Side) -> Iterator[Sequence[Cell]]:
    yield f"{side.cluster} ({side.role.lower()})", styled(side.state), side.reason
    if side.check is not None:
        yield from _check_rows(side.check, "  ")
    elif side.read:
        reason = (
            "the alias record evaluates the health of the load balancer's targets"
            if side.alias
            else "Route 53 treats the cluster as healthy"
        )
        yield "  no health check", "", reason
    for count in side.targets:
        state = "healthy" if count.healthy else UNHEALTHY
        name = f"service {count.group}" if count.shared else f"auxiliary port of {count.group}"
        title = count.group if count.alb else name
        yield f"  {title}", styled(state), f"{count.healthy} of {count.all} targets healthy"
    for problem in side.problems:
        yield "  ", styled(UNKNOWN), problem


def _check_rows(check: Route53Check, indent: str) -> Iterator[Sequence[Cell]]:
    title = "the switch" if check.kind == "switch" else f"{check.kind} check"
    state = check.state
    if check.kind == "switch":
        state = {"healthy": "set to primary", UNHEALTHY: "set to secondary"}.get(state, state)
    yield f"{indent}{title} {check.id}", styled(state), check.reason
    for child in check.children:
        yield from _check_rows(child, f"{indent}  ")


def print_status_json(site: FailoverLocation, sides: Sides, answers: Sequence[DnsAnswer]) -> None:
    """Print the DNS answers, the switch and the health checks as JSON."""
    print_json(
        {
            "environment": site.environment,
            "endpoint": site.endpoint,
            "switch": {
                "region": site.region,
                "namespace": site.switch_namespace,
                "at": _cluster(site, sides.switched_to),
            },
            "answered": [
                {"cluster": _cluster(site, each.role), "by": each.by, "said": each.text}
                for each in answers
            ],
            "sides": [_side(side) for side in sides.both],
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
        "children": [_check(child) for child in check.children],
    }
