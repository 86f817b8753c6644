"""Registry of the rules about a configuration as a whole.

A rule is a function that takes the environment and yields its problems. Each subject has one module
of rules. A rule's docstring states the requirement. The rule's messages give the reason, with the
source.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime

from denodo_ha.environment.loading.problem import Problem
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import Pins
from denodo_ha.environment.model.section import NotValidated
from denodo_ha.environment.rules import (
    acceptance,
    alarms,
    balancer,
    capacity,
    cookies,
    denodo,
    failover,
    haproxy,
    logs,
    metadata,
    metadata_database,
    names,
    network,
    nodes,
    outbound_access,
    pins,
    ports,
    quotas,
    risks,
    scheduler,
    target_groups,
)

Rule = Callable[[Environment], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    *names.RULES,
    *network.RULES,
    *outbound_access.RULES,
    *ports.RULES,
    *scheduler.RULES,
    *nodes.RULES,
    *capacity.RULES,
    *denodo.RULES,
    *balancer.RULES,
    *target_groups.RULES,
    *cookies.RULES,
    *haproxy.RULES,
    *failover.RULES,
    *alarms.RULES,
    *logs.RULES,
    *metadata.RULES,
    *metadata_database.RULES,
    *quotas.RULES,
    *risks.RULES,
    *acceptance.RULES,
    *haproxy.DEPLOY_RULES,
)

DEPLOY_RULES: frozenset[Rule] = frozenset(haproxy.DEPLOY_RULES)
"""Rules that apply only to the deployment of stacks, and not to `denodo-ha haproxy render`."""


def environment_problems(
    environment: Environment,
    pinned: Pins | None,
    *,
    deploying: bool = True,
    today: date | None = None,
) -> Iterator[Problem]:
    """Return the problems of a configuration, without those that `accept` turns off.

    Args:
        environment: the configuration.
        pinned: the pins; None if there is no pins file.
        deploying: if false, rules that apply only to stacks are skipped.
        today: the date for which acceptances are checked; None for today's date.
    """
    found = _found(environment, pinned, deploying=deploying)
    return judged_problems(found, environment, pinned, today=today)


def judged_problems(
    problems: Iterable[Problem],
    environment: Environment,
    pinned: Pins | None,
    *,
    today: date | None = None,
) -> Iterator[Problem]:
    """Yield problems with their severities, without those that `accept` turns off."""
    day = today or datetime.now(UTC).date()
    for problem in problems:
        try:
            judged = acceptance.judged(environment, pinned, problem, day)
        except NotValidated:  # `accept` is invalid itself, so it turns off no finding
            judged = problem
        if judged is not None:
            yield judged


def _found(environment: Environment, pinned: Pins | None, *, deploying: bool) -> Iterator[Problem]:
    seen = set()
    for rule in RULES:
        if not deploying and rule in DEPLOY_RULES:
            continue
        for problem in _until_invalid(rule(environment)):
            # The clusters share `services`, so a rule may report the same problem of a service once
            # for each cluster.
            if (problem.path, problem.what) not in seen:
                seen.add((problem.path, problem.what))
                yield problem
    if pinned is None:
        yield from _until_invalid(pins.missing_pins(environment))
    else:
        yield from _until_invalid(pins.nodes_waiting_for_rollout(environment, pinned))
        yield from _until_invalid(pins.silence_alarm_waits(environment, pinned))


def pins_file_problems(environment: Environment, pinned: Pins) -> Iterator[Problem]:
    """Yield the problems that result from comparing the pins file with the configuration."""
    for problem in _until_invalid(pins.stale_pins(environment, pinned)):
        judged = acceptance.judged(environment, pinned, problem, datetime.now(UTC).date())
        if judged is not None:
            yield judged


def _until_invalid(problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield the problems of a rule until the rule reads an invalid value."""
    with suppress(NotValidated):
        yield from problems
