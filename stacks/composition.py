"""All stacks of one environment."""

from aws_cdk import Annotations, App, Stack

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.loading.problem import Problem, Severity
from stacks.accepted_findings import acknowledge
from stacks.cluster_stack import ClusterStack
from stacks.failover_stack import FailoverStack
from stacks.metadata_stack import MetadataStack


def compose(
    app: App, *, loaded: Loaded, node_program: str, haproxy_program: str
) -> tuple[Stack, ...]:
    """Make the stacks of an environment: for each cluster and its metadata, and the failover.

    Args:
        app: the app.
        loaded: the configuration.
        node_program: the archive with the nodes' program.
        haproxy_program: the archive with the program of the HAProxy hosts.
    """
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
            stacks[f"{name}{names.CATALOG_STACK_SUFFIX}"] = MetadataStack(
                app,
                names.catalog_stack(environment.name, name),
                environment=environment,
                cluster=cluster,
            )
    if environment.failover is not None:
        stacks["failover"] = FailoverStack(
            app,
            names.failover_stack(environment.name),
            environment=environment,
            failover=environment.failover,
            clusters=clusters,
        )
    for stack in stacks.values():
        acknowledge(stack, environment)
    for problem in loaded.findings:
        _say(_concerned(problem, stacks), problem)
    return tuple(stacks.values())


def _concerned(problem: Problem, stacks: dict[str, Stack]) -> Stack:
    """The stack that a finding is about: its cluster's, the failover's, else the first."""
    match problem.path:
        case ("clusters", str(name), "catalog" | "exports", *_) if (
            f"{name}{names.CATALOG_STACK_SUFFIX}" in stacks
        ):
            return stacks[f"{name}{names.CATALOG_STACK_SUFFIX}"]
        case ("clusters", str(name), *_) if name in stacks:
            return stacks[name]
        case ("failover", *_) if "failover" in stacks:
            return stacks["failover"]
        case _:
            return next(iter(stacks.values()))


def _say(stack: Stack, problem: Problem) -> None:
    """Show a finding as CDK shows its own."""
    annotations, text = Annotations.of(stack), str(problem)
    if problem.severity is Severity.WARNING:
        annotations.add_warning_v2(f"denodo-ha:{problem.rule}", text)
    else:
        annotations.add_info_v2(f"denodo-ha:{problem.rule}", text)
