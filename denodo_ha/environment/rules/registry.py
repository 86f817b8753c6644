"""Every rule about a configuration as a whole.

A rule is a function from the environment to its problems. They are grouped by subject, a
module each; a rule's docstring says what holds, its messages say why and who says so.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from denodo_ha.environment.loading.problem import Problem
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import Pins
from denodo_ha.environment.model.section import NotValidated
from denodo_ha.environment.rules import (
    balancer,
    catalog,
    cookies,
    database,
    denodo,
    failover,
    haproxy,
    haproxy_on_aws,
    names,
    network,
    nodes,
    pins,
    ports,
    quotas,
    risks,
)

Rule = Callable[[Environment], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    *names.RULES,
    *network.RULES,
    *ports.RULES,
    *nodes.RULES,
    *denodo.RULES,
    *balancer.RULES,
    *cookies.RULES,
    *haproxy.RULES,
    *failover.RULES,
    *catalog.RULES,
    *database.RULES,
    *quotas.RULES,
    *risks.RULES,
    *haproxy_on_aws.RULES,
)

DEPLOYING: frozenset[Rule] = frozenset(haproxy_on_aws.RULES)
"""The rules that hold only where stacks are made: a file for HAProxy elsewhere needs none."""


def check(
    environment: Environment, pinned: Pins | None, *, deploying: bool = True
) -> Iterator[Problem]:
    """What is wrong or risky in a configuration; pins are None where there is no such file."""
    seen = set()
    for rule in RULES:
        if not deploying and rule in DEPLOYING:
            continue
        for problem in _judged(rule(environment)):
            # Services are shared by the clusters, and may be found wrong in each.
            if (problem.path, problem.what) not in seen:
                seen.add((problem.path, problem.what))
                yield problem
    found = pins.unpinned(environment) if pinned is None else pins.waiting(environment, pinned)
    yield from _judged(found)


def _judged(problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield the problems of a rule until it reads a value that did not validate."""
    with suppress(NotValidated):
        yield from problems


def check_pins_file(environment: Environment, pinned: Pins) -> Iterator[Problem]:
    """What is wrong in the pins file, seen from the configuration."""
    yield from _judged(pins.stale(environment, pinned))
