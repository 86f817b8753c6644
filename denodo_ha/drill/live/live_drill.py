"""Live drill: reads the resources of a site, and works out the outcome of every scenario."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import AwsError, UsageError
from denodo_ha.deployed.environment_locator import regions_to_search
from denodo_ha.deployed.target_health import HEALTHY
from denodo_ha.drill.drill_run import DrillResult, drill_model, keys_of_nodes
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.live_site import LiveSite, TargetState, build_live_model
from denodo_ha.drill.live.site_reader import read_live_site
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.facts.limits import ROUTE53_METRICS_REGION


@dataclass(frozen=True)
class LiveDrill:
    """The drill of a site that was read from AWS, and this site."""

    result: DrillResult
    site: LiveSite


@dataclass(frozen=True)
class TargetHealthRow:
    """A row of the report: the health of a target when it was read.

    Attributes:
        cluster: the cluster of the target group's balancer, else the stack or region of the group.
        service: the target group's name.
        target: the node's name, or the target's id.
        port: the target's port.
        state: the state as the load balancer names it.
        reason: the reason in words, empty for a healthy target.
    """

    cluster: str
    service: str
    target: str
    port: int
    state: str
    reason: str


def configured_site(
    config: str, regions: Sequence[str] | None
) -> tuple[SiteLocator, tuple[str, ...]]:
    """Return the site of a configuration, and its regions or, if given, only `regions`.

    Raises:
        ConfigError: The configuration has errors.
        UsageError: There is no such configuration.
    """
    environment = load_configuration(config).environment
    every = [cluster.region for cluster in environment.clusters.values()]
    if environment.failover is not None:
        every.append(failover_plan.stack_region(environment, environment.failover))
    if environment.alarms.route53:
        every.append(ROUTE53_METRICS_REGION)
    return SiteLocator(environment=environment.name), tuple(dict.fromkeys(regions or every))


def drill_live(
    *,
    profile: str | None,
    regions: Sequence[str] | None,
    locator: SiteLocator,
    drained: Sequence[str] = (),
) -> LiveDrill:
    """Read a site from AWS and return its drill.

    Args:
        profile: the profile of the credentials.
        regions: the regions to read; by default that of the credentials.
        locator: the site.
        drained: nodes that are drained before any failure, as CLUSTER/NODE, in addition to those
            that `denodo-ha drain` has taken out.

    Raises:
        UsageError: The site does not exist, or has no cluster that can fail.
        AwsError: AWS did not answer.
    """
    aws = Aws(profile=profile)
    searched = regions_to_search(aws, regions)
    if not searched:
        raise UsageError("which regions? Name every region that the site uses with --region")
    site = read_live_site(aws, searched, locator)
    model = build_live_model(site)
    if not model.clusters:
        unread = "; ".join(part.text for part in site.unread)
        message = (
            f"no load balancer and no instance of this site was found in {', '.join(searched)}: "
            "check --region"
        )
        raise AwsError(f"{message}; {unread}") if unread else UsageError(message)
    by_command = site.drained & model.machines.keys()
    return LiveDrill(drill_model(model, by_command | keys_of_nodes(model, drained)), site)


def target_health_rows(drill: LiveDrill) -> list[TargetHealthRow]:
    """Return the health of every target at the time of the reading, by cluster and service."""
    model = drill.result.model
    clusters = _clusters_of_groups(model)
    rows = [_row(model, clusters, state) for state in drill.site.target_states]
    return sorted(rows, key=lambda row: (row.cluster, row.service, row.target, row.port))


def health_summary(rows: Sequence[TargetHealthRow]) -> Iterator[tuple[str, str, str]]:
    """Yield cluster, service and a text for each target group: how many targets are healthy."""
    groups: dict[tuple[str, str], list[TargetHealthRow]] = {}
    for row in rows:
        groups.setdefault((row.cluster, row.service), []).append(row)
    for (cluster, service), targets in groups.items():
        healthy = sum(row.state == HEALTHY for row in targets)
        others = [
            f"{row.target}: {row.state}{f', {row.reason}' if row.reason else ''}"
            for row in targets
            if row.state != HEALTHY
        ]
        yield cluster, service, "\n".join([f"{healthy} of {len(targets)} healthy", *others])


def _clusters_of_groups(model: Model) -> dict[Key, str]:
    return {
        group: balancer.cluster
        for balancer in model.balancers.values()
        for group in balancer.target_groups
    }


def _row(model: Model, clusters: dict[Key, str], state: TargetState) -> TargetHealthRow:
    group = model.target_groups.get(state.target_group)
    machine = model.machines.get(state.target)
    template, _, id_ = state.target_group.partition("/")
    cluster = clusters.get(state.target_group) or (machine.cluster if machine else template)
    return TargetHealthRow(
        cluster,
        group.name if group else id_,
        machine.name if machine else state.target.rpartition("/")[2],
        state.port,
        state.state,
        state.reason,
    )
