"""Registry of the rules about a configuration as a whole.

A rule is a function that takes the environment and yields its problems. Each subject has one module
of rules. A rule's docstring says what must hold; its messages say why, with the source.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

from denodo_ha.environment.loading.problem import Problem
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import Pins
from denodo_ha.environment.model.section import NotValidated
from denodo_ha.environment.rules import (
    balancer,
    cookies,
    denodo,
    failover,
    haproxy,
    metadata,
    metadata_database,
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
    *metadata.RULES,
    *metadata_database.RULES,
    *quotas.RULES,
    *risks.RULES,
    *haproxy.DEPLOY_RULES,
)

DEPLOY_RULES: frozenset[Rule] = frozenset(haproxy.DEPLOY_RULES)
"""Rules that apply only to the deployment of stacks, and not to `denodo-ha haproxy render`."""


def environment_problems(
    environment: Environment, pinned: Pins | None, *, deploying: bool = True
) -> Iterator[Problem]:
    """Yield the problems of a configuration; `pinned` is None if there is no pins file."""
    seen = set()
    for rule in RULES:
        if not deploying and rule in DEPLOY_RULES:
            continue
        for problem in _until_invalid(rule(environment)):
            # Clusters share the services, so a rule may find the same problem for each cluster.
            if (problem.path, problem.what) not in seen:
                seen.add((problem.path, problem.what))
                yield problem
    yield from _until_invalid(
        pins.missing_pins(environment)
        if pinned is None
        else pins.nodes_waiting_for_rollout(environment, pinned)
    )


def pins_file_problems(environment: Environment, pinned: Pins) -> Iterator[Problem]:
    """Yield the problems of the pins file that result from comparing it with the configuration."""
    yield from _until_invalid(pins.stale_pins(environment, pinned))


def _until_invalid(problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield the problems of a rule until the rule reads an invalid value."""
    with suppress(NotValidated):
        yield from problems
