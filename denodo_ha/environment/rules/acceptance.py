"""Acceptance of findings: `accept`, and errors that a later version of this project added.

A named finding is a warning, a note, or an error that a later version added. For a cluster that is
deployed already (it has nodes in the pins file), an added error is only a warning. `accept` turns a
named finding off until a date. Errors without a name cannot be accepted, because the deployment or
a program of this project would fail.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from typing import Final

from denodo_ha.environment.facts.review_findings import CATEGORY_OF
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.problem import Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import Pins

FINDINGS: Final = frozenset(
    {
        "adopted-nodes",
        "alarms-left-out",
        "alarms-unread",
        "capacity-existing-nodes",
        "capacity-for-some-nodes",
        "capacity-unused",
        "catalog-deletion-protection",
        "catalog-final-snapshot",
        "catalog-multi-az",
        "catalog-unused",
        "clients-behind-nat",
        "data-catalog-sticky",
        "data-disk-not-mounted",
        "elastic-ips",
        "empty-value",
        "endpoint-never-fails",
        "exports-unused",
        "flight-update",
        "haproxy-blind-check",
        "haproxy-one-zone",
        "heap-of-image",
        "idle-below-query-timeout",
        "idle-on-nitro-v6",
        "logs-missing",
        "no-deletion-protection",
        "no-node-metrics",
        "no-pins",
        "no-recovery",
        "node-tls-behind-tls",
        "node-without-name",
        "odbc-behind-tls",
        "one-cookie-a-host",
        "one-node",
        "one-node-moves-the-site",
        "open-to-the-world",
        "overlapping-vpcs",
        "placeholder",
        "port-ranges",
        "private-port",
        "public-without-tls",
        "rmi-host-balancer",
        "shared-manager",
        "rmi-behind-tls",
        "shared-catalog-promotions",
        "scheduler-second-connection",
        "shared-switch",
        "silence-alarm-waits",
        "single-zone",
        "stale-pin",
        "vpc-of-another-account",
        "waiting-for-rollout",
        "way-out-at-first-boot",
        "web-not-sticky",
    }
)
"""Names of all findings that rules report."""

_NAMES: Final = FINDINGS | frozenset(CATEGORY_OF)
"""Names that `accept` can have: findings of rules, and findings of `denodo-ha review`."""


def accepted_names(environment: Environment) -> Iterator[Problem]:
    """Each key of `accept` must be the name of a finding that this project can report."""
    for name in environment.accept:
        if name not in _NAMES:
            near = get_close_matches(name, _NAMES, n=1)
            yield Problem(
                ("accept", name),
                "is not the name of a finding",
                "the name is at the end of the finding, as in [ack: denodo-ha:NAME], or in the "
                f"output of `{full_command('review')}`",
                f"did you mean {near[0]}?" if near else "write the name that cdk synth prints",
                value=name,
                at_key=True,
            )


def judged(
    environment: Environment, pinned: Pins | None, problem: Problem, today: date
) -> Problem | None:
    """Return a finding with its severity for this environment; None if the finding is accepted.

    Args:
        environment: the configuration.
        pinned: the pins; None without a pins file.
        problem: the finding.
        today: today's date; an acceptance that ends earlier has no effect.
    """
    acceptance = environment.accept.get(problem.rule)
    is_acceptable = problem.severity is not Severity.ERROR or bool(problem.refuses)
    if acceptance is not None and is_acceptable and date.fromisoformat(acceptance.until) >= today:
        return None
    if problem.severity is not Severity.ERROR or not problem.refuses:
        return problem
    deployed = pinned.root if pinned is not None else {}
    if all(deployed.get(cluster) for cluster in problem.refuses):
        return replace(problem, severity=Severity.WARNING)
    instead = (
        f"{problem.instead}; or accept the finding until a date with accept: "
        f"{{{problem.rule}: {{why: …, until: YYYY-MM-DD}}}}"
    )
    return replace(problem, instead=instead)


RULES = (accepted_names,)
