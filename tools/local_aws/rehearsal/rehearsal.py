"""A rehearsal: deploys a configuration to a local AWS of its own, and causes the drill's failures.

The drill derives the effects of a failure from AWS's documents. The local AWS causes the effects,
and was written from an independent reading of the same documents. A rehearsal shows that the two
readings agree, but does not show that AWS behaves in the same way.
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
from denodo_ha.drill.outcome import Outcome
from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import Loaded, load
from tools.local_aws import bootstrap, control, deployment, server_process
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths
from tools.local_aws.rehearsal.client_paths import ClientPaths
from tools.local_aws.rehearsal.comparison import Seen, disagreements, missing_alarms
from tools.local_aws.rehearsal.deployed_resources import DeployedResources, DeployedSite
from tools.local_aws.rehearsal.living_system import LivingSystem
from tools.local_aws.rehearsal.observation import Observation
from tools.local_aws.rehearsal.rehearsal_machines import RehearsalMachines
from tools.local_aws.rehearsal.scenario_actions import Action, NotPlayableError, Verb, actions
from tools.local_aws.rehearsal.scenario_choice import (
    Options,
    Variant,
    chosen_scenarios,
    first_node,
)

Say = Callable[[str], None]
Prepare = Callable[[str, Paths], None]
"""Function that changes the deployed stacks; its arguments are the endpoint and paths of the local
AWS."""

_DEPLOY_PACE = 200.0
"""Project default: pace during the deploy, when nothing is measured."""
_LIVING = {"names": True, "metrics": True, "balancers": True}


@dataclass(frozen=True)
class Play:
    """One scenario of the drill, and its result in the rehearsal.

    Attributes:
        outcome: the drill's outcome of the scenario.
        actions: the actions that caused the failure.
        seen: the observations of clients; None if the scenario was not played.
        reason: why the scenario was not played, or why it could not be finished.
        disagreements: the differences between outcome and observations; empty if they agree.
    """

    outcome: Outcome
    actions: tuple[Action, ...] = ()
    seen: Seen | None = None
    reason: str = ""
    disagreements: tuple[str, ...] = ()


def rehearse(config: str, options: Options, say: Say, prepare: Prepare | None = None) -> list[Play]:
    """Rehearse a configuration; return what was played.

    Args:
        config: path or name of the configuration.
        options: what to play, and how.
        say: reports the progress.
        prepare: changes the deployed stacks and the templates of the assembly alike.

    Raises:
        LocalAwsError: the environment cannot be deployed, or does not recover.
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
        LocalAwsError: the environment cannot be deployed, or does not recover.
        ConfigError: the configuration is invalid.
    """
    loaded = load(configuration_file.find_configuration(config, ROOT))
    with deployed(loaded, config, say) as (endpoint, paths):
        for prepare, options in variants:
            if prepare is not None:
                control.call(endpoint, "pace", {"pace": _DEPLOY_PACE}, method="PUT")
                prepare(endpoint, paths)
            yield list(_play_all(_Deployed(endpoint, paths, loaded), options, say))


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
    """Deploy to a new local AWS; yield its endpoint and its paths.

    The server of the local AWS ends with the block, or with this process.

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


def _play_all(deployed: _Deployed, options: Options, say: Say) -> Iterator[Play]:
    endpoint, environment = deployed.endpoint, deployed.loaded.environment
    result = drill_paths([deployed.paths.assemblies / environment.name])
    resources = DeployedResources(endpoint, bootstrap.locations(environment))
    site = DeployedSite(endpoint, environment, result.model, resources)
    control.call(endpoint, "pace", {"pace": options.pace}, method="PUT")
    machines = RehearsalMachines(site, deployed.paths.folder, options.pace)
    try:
        machines.start()
        observation = Observation(
            ClientPaths(site),
            LivingSystem(site, machines),
            deployed.paths.notifications,
            options.pace,
            {change.name: change.after for change in result.without_failure.dns_changes},
            options.with_alarms,
        )
        chosen = list(chosen_scenarios(result, options))
        for number, (outcome, situation, variant) in enumerate(chosen, 1):
            play = _play(observation, result, outcome, situation, variant)
            verdict = "; ".join(play.disagreements) or play.reason or "agrees"
            say(f"{number} of {len(chosen)}: {outcome.failure}{variant.value}: {verdict}")
            yield play
    finally:
        machines.stop()


def _play(
    observation: Observation,
    result: DrillResult,
    outcome: Outcome,
    situation: Situation,
    variant: Variant,
) -> Play:
    is_suspended = variant is Variant.SUSPENDED
    try:
        done = tuple(actions(result.model, situation, suspend=is_suspended))
        if variant is Variant.REBOOTED:
            node = first_node(result.model, outcome.failure)
            done += (Action(Verb.REBOOT, node.key, node.cluster),)
    except NotPlayableError as error:
        return Play(outcome, reason=str(error))
    try:
        seen = observation.play(outcome, done)
    except LocalAwsError as error:
        return Play(outcome, done, disagreements=(str(error),))
    differences = [*disagreements(outcome, seen, observation.pace)]
    missing = missing_alarms(outcome, seen, observation.pace)
    if observation.waits_for_alarms and missing:
        differences.append(f"predicted alarms that did not arrive: {', '.join(missing)}")
    return Play(outcome, done, seen, disagreements=tuple(differences))


def failed(plays: Sequence[Play]) -> bool:
    """Return whether the rehearsal and the drill disagree on a scenario."""
    return any(play.disagreements for play in plays)
