"""A rehearsal: deploys an example to a local AWS of its own, and plays the drill's scenarios on it.

The drill works out what a failure does, from AWS's documents; the local AWS does it, after another
reading of the same documents. A rehearsal shows that the two readings agree, not that AWS does.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.drill.drill_run import DrillResult, drill_paths
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.scenarios import scenarios
from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.model.environment import Environment
from tools.local_aws import bootstrap, control, deployment, server_process
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths
from tools.local_aws.rehearsal.client_paths import ClientPaths
from tools.local_aws.rehearsal.comparison import Seen, disagreements, missing_alarms
from tools.local_aws.rehearsal.deployed_resources import DeployedResources
from tools.local_aws.rehearsal.light_nodes import LightNodes, settings_of
from tools.local_aws.rehearsal.living_system import LivingSystem
from tools.local_aws.rehearsal.observation import Observation
from tools.local_aws.rehearsal.scenario_actions import Action, NotPlayableError, actions

Say = Callable[[str], None]
Prepare = Callable[[str, Paths], None]
"""Function that changes what is deployed, given the endpoint and paths of its local AWS."""

PACE = 10.0
"""Project default: AWS seconds per real second."""
_DEPLOY_PACE = 200.0
"""Project default: during the deploy, when nothing is measured."""
_LIVING = {"names": True, "metrics": True, "balancers": True}
_SUSPENDED = "node-lost"
"""The kind of failure that is played a second time with a suspended machine."""


@dataclass(frozen=True)
class Play:
    """One scenario of the drill, as it was played.

    Attributes:
        outcome: what the drill says.
        actions: what was done.
        seen: what was seen; None if the scenario was not played.
        reason: why the scenario was not played, or why it could not be finished.
        disagreements: the differences between the two; empty if they agree.
    """

    outcome: Outcome
    actions: tuple[Action, ...] = ()
    seen: Seen | None = None
    reason: str = ""
    disagreements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """Options of a rehearsal.

    Attributes:
        pace: AWS seconds per real second.
        kinds: the kinds of failures to play; empty for all.
        failures: the failures to play, each once; empty for all.
        first_only: play only the first scenario of each kind.
        with_alarms: let each failure last until its alarms should have arrived.
    """

    pace: float = PACE
    kinds: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    first_only: bool = False
    with_alarms: bool = False


def rehearse(config: str, options: Options, say: Say, prepare: Prepare | None = None) -> list[Play]:
    """Rehearse a configuration; return what was played.

    Args:
        config: path or name of the configuration.
        options: what to play, and how.
        say: reports the progress.
        prepare: changes the deployed stacks and the templates of the assembly alike.

    Raises:
        LocalAwsError: the environment cannot be deployed, or does not become well.
        ConfigError: the configuration is invalid.
    """
    return next(rehearse_variants(config, [(prepare, options)], say))


def rehearse_variants(
    config: str, variants: Iterable[tuple[Prepare | None, Options]], say: Say
) -> Iterator[list[Play]]:
    """Deploy a configuration once, and rehearse it after each of several changes.

    Args:
        config: path or name of the configuration.
        variants: the changes, as in `rehearse`, and what to play after each.
        say: reports the progress.

    Raises:
        LocalAwsError: the environment cannot be deployed, or does not become well.
        ConfigError: the configuration is invalid.
    """
    loaded = load(configuration_file.find_configuration(config, ROOT))
    if has_haproxy(loaded.environment):
        message = f"{config} has HAProxy instances, which do not run in a rehearsal"
        raise LocalAwsError(message)
    with deployed(loaded, config, say) as (endpoint, paths):
        for prepare, options in variants:
            if prepare is not None:
                control.call(endpoint, "pace", {"pace": _DEPLOY_PACE}, method="PUT")
                prepare(endpoint, paths)
            nodes = LightNodes(paths.folder / "nodes", options.pace)
            try:
                yield list(_play_all(_Deployed(endpoint, paths, loaded), nodes, options, say))
            finally:
                nodes.stop()


def has_haproxy(environment: Environment) -> bool:
    """Return whether clients reach nodes of an environment through HAProxy instances."""
    return any(cluster.balancer.kind == "haproxy" for cluster in environment.clusters.values())


@dataclass(frozen=True)
class _Deployed:
    """A deployed environment: endpoint and paths of its local AWS, and its configuration."""

    endpoint: str
    paths: Paths
    loaded: Loaded


@contextmanager
def deployed(
    loaded: Loaded,
    config: str,
    say: Say,
    *,
    living: Mapping[str, bool] = _LIVING,
    pace: float = _DEPLOY_PACE,
) -> Iterator[tuple[str, Paths]]:
    """Deploy to a server of its own, which ends with the block or with this process.

    Args:
        loaded: the configuration.
        config: path or name of the configuration.
        say: reports the progress.
        living: parts of the local AWS that run.
        pace: AWS seconds per real second.
    """
    folder = Path(tempfile.mkdtemp(prefix="denodo-ha-rehearsal-"))
    paths = Paths(folder=folder / "local")
    try:
        server = server_process.start(paths, say, parent=os.getpid())
        control.call(server.endpoint, "pace", {"pace": pace}, method="PUT")
        control.call(server.endpoint, "living", living, method="PUT")
        deployment.deploy(server, loaded, config, paths, say)
        yield server.endpoint, paths
    finally:
        server_process.stop(paths)
        shutil.rmtree(folder, ignore_errors=True)


def _play_all(deployed: _Deployed, nodes: LightNodes, options: Options, say: Say) -> Iterator[Play]:
    endpoint, environment = deployed.endpoint, deployed.loaded.environment
    result = drill_paths([deployed.paths.assemblies / environment.name])
    model = result.model
    resources = DeployedResources(endpoint, bootstrap.locations(environment))
    control.call(endpoint, "pace", {"pace": options.pace}, method="PUT")
    client_paths = ClientPaths(endpoint, environment, model, resources)
    for cluster in model.clusters.values():
        for key in cluster.nodes:
            address = client_paths.address_of(key)
            nodes.start(settings_of(model, environment, key), address)
            instance = resources.of(key).id
            control.call(endpoint, f"stand-ins/{instance}", {"address": address}, method="PUT")
    observation = Observation(
        client_paths,
        LivingSystem(endpoint, model, resources, nodes),
        deployed.paths.notifications,
        options.pace,
        {change.name: change.after for change in result.without_failure.dns_changes},
        options.with_alarms,
    )
    chosen = list(_chosen(result, options))
    for number, (outcome, situation, suspend) in enumerate(chosen, 1):
        play = _play(observation, result, outcome, situation, suspend=suspend)
        verdict = "; ".join(play.disagreements) or play.reason or "agrees"
        say(f"{number} of {len(chosen)}: {outcome.failure}{' (SIGSTOP)' * suspend}: {verdict}")
        yield play


def _chosen(result: DrillResult, options: Options) -> Iterator[tuple[Outcome, Situation, bool]]:
    """Yield the outcome and situation of each scenario to play, and whether to suspend machines."""
    seen: set[str] = set()
    pairs = zip(result.outcomes, scenarios(result.model), strict=True)
    for outcome, (failure, situation) in pairs:
        kind = failure.kind
        if kind == "nothing" or (options.kinds and kind not in options.kinds):
            continue
        if options.failures and failure not in options.failures:
            continue
        is_first = kind not in seen
        seen.add(kind)
        if options.first_only and not is_first:
            continue
        yield outcome, situation, False
        if kind != _SUSPENDED or not is_first or options.failures:
            continue
        if _shows_hanging(result.model, failure):
            yield outcome, situation, True


def _shows_hanging(model: Model, failure: Failure) -> bool:
    """Return whether a suspended machine fails its checks as a lost one does.

    The system of a suspended machine accepts connections, so that checks which only connect pass.
    """
    cluster = model.clusters[failure.cluster]
    services = [
        group
        for key in cluster.balancers
        for group in (model.target_groups[of] for of in model.balancers[key].target_groups)
        if group.auxiliary_node is None
    ]
    return bool(services) and all(group.health_check.is_http for group in services)


def _play(
    observation: Observation,
    result: DrillResult,
    outcome: Outcome,
    situation: Situation,
    *,
    suspend: bool,
) -> Play:
    try:
        done = tuple(actions(result.model, situation, suspend=suspend))
    except NotPlayableError as error:
        return Play(outcome, reason=str(error))
    try:
        seen = observation.play(outcome, done)
    except LocalAwsError as error:
        return Play(outcome, done, disagreements=(str(error),))
    differences = [*disagreements(outcome, seen, observation.pace)]
    missing = missing_alarms(outcome, seen, observation.pace)
    if observation.waits_for_alarms and missing:
        differences.append(f"alarms that did not arrive: {', '.join(missing)}")
    return Play(outcome, done, seen, disagreements=tuple(differences))


def failed(plays: Sequence[Play]) -> bool:
    """Return whether the rehearsal and the drill disagree on a scenario."""
    return any(play.disagreements for play in plays)
