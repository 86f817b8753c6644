"""Every rule about a configuration as a whole.

A rule is a function from the environment to its problems. They lie by subject in the
`check_…` modules; a rule's docstring says what holds, its messages say why and who says so.
"""

from collections.abc import Callable, Iterator

from config import (
    check_balancer,
    check_catalog,
    check_cookies,
    check_database,
    check_denodo,
    check_failover,
    check_haproxy,
    check_haproxy_aws,
    check_names,
    check_network,
    check_node_names,
    check_nodes,
    check_pins,
    check_ports,
    check_quotas,
    check_risks,
)
from config.model import Environment
from config.pins import Pins
from config.problem import Problem

Rule = Callable[[Environment], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    *check_names.RULES,
    *check_network.RULES,
    *check_ports.RULES,
    *check_nodes.RULES,
    *check_node_names.RULES,
    *check_denodo.RULES,
    *check_balancer.RULES,
    *check_cookies.RULES,
    *check_haproxy.RULES,
    *check_failover.RULES,
    *check_catalog.RULES,
    *check_database.RULES,
    *check_quotas.RULES,
    *check_risks.RULES,
    *check_haproxy_aws.RULES,
)

DEPLOYING: frozenset[Rule] = frozenset(check_haproxy_aws.RULES)
"""The rules that hold only where stacks are made: a file for HAProxy elsewhere needs none."""


def check(
    environment: Environment, pins: Pins | None, *, deploying: bool = True
) -> Iterator[Problem]:
    """What is wrong or risky in a configuration; pins are None where there is no such file."""
    seen = set()
    for rule in RULES:
        if not deploying and rule in DEPLOYING:
            continue
        for problem in rule(environment):
            # Services are shared by the clusters, and may be found wrong in each.
            if (problem.path, problem.what) not in seen:
                seen.add((problem.path, problem.what))
                yield problem
    yield from (
        check_pins.unpinned(environment) if pins is None else check_pins.waiting(environment, pins)
    )


def check_pins_file(environment: Environment, pins: Pins) -> Iterator[Problem]:
    """What is wrong in the pins file, seen from the configuration."""
    yield from check_pins.stale(environment, pins)
