"""Live site: the resources of a site in the form of templates, for the drill's readers.

A value is literal, except that a reference to another resource of the site is the text that the
readers make of `Ref` and `Fn::GetAtt` (`reading.values.reference`). A property that could not be
read is missing, and `LiveSite.unread` names the call. This module makes no call to AWS.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model, Subject, Unknown
from denodo_ha.drill.reading.model_builder import build_model


@dataclass(frozen=True)
class UnreadPart:
    """A part of a site that is unknown, for example because a call gave no answer.

    Attributes:
        action: the call as IAM names it, such as `rds:DescribeDBInstances`.
        region: the region of the call.
        text: what is unknown, why, and what to do.
        hides: the kinds of objects that are unknown.
    """

    action: str
    region: str
    text: str
    hides: frozenset[Subject]


@dataclass(frozen=True)
class TargetState:
    """The health of a target at the time of the reading.

    Attributes:
        target_group: key of the target group.
        target: key of the machine, or the target's id if the site has no such machine.
        port: the target's port.
        state: the state as the load balancer names it, such as `unhealthy`.
        reason: the reason in words, empty for a healthy target.
    """

    target_group: Key
    target: Key
    port: int
    state: str
    reason: str = ""


@dataclass(frozen=True)
class LiveTemplate:
    """The resources of one stack of this project, or all others of one region.

    Attributes:
        name: the stack's name, else the region, or `route53` for records and health checks.
        account: the account.
        region: the region.
        template: the template: `Resources` with Type and Properties by logical id, and the metadata
            of a stack of this project.
        ids: the physical id of each resource by logical id, as `Ref` returns it in CloudFormation.
    """

    name: str
    account: str
    region: str
    template: Mapping[str, Any] = field(repr=False)
    ids: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """The resources by logical id."""
        resources: Mapping[str, Mapping[str, Any]] = self.template["Resources"]
        return resources

    @property
    def stack(self) -> SynthesisedStack:
        """The template in the form that the drill's readers take."""
        return SynthesisedStack(self.name, self.region, self.account, dict(self.template))


@dataclass(frozen=True)
class LiveSite:
    """A site as it was read: its balancers, nodes, records, and the resources that belong to them.

    Attributes:
        templates: the resources by template; the stacks of this project come first.
        unread: the calls that gave no answer.
        target_states: the health of every target at the time of the reading.
        drained: keys of the nodes that `denodo-ha drain` has taken out of service.
        notes: sentences on resources that differ from the deployed stacks of this project.
    """

    templates: tuple[LiveTemplate, ...]
    unread: tuple[UnreadPart, ...] = ()
    target_states: tuple[TargetState, ...] = ()
    drained: frozenset[Key] = frozenset()
    notes: tuple[str, ...] = ()

    @cached_property
    def stacks(self) -> tuple[SynthesisedStack, ...]:
        """The templates in the form that the drill's readers take."""
        return tuple(template.stack for template in self.templates)


def build_live_model(site: LiveSite) -> Model:
    """Return the drill's model of a site, in which parts that could not be read are unknown."""
    model = build_model(site.stacks)
    parts = [*site.unread, *_without_listeners(model, site.unread)]
    unknowns = tuple(Unknown(part.text, part.hides) for part in parts)
    return replace(
        model,
        notes=(*(part.text for part in parts), *site.notes, *model.notes),
        unknowns=(*unknowns, *model.unknowns),
    )


def _without_listeners(model: Model, unread: Iterable[UnreadPart]) -> Iterator[UnreadPart]:
    """Yield a note on each cluster without a port, whose outcomes have no meaning."""
    if any("balancer" in part.hides for part in unread):
        return
    for cluster in model.clusters.values():
        balancers = [model.balancers[key] for key in cluster.balancers]
        if balancers and not any(balancer.listeners for balancer in balancers):
            listed = ", ".join(balancer.key.rpartition("/")[2] for balancer in balancers)
            text = (
                f"{cluster.name}: the load balancer {listed} has no listener, so it serves no "
                f"port: check that clients use {listed}"
            )
            yield UnreadPart("", cluster.region, text, frozenset({"balancer", "node"}))
