"""Expectation of the drill: the longest times of a failover by the switch, from AWS's rules.

The times are calculated from the deployed templates, as `denodo-ha drill` calculates them from
synthesised templates.
"""

from dataclasses import dataclass

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.cli.errors import CommandError
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.failover.location import FailoverLocation
from denodo_ha.deployed.stack import read_stack
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.recovery_time import DnsTiming
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import RecoverySteps, total_seconds
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment import names


@dataclass(frozen=True)
class ExpectedTimes:
    """The drill's longest times after the datapoint, in seconds.

    Attributes:
        switch: seconds until the switch's alarm and health check have changed.
        clients: seconds until clients use the other cluster.
        text: description of the steps whose sum is `clients`.
    """

    switch: int
    clients: int
    text: str


@dataclass(frozen=True)
class Expectation:
    """The drill's longest times for both directions of a practice.

    Attributes:
        move: longest times of the failover to the secondary; None if the drill has no times.
        back: longest times of the failover back to the primary; None if the drill has no times.
        problem: why the drill has no times; empty if it has times.
    """

    move: ExpectedTimes | None
    back: ExpectedTimes | None
    problem: str = ""


def expectation(aws: Aws, site: FailoverLocation) -> Expectation:
    """Return the drill's longest times of a practice, from the deployed templates."""
    failover = StackLocation("", names.failover_stack(site.environment), site.account, site.region)
    locations = [*site.clusters.values(), failover]
    try:
        stacks = map_concurrently(lambda location: read_stack(aws, location), locations)
        model = build_model(
            tuple(
                SynthesisedStack(stack.name, stack.region, stack.account, stack.template)
                for stack in stacks
            )
        )
    except CommandError as error:
        problem = f"the drill's times are not known: the deployed templates cannot be read: {error}"
        return Expectation(None, None, problem)
    return expectation_of(model, site.endpoint)


def expectation_of(model: Model, endpoint: str) -> Expectation:
    """Return the drill's longest times of a practice for a failover name in the drill's model."""
    name = next((each for each in model.failover_names if each.name == endpoint), None)
    alarms = [model.alarm_of(check) for check in model.checks_of([name.primary])] if name else []
    switches = frozenset(alarm.key for alarm in alarms if alarm is not None and alarm.switch)
    if name is None or not switches:
        problem = f"the drill's times are not known: the templates have no switch for {endpoint}"
        return Expectation(None, None, problem)
    engine = Engine(model)
    before = engine.health(Situation())
    after = engine.health(Situation(thrown_switches=switches))
    # Throwing the switch changes no target, so the load balancers of the records have no effect on
    # the times.
    timing = DnsTiming(model, before, after)
    return Expectation(
        _times(timing.failover(name, (None, None))), _times(timing.failback(name, (None, None)))
    )


def _times(steps: RecoverySteps) -> ExpectedTimes | None:
    """Return the sums of steps, the last of which is the DNS record's TTL; None without steps."""
    if not steps:
        return None
    text = " + ".join(f"{step.text} {step.seconds} s" for step in steps)
    return ExpectedTimes(total_seconds(steps[:-1]), total_seconds(steps), text)
