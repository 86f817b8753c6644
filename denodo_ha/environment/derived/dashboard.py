"""Body of the CloudWatch dashboard of an environment: which cluster serves, its load, its alarms.

    | the environment: health checks, switch                                    |
    | cluster: alarms | targets of its services | connections | instances, CPU  |
    | cluster: ...                                                              |

The body is plain data (AWS, CloudWatch API Reference, Dashboard Body Structure and Syntax). Names
of resources are tokens, which CloudFormation resolves. A dashboard shows metrics and alarms of
several regions, but of only one account.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.facts.limits import ROUTE53_METRICS_REGION
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.model.environment import Environment

COLUMNS: Final = 24
"""Number of columns in the grid of a CloudWatch dashboard, which the widgets of a row share."""
_HEIGHT: Final = 6
_TEXT_HEIGHT: Final = 3
_PERIOD_S: Final = 60

Widget = dict[str, Any]


@dataclass(frozen=True)
class GroupMetrics:
    """Metrics of a target group: their namespace and dimensions."""

    namespace: str
    dimensions: Mapping[str, str]


@dataclass(frozen=True)
class ClusterMetrics:
    """Resources of a cluster that the dashboard shows.

    Attributes:
        region: region of the cluster.
        load_balancer: name of the Network Load Balancer in its metrics; None without a load
            balancer.
        groups: target groups of the services, by service.
        instances: instance ids of the nodes by name.
        fleet: name of the Auto Scaling group of HAProxy; None without HAProxy.
        alarms: ARNs of the alarms that notify operators.
        database: identifier of the metadata database; None without a database on RDS.
    """

    region: str
    load_balancer: str | None
    groups: Mapping[str, GroupMetrics]
    instances: Mapping[str, str]
    fleet: str | None = None
    alarms: Sequence[str] = ()
    database: str | None = None


@dataclass(frozen=True)
class FailoverMetrics:
    """Resources of the failover that the dashboard shows.

    Attributes:
        region: region of the switch's metric.
        namespace: namespace of the switch's metric.
        checks: ids of the health checks of the records, by cluster; empty if Route 53 publishes no
            metrics in this partition.
        alarms: ARNs of the alarms that notify operators.
    """

    region: str
    namespace: str
    checks: Mapping[str, str] = field(default_factory=dict)
    alarms: Sequence[str] = ()


def dashboard_body(
    environment: Environment,
    clusters: Mapping[str, ClusterMetrics],
    failover: FailoverMetrics | None,
) -> dict[str, Any]:
    """Return the body of the dashboard.

    Args:
        environment: the configuration.
        clusters: the clusters in the account of the dashboard.
        failover: the failover; None for an environment without failover.
    """
    rows = [_first_row(environment, [*clusters], failover)]
    rows += [_cluster_row(name, metrics) for name, metrics in clusters.items()]
    widgets, top = [], 0
    for row in rows:
        left = 0
        width = COLUMNS // len(row)
        for widget in row:
            widgets.append({**widget, "x": left, "y": top, "width": width})
            left += width
        top += max(widget["height"] for widget in row)
    return {"widgets": widgets}


def _first_row(
    environment: Environment, shown: Sequence[str], failover: FailoverMetrics | None
) -> list[Widget]:
    lines = [f"# {environment.name}"]
    others = [
        f"{name} ({cluster.account})"
        for name, cluster in environment.clusters.items()
        if name not in shown
    ]
    if others:
        lines.append(f"Not shown, since they are in another account: {', '.join(others)}.")
    commands = [full_command("status")]
    commands += [full_command("failover status")] if failover is not None else []
    lines.append(f"Who serves, and why: {', '.join(f'`{command}`' for command in commands)}.")
    height = _HEIGHT if failover is not None else _TEXT_HEIGHT
    row = [_text("\n\n".join(lines), height)]
    if failover is None:
        return row
    if failover.checks:
        checks = [
            _metric("AWS/Route53", "HealthCheckStatus", {"HealthCheckId": check}, label=name)
            for name, check in failover.checks.items()
        ]
        title = "Route 53: 1 is healthy"
        row.append(
            _graph(title, ROUTE53_METRICS_REGION, checks, statistic="Minimum", bounds=(0, 1))
        )
    else:
        row.append(_text("Route 53 publishes no metrics of the clusters' health.", height))
    switch = _metric(
        failover.namespace,
        failover_plan.SWITCH_METRIC,
        {failover_plan.SWITCH_DIMENSION: environment.name},
        label="1: to the secondary",
    )
    title = "Failover switch, when it was set"
    row.append(_graph(title, failover.region, [switch], statistic="Maximum", bounds=(0, 1)))
    if failover.alarms:
        row.append(_alarms("Alarms of the failover", failover.alarms))
    return row


def _cluster_row(name: str, cluster: ClusterMetrics) -> list[Widget]:
    title = f"{name} ({cluster.region})"
    if cluster.alarms:
        row = [_alarms(f"{title}: alarms", cluster.alarms)]
    else:
        row = [_text(f"## {title}\n\nThis cluster has no alarms.", _HEIGHT)]
    if cluster.groups:
        targets = [metric for item in cluster.groups.items() for metric in _targets(*item)]
        row.append(_graph(f"{title}: targets", cluster.region, targets, least=0))
    if cluster.load_balancer is not None:
        connections = [*_connections(cluster.load_balancer)]
        row.append(_graph(f"{title}: connections", cluster.region, connections, least=0))
    row.append(_graph(f"{title}: machines", cluster.region, [*_machines(cluster)], least=0))
    if cluster.database is not None:
        database = [*_database(cluster.database)]
        row.append(_graph(f"{title}: metadata database", cluster.region, database, least=0))
    return row


def _targets(service: str, group: GroupMetrics) -> Iterator[list[Any]]:
    for metric, statistic, state in (
        ("HealthyHostCount", "Minimum", "healthy"),
        ("UnHealthyHostCount", "Maximum", "unhealthy"),
    ):
        yield _metric(
            group.namespace,
            metric,
            group.dimensions,
            label=f"{service} {state}",
            stat=statistic,
        )


def _connections(load_balancer: str) -> Iterator[list[Any]]:
    for metric, statistic, label in (
        ("ActiveFlowCount", "Average", "open"),
        ("NewFlowCount", "Sum", "new in a minute"),
        ("UnhealthyRoutingFlowCount", "Sum", "to unhealthy targets"),
        ("PortAllocationErrorCount", "Sum", "without a port"),
    ):
        yield _metric(
            "AWS/NetworkELB", metric, {"LoadBalancer": load_balancer}, label=label, stat=statistic
        )


def _machines(cluster: ClusterMetrics) -> Iterator[list[Any]]:
    for node, instance in cluster.instances.items():
        dimensions = {"InstanceId": instance}
        yield _metric("AWS/EC2", "CPUUtilization", dimensions, label=f"{node} CPU %")
    if cluster.fleet is not None:
        dimensions = {"AutoScalingGroupName": cluster.fleet}
        yield _metric("AWS/EC2", "CPUUtilization", dimensions, label="HAProxy CPU %")
    for node, instance in cluster.instances.items():
        yield _metric(
            "AWS/EC2",
            "StatusCheckFailed",
            {"InstanceId": instance},
            label=f"{node} failed checks",
            stat="Maximum",
            yAxis="right",
        )


def _database(identifier: str) -> Iterator[list[Any]]:
    for metric, label, axis in (
        ("CPUUtilization", "CPU %", "left"),
        ("DatabaseConnections", "connections", "left"),
        ("FreeStorageSpace", "free bytes", "right"),
    ):
        dimensions = {"DBInstanceIdentifier": identifier}
        yield _metric("AWS/RDS", metric, dimensions, label=label, yAxis=axis)


def _metric(namespace: str, name: str, dimensions: Mapping[str, str], **options: str) -> list[Any]:
    return [namespace, name, *(part for item in dimensions.items() for part in item), options]


def _graph(
    title: str,
    region: str,
    metrics: Sequence[list[Any]],
    *,
    statistic: str = "Average",
    least: int | None = None,
    bounds: tuple[int, int] | None = None,
) -> Widget:
    left = {"min": least} if least is not None else {}
    if bounds is not None:
        left = {"min": bounds[0], "max": bounds[1]}
    properties = {
        "title": title,
        "region": region,
        "view": "timeSeries",
        "period": _PERIOD_S,
        "stat": statistic,
        "metrics": [*metrics],
        "yAxis": {"left": left},
    }
    return {"type": "metric", "height": _HEIGHT, "properties": properties}


def _alarms(title: str, arns: Sequence[str]) -> Widget:
    return {
        "type": "alarm",
        "height": _HEIGHT,
        "properties": {"title": title, "alarms": [*arns]},
    }


def _text(markdown: str, height: int) -> Widget:
    return {"type": "text", "height": height, "properties": {"markdown": markdown}}
