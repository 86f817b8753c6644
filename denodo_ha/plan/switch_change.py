"""Change of the failover switch's metric, from the templates before and after a deploy.

A new namespace means a new alarm without data, so the switch's health check keeps its last status,
or is healthy like a new health check (AWS, Route 53 API, HealthCheckConfig). While the switch is
set to the primary, its last status is also healthy, so nothing changes. While the switch is set to
the secondary, the deploy could cause a failback.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.template_document import Template
from denodo_ha.cli.errors import Refused
from denodo_ha.deployed.failover.health_checks import UNKNOWN
from denodo_ha.deployed.failover.location import PRIMARY, FailoverLocation
from denodo_ha.deployed.failover.sides import read_sides
from denodo_ha.deployed.stack import resources_of
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.full_command import full_command

_ALARM = "AWS::CloudWatch::Alarm"


@dataclass(frozen=True)
class SwitchChange:
    """A change of the namespace of the switch's metric.

    Attributes:
        stack: name of the failover stack.
        before: the namespace before the deploy.
        after: the namespace after the deploy.
    """

    stack: str
    before: str
    after: str

    @property
    def text(self) -> str:
        """Return a description of the change of the switch's metric."""
        return f"the switch's metric changes from namespace {self.before} to {self.after}"


def switch_changes(
    before: Mapping[str, Template], after: Mapping[str, Template]
) -> list[SwitchChange]:
    """Return the changed namespace of each failover stack, by stack name; empty if none changes."""
    namespaces = [
        (name, _namespace(before[name]), _namespace(after[name]))
        for name in sorted({*before} & {*after})
    ]
    return [SwitchChange(*change) for change in namespaces if _differ(*change[1:])]


def _differ(before: str, after: str) -> bool:
    return bool(before and after) and before != after


def _namespace(template: Template) -> str:
    """Return the namespace of a template's switch; empty for a template without a switch."""
    for kind, properties in resources_of(template).values():
        if kind == _ALARM and properties.get("MetricName") == failover_plan.SWITCH_METRIC:
            return str(properties.get("Namespace", ""))
    return ""


def require_switch_at_primary(aws: Aws, site: FailoverLocation, change: SwitchChange) -> None:
    """Check that the deployed switch is set to the primary.

    Raises:
        Refused: The switch is set to the secondary, or its state is not known.
    """
    sides = read_sides(aws, site, lambda _: ((), "", ""))
    if sides.switched_to == PRIMARY:
        return
    state = UNKNOWN
    if sides.switched_to is not None:
        state = f"set to {site.clusters[sides.switched_to].name}"
    message = (
        f"{change.stack}: {change.text} while the switch is {state}. The new metric has no "
        "datapoint, so the deploy could fail the site over or back. Set the switch to the primary "
        f"first (`{full_command('failover back')}`), or keep switch_namespace: {change.before}"
    )
    raise Refused(message)
