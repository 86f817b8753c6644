"""Three examples rehearsed: the first failure of each kind is as the drill says.

The rehearsals run at the same time, each on a local AWS of its own, since a rehearsal mostly waits.
The kinds of failures are divided among the examples, so that no rehearsal takes much longer than
the others.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pytest

from denodo_ha.environment.derived.failure_kinds import FAILURE_KINDS
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.environment import Environment
from tests.support import local_aws_server
from tests.support.assembly import ROOT, synthesise
from tests.support.stack_updates import bootstrap_through_api
from tools.local_aws import bootstrap, deployment
from tools.local_aws.bootstrap import Location
from tools.local_aws.cdk import TIMEOUT_S, Cdk
from tools.local_aws.paths import Paths
from tools.local_aws.rehearsal.comparison import Seen
from tools.local_aws.rehearsal.rehearsal import Play, rehearse
from tools.local_aws.rehearsal.scenario_choice import Options

PACE = 20
KINDS: Mapping[str, tuple[str, ...]] = {
    "active-passive": (
        "auxiliary-down",
        "balancer-lost",
        "region-lost",
        "missing-data",
        "switch-thrown",
        "nodes-lost",
        "node-and-zone-lost",
        "region-and-node-lost",
    ),
    "standalone-failover": (
        "node-lost",
        "no-capacity",
        "check-unhealthy",
        "zone-lost",
        "nodes-not-ready",
    ),
    "web-cookies": (
        "node-lost",
        "node-not-ready",
        "node-drained",
        "node-replaced",
        "service-down",
        "proxy-lost",
    ),
}
"""The kinds of failures that are rehearsed, by example."""
_NOT_REHEARSED = {"nothing", "database-failed", "license-manager-lost", "zone-shifted"}
"""Kinds that are not rehearsed: no failure, failures that `test_light_node` tests in less time, and
failures that none of these examples can have.
"""

Plays = dict[str, list[Play]]
_SYNTHESIS = Lock()


class CdkWithOwnSynth(Cdk):
    """The CDK CLI, except for `synth`, which runs in this process.

    In the CLI, `synth` would take half of the time of a deploy.
    """

    def run(self, *arguments: str, timeout: float = TIMEOUT_S) -> None:
        """Run the CLI, or synthesise."""
        if arguments[0] != "synth":
            super().run(*arguments, timeout=timeout)
            return
        out, config = arguments[arguments.index("--output") + 1], arguments[-1]
        file = ROOT / "config/examples" / f"{config.removeprefix('config=')}.yaml"
        with _SYNTHESIS:
            synthesise(load(file), Path(out))


def bootstrap_without_cli(
    endpoint: str, _paths: Paths, _environment: Environment, missing: list[Location]
) -> None:
    bootstrap_through_api(endpoint, missing)


@pytest.fixture(scope="module")
def plays() -> Iterator[Plays]:
    """Rehearse the examples, each in a thread."""
    local_aws_server.set_up()

    def rehearsed(config: str) -> list[Play]:
        progress: list[str] = []
        options = Options(pace=PACE, kinds=KINDS[config], first_only=True)
        return rehearse(config, options, progress.append)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor() as pool:
        patch.setattr(deployment, "Cdk", CdkWithOwnSynth)
        patch.setattr(bootstrap, "bootstrap", bootstrap_without_cli)
        yield dict(zip(KINDS, pool.map(rehearsed, KINDS), strict=True))


def test_each_kind_of_failure_is_rehearsed() -> None:
    rehearsed = {kind for kinds in KINDS.values() for kind in kinds}
    assert rehearsed | _NOT_REHEARSED == set(FAILURE_KINDS)


@pytest.mark.long
@pytest.mark.parametrize("config", KINDS)
def test_clients_see_what_the_drill_says(plays: Plays, config: str) -> None:
    played = plays[config]
    assert [play.disagreements for play in played] == [()] * len(played)
    assert [play.reason for play in played] == [""] * len(played)
    assert {play.outcome.failure.kind for play in played} == {*KINDS[config]}
    assert all(play.seen is not None and play.seen.connections for play in played)


def seen(plays: Plays, config: str) -> dict[str, Seen]:
    """Return clients' observations by kind of failure; for a lost node, those of its suspension."""
    return {play.outcome.failure.kind: play.seen for play in plays[config] if play.seen}


@pytest.mark.long
def test_the_site_moves_with_its_last_node(plays: Plays) -> None:
    of = seen(plays, "active-passive")
    sides = {kind: list(item.sides.values()) for kind, item in of.items()}
    stayed = ("auxiliary-down", "missing-data")
    assert {kind for kind, side in sides.items() if side == ["active"]} == {*stayed}
    assert all(sides[kind] == ["passive"] for kind in sides.keys() - {*stayed})
    assert of["nodes-lost"].lost == of["nodes-lost"].sessions > 0


@pytest.mark.long
def test_no_client_notices_a_drain(plays: Plays) -> None:
    drained = seen(plays, "web-cookies")["node-drained"]
    assert (drained.failed, drained.lost) == (0, 0)
