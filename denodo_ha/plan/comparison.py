"""The templates of an environment before and after a deploy or destroy, with findings from AWS."""

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from denodo_ha.aws import cloud_assembly, deadline
from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.template_document import Template
from denodo_ha.cli import configuration_choice
from denodo_ha.cli.errors import AwsError, NotFound, UsageError
from denodo_ha.cli.time_limit import ANSWER
from denodo_ha.deployed import environment_locator, stack
from denodo_ha.deployed.cluster import Cluster, cluster_of_stack
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.lost_nodes import LostNode, lost_nodes
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.model.pins import Pins
from denodo_ha.plan import dependent_stacks, failed_creations
from denodo_ha.plan.dependent_stacks import DependentStack
from denodo_ha.plan.failed_creations import FailedCreation

ALL: Final = "*"
"""Value that selects all clusters, in place of a cluster's name, which cannot contain this
character."""


@dataclass(frozen=True)
class Comparison:
    """Templates before and after a deploy, and findings about the deployed stacks.

    Attributes:
        before: deployed templates by stack.
        after: templates after the deploy by stack.
        failed: stacks whose creation failed, with the resources that would make the next deploy
            fail.
        dependent: deployed stacks that need a stack that would be destroyed.
        unknown: the deployed stacks that cannot be read, and why; these stacks are not compared.
        lost: nodes whose instances no longer exist, which no deploy creates again.
        notes: messages about nodes whose replacement is not finished, and about parts that cannot
            be read.
    """

    before: dict[str, Template]
    after: dict[str, Template]
    failed: Sequence[FailedCreation] = ()
    dependent: Sequence[DependentStack] = ()
    unknown: Sequence[str] = ()
    lost: Sequence[LostNode] = ()
    notes: Sequence[str] = ()


def compared(
    folders: tuple[Path | None, Path | None],
    config: str | None,
    destroy: str | None,
    regions: list[str] | None,
    profile: str | None,
) -> Comparison:
    """Return the comparison that the options select."""
    base, new = folders
    if base is not None and new is not None and destroy is None:
        return Comparison(cloud_assembly.read_templates(base), cloud_assembly.read_templates(new))
    if config is not None and destroy is not None and base is None:
        return _destroyed(config, destroy, regions, profile)
    if config is not None and destroy is None:
        return _deployed(config, base, regions, profile)
    if destroy is not None:
        raise UsageError("--destroy CLUSTER and --destroy-all need -c CONFIG, and no folder")
    message = "nothing to compare: give two folders of cdk synth, or -c CONFIG for what is deployed"
    raise UsageError(message)


def _deployed(
    config: str, folder: Path | None, regions: list[str] | None, profile: str | None
) -> Comparison:
    """Compare the environment's deployed stacks with the stacks after a deploy."""
    aws = Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=regions
    )
    locations = _stack_locations(site)
    with deadline.limited(deadline.LOOK_S):
        answers = stack.read_stacks(aws, locations)
    read = dict(zip((location.stack for location in locations), answers, strict=True))
    deployed = {name: item for name, item in read.items() if isinstance(item, stack.Stack)}
    # NotFound is not an error: all resources of a stack that does not exist are new.
    errors = {
        name: item for name, item in read.items() if not isinstance(item, stack.Stack | NotFound)
    }
    if errors and not deployed:
        raise next(iter(errors.values()))
    clusters = [
        cluster_of_stack(location, deployed[location.stack])
        for location in site.reachable
        if location.stack in deployed
    ]
    lost, notes = _lost_nodes(aws, clusters)
    if site.loaded is not None:
        notes += _unfinished_replacements(site.loaded.pins, clusters)
    locations = [location for location in locations if location.stack not in errors]
    if folder is not None:
        after = cloud_assembly.read_templates(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="denodo-ha-") as temporary:
            out = Path(temporary) / "cdk.out"
            Cdk(profile).synth(configuration_choice.configuration_path(config), out)
            after = cloud_assembly.read_templates(out)
    stacks = {location.stack: location for location in locations if location.stack in after}
    existing = {
        name: item for name, item in deployed.items() if not failed_creations.is_failed(item)
    }
    deploy = f"npx cdk deploy -c config={shlex.quote(config)}"
    # The synthesis may have used up the command's time limit, so the reads from AWS get a new one.
    with nullcontext() if folder is not None else ANSWER.stage():
        failed = [
            failed_creations.failed_creation(
                aws, location, deployed.get(name), after[name], deploy=deploy
            )
            for name, location in stacks.items()
            if name not in existing
        ]
    return Comparison(
        before={name: item.template for name, item in existing.items()},
        after={name: after[name] for name in stacks},
        failed=[item for item in failed if item is not None],
        unknown=_unknown_stacks(errors),
        lost=lost,
        notes=notes,
    )


