"""Composition of all stacks of one environment."""

from aws_cdk import Annotations, App, Stack

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.full_command import EnvironmentChoice, chosen
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.loading.problem import Problem, Severity
from stacks.alarms.route53_alarms import Route53AlarmStack
from stacks.cluster_stack import ClusterStack
from stacks.dashboard import DashboardStack
from stacks.export_copy_stack import ExportCopyStack
from stacks.failover_stack import FailoverStack
from stacks.file_asset import LocalFile
from stacks.metadata_stack import MetadataStack


def compose(
    app: App, *, loaded: Loaded, node_program: LocalFile, haproxy_program: LocalFile
) -> tuple[Stack, ...]:
    """Create the stacks of an environment: for clusters, their metadata, and the failover.

    Args:
        app: the CDK app.
        loaded: the validated configuration, its pins and its findings.
        node_program: the archive with the program for nodes.
        haproxy_program: the archive with the program for HAProxy instances.
    """
    environment = loaded.environment
    regions = sorted({cluster.region for cluster in environment.clusters.values()})
    # Operators may read alarms and descriptions where the configuration file is missing, so printed
    # commands use name and region.
    with chosen(EnvironmentChoice(environment=environment.name, regions=regions)):
        stacks = _stacks(app, loaded, node_program, haproxy_program)
    for finding in loaded.findings:
        _annotate(_stack_of(finding, stacks), finding)
    return tuple(stacks.values())


def _stacks(
    app: App, loaded: Loaded, node_program: LocalFile, haproxy_program: LocalFile
) -> dict[str, Stack]:
    environment = loaded.environment
    clusters = {
        name: ClusterStack(
            app,
            names.cluster_stack(environment.name, name),
            environment=environment,
            name=name,
            pins=loaded.pins,
            node_program=node_program,
            haproxy_program=haproxy_program,
        )
        for name in sorted(environment.clusters)
    }
    stacks: dict[str, Stack] = {**clusters}
    for name, cluster in clusters.items():
        if node_metadata.has_stack(cluster.cluster):
            target = node_metadata.export_copy_target(environment, name)
            copies = None
            if target is not None:
                copies = stacks[f"{name}{names.EXPORT_COPY_STACK_SUFFIX}"] = ExportCopyStack(
                    app,
                    names.export_copy_stack(environment.name, name),
                    environment=environment,
                    cluster=name,
                    target=target,
                )
            stacks[f"{name}{names.CATALOG_STACK_SUFFIX}"] = MetadataStack(
                app,
                names.catalog_stack(environment.name, name),
                environment=environment,
                cluster=cluster,
                export_copies=copies,
            )
    failover: FailoverStack | None = None
    if environment.failover is not None:
        failover = stacks[names.FAILOVER] = FailoverStack(
            app,
            names.failover_stack(environment.name),
            environment=environment,
            failover=environment.failover,
            clusters=clusters,
        )
        if environment.alarms.route53:
            stacks[names.ROUTE53] = Route53AlarmStack(
                app,
                names.route53_stack(environment.name),
                environment=environment,
                failover=failover,
            )
    if environment.dashboard:
        stacks[names.DASHBOARD] = DashboardStack(
            app,
            names.dashboard_stack(environment.name),
            environment=environment,
            clusters=clusters,
            failover=failover,
        )
    return stacks


def _stack_of(finding: Problem, stacks: dict[str, Stack]) -> Stack:
    """Return the stack to which a finding belongs; the first stack if there is no such stack."""
    match finding.path:
        case ("clusters", str(name), "catalog" | "exports", *_) if (
            f"{name}{names.CATALOG_STACK_SUFFIX}" in stacks
        ):
            return stacks[f"{name}{names.CATALOG_STACK_SUFFIX}"]
        case ("clusters", str(name), *_) if name in stacks:
            return stacks[name]
        case (names.FAILOVER, *_) if names.FAILOVER in stacks:
            return stacks[names.FAILOVER]
        case _:
            return next(iter(stacks.values()))


def _annotate(stack: Stack, finding: Problem) -> None:
    """Add a finding to the annotations of a stack, which the CDK CLI prints."""
    annotations, text = Annotations.of(stack), str(finding)
    if finding.severity is Severity.WARNING:
        annotations.add_warning_v2(f"denodo-ha:{finding.rule}", text)
    else:
        annotations.add_info_v2(f"denodo-ha:{finding.rule}", text)