def _lost_nodes(aws: Aws, clusters: Sequence[Cluster]) -> tuple[list[LostNode], list[str]]:
    """Return the lost nodes of clusters, and why instances of some clusters are not known."""

    def read(cluster: Cluster) -> list[LostNode] | str:
        try:
            return lost_nodes(aws, cluster, None)
        except AwsError as error:
            return f"{cluster.name}: the state of the cluster's instances is unknown: {error}"

    with deadline.limited(deadline.LOOK_S):
        answers = map_concurrently(read, clusters)
    return (
        [node for answer in answers if not isinstance(answer, str) for node in answer],
        [answer for answer in answers if isinstance(answer, str)],
    )


def _unfinished_replacements(pins: Pins, clusters: Sequence[Cluster]) -> list[str]:
    return [
        f"{cluster.name}: the replacement of {node.name} is not finished: run "
        f"`{full_command('replace', node.name, cluster=cluster.name)}`"
        for cluster in clusters
        for node in cluster.nodes
        if (pin := pins.of(cluster.name, node.name)) is not None and pin.replacing is not None
    ]


def _destroyed(
    config: str, cluster: str, regions: list[str] | None, profile: str | None
) -> Comparison:
    """Compare the deployed stacks with the state after a destroy of one cluster or of all."""
    aws = Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=regions
    )
    if cluster == ALL:
        return _all_destroyed(aws, site)
    location = site.cluster(cluster)
    location.require_reachable()
    deployed = stack.read_stack(aws, location)
    dependent = [
        *dependent_stacks.dependent_stacks(aws, site, location, config=config),
        *dependent_stacks.protected_stacks([deployed]),
    ]
    before = {location.stack: deployed.template}
    return Comparison(before=before, after={}, dependent=dependent)


def _all_destroyed(aws: Aws, site: EnvironmentLocation) -> Comparison:
    """Compare all deployed stacks of an environment with the state after their destroy."""
    locations = _stack_locations(site)
    with deadline.limited(deadline.LOOK_S):
        answers = stack.read_stacks(aws, locations)
    deployed = [answer for answer in answers if isinstance(answer, stack.Stack)]
    errors = {
        location.stack: answer
        for location, answer in zip(locations, answers, strict=True)
        if not isinstance(answer, stack.Stack | NotFound)
    }
    return Comparison(
        before={item.name: item.template for item in deployed},
        after={},
        dependent=dependent_stacks.protected_stacks(deployed),
        unknown=_unknown_stacks(errors),
    )


def _stack_locations(site: EnvironmentLocation) -> list[StackLocation]:
    """Return the stacks of the clusters and their databases, and the failover stack."""
    databases = [
        replace(location, stack=names.catalog_stack(site.environment, location.name))
        for location in site.reachable
    ]
    locations = [*site.reachable, *databases]
    if site.failover is not None and not site.failover.unreachable:
        locations.append(site.failover)
    return locations


def _unknown_stacks(errors: Mapping[str, object]) -> list[str]:
    return [f"{name} is unknown: {error}" for name, error in sorted(errors.items())]
