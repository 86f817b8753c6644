"""End-to-end tests of `roll` and `rollout`, with the real CDK CLI and node programs.

The tests depend on each other and run in this order.
"""

import argparse
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import alarm_silence, environment_locator, node_pins
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.environment import names
from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from denodo_ha.environment.loading.loader import load
from denodo_ha.pause.pausing import Pausing
from denodo_ha.rollout import pins_file
from denodo_ha.rollout.machine_rollout import MachineRollout
from denodo_ha.rollout.state_roll import StateRoll
from hosts.denodo.watchdog import pause
from tests.e2e.deployment import Change, Data, Deployment
from tests.e2e.nodes import Machine
from tests.e2e.replacing import ReplacingDirectly
from tests.hosts.denodo.home import Home
from tests.support import local_aws_server
from tests.support.waiting import until

pytestmark = pytest.mark.long

CLUSTER = "main"
STACK = names.cluster_stack("denodo80", CLUSTER)
IMAGE = "ami-0fedcba9876543210"
_PACE = 30.0
_WEEK_S = 604800
_TIMEOUT_S = 600


class Hurry(RealClock):
    """A clock as fast as the local AWS's clock."""

    def sleep(self, seconds: float) -> None:
        # Sleep at least 0.3 s, so that commands do not poll the server without a pause.
        time.sleep(max(seconds / _PACE, 0.3))


def short_drains(data: Data) -> None:
    data["clusters"][CLUSTER]["balancer"]["deregistration_delay"] = 30


def heap(gib: int) -> Change:
    def change(data: Data) -> None:
        data["denodo"]["jvm"] = {"vdp": f"-Xmx{gib}g"}

    return change


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rolled")


@pytest.fixture(scope="module")
def long_silence() -> Iterator[pytest.MonkeyPatch]:
    """Return the patch by which one datapoint silences alarms for long; a test may undo it."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def deployment(folder: Path, long_silence: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Deploy the example, with alarms that one datapoint silences for a week of the local AWS.

    Otherwise, the commands would have to put each datapoint within seconds of the last one, also on
    a busy machine. `tests/commands/pause/test_pause.py` has the period of the datapoints.
    """
    from stacks.alarms import notifying_alarms  # noqa: PLC0415 - importing aws_cdk starts Node.js

    long_silence.setattr(notifying_alarms, "SUPPRESSOR_EXTENSION_S", _WEEK_S)
    with local_aws_server.paced(_PACE):
        made = Deployment.of_example("active-active", folder, short_drains)
        made.prepare()
        made.deploy_through_api()
        yield made


@pytest.fixture(scope="module")
def machines(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Machine]]:
    machines_by_name: dict[str, Machine] = {}
    try:
        for name, node in deployment.topology().clusters[CLUSTER].nodes.items():
            home = Home(tmp_path_factory.mktemp(name), "8.0")
            machines_by_name[name] = Machine(
                home,
                deployment.access,
                instance_id=node.instance_id,
                parameter=f"/denodo/denodo80/{CLUSTER}/{name}",
            )
            machines_by_name[name].begin()
        yield machines_by_name
    finally:
        for machine in machines_by_name.values():
            machine.end()


@pytest.fixture(autouse=True)
def to_the_local_aws(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in deployment.access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)
    # The commands put the suppressor's metric in each period of the local AWS's fast clock.
    monkeypatch.setattr(alarm_silence, "ALARM_PERIOD_S", ALARM_PERIOD_S / _PACE)


@pytest.fixture
def rolling(deployment: Deployment) -> StateRoll:
    aws = Aws()
    site = environment_locator.locate_environment(
        aws, config=None, environment="denodo80", regions=[deployment.access.region]
    )
    location = site.cluster(CLUSTER)
    return StateRoll(
        OperationContext(aws, site.environment, location, Hurry(), Progress(), timeout=_TIMEOUT_S)
    )


def test_a_node_that_fails_keeps_its_state_and_stops_the_rest(
    deployment: Deployment, machines: dict[str, Machine], rolling: StateRoll
) -> None:
    assert rolling.roll() == []
    before = {name: machine.instance_id for name, machine in machines.items()}
    deployment.change(heap(3))
    deployment.update(STACK)
    nodes = deployment.topology().clusters[CLUSTER].nodes
    assert {name: node.instance_id for name, node in nodes.items()} == before
    assert not any("-Xmx3g" in machine.jvm for machine in machines.values())
    machines["node2"].home.behave("regenerateFiles.sh", "fail")
    with pytest.raises(Failed, match="node2"):
        rolling.roll()
    assert "-Xmx3g" in machines["node1"].jvm
    assert machines["node3"].actions.count("apply") == 0


def test_a_new_heap_is_rolled_to_the_end(
    deployment: Deployment, machines: dict[str, Machine], rolling: StateRoll
) -> None:
    machines["node2"].home.behave("regenerateFiles.sh")
    assert rolling.roll() == ["node2", "node3"]
    assert all("-Xmx3g" in machine.jvm for machine in machines.values())
    assert machines["node1"].actions.count("apply") == 1
    assert machines["node3"].actions.count("apply") == 1
    balancer = deployment.topology().clusters[CLUSTER].balancer
    assert balancer is not None
    for listener in balancer.listeners:
        assert [target.state for target in listener.group.targets] == ["healthy"] * 3
    assert rolling.roll() == []


def test_a_new_image_is_rolled_out(
    deployment: Deployment, folder: Path, machines: dict[str, Machine]
) -> None:
    before = {name: machine.instance_id for name, machine in machines.items()}
    aws, file = Aws(), folder / "environment.yaml"
    site = environment_locator.locate_environment(
        aws, config=str(file), environment=None, regions=None
    )
    cluster = site.cluster(CLUSTER)
    pins = {CLUSTER: node_pins.deployed_pins(found.read_cluster(aws, cluster))}
    pins_file.write(file.with_suffix(".pins.yaml"), pins_file.changed("", pins))
    deployment.change(lambda data: data["clusters"][CLUSTER]["instance"].update(image=IMAGE))
    deployment.prepare()
    rolling = MachineRollout(
        OperationContext(aws, site.environment, cluster, Hurry(), Progress(), timeout=_TIMEOUT_S),
        file=file,
        cdk=ReplacingDirectly(deployment=deployment, machines=machines, cluster=CLUSTER),
    )
    for name in ("node1", "node2", "node3"):
        with pytest.raises(Failed, match=f"denodo-ha enable {name} --metadata-ok"):
            rolling.roll_out()
        changed = {
            item for item, machine in machines.items() if machine.instance_id != before[item]
        }
        assert changed == {item for item in before if item <= name}
        assert shared(deployment, name) == set(before) - {name}
        assert machines[name].actions.count("stop") == 1
        machines[name].confirm()
    assert rolling.roll_out() == ["node3"]
    assert shared(deployment, "") == set(before)
    assert load(file).pins.root[CLUSTER]["node3"].image == IMAGE


def _notifications(deployment: Deployment) -> list[str]:
    """Return the messages that the cluster's topics have received."""
    client = deployment.access.client("cloudformation")
    (stack,) = client.describe_stacks(StackName=f"denodo80-{CLUSTER}")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    topics = (outputs[names.URGENT_TOPIC], outputs[names.NOTICE_TOPIC])
    file = local_aws_server.paths().notifications
    text = file.read_text() if file.exists() else ""
    paragraphs = text.split("\n\n")
    return [one for one in paragraphs if one.startswith(tuple(f"topic {arn}" for arn in topics))]


def test_no_alarm_has_notified_of_the_commands(deployment: Deployment) -> None:
    """The tests above have run `roll` and `rollout`, which silence alarms also if they fail."""
    alarms = [one for one in _notifications(deployment) if "-> ALARM" in one]
    assert alarms == []


@contextmanager
def _silencing(machines: Iterable[Machine]) -> Iterator[None]:
    """Until the block ends, silence alarms as the watchdogs of these machines do during a pause."""
    ended = threading.Event()

    def feed() -> None:
        while not ended.wait(ALARM_PERIOD_S / _PACE / 4):
            for machine in machines:
                pause.silence(machine.home.system, argparse.Namespace())

    with ThreadPoolExecutor(1) as pool:
        feeding = pool.submit(feed)
        try:
            yield
        finally:
            ended.set()
        feeding.result()


def test_a_pause_silences_a_lost_node_until_it_ends(
    deployment: Deployment,
    machines: dict[str, Machine],
    rolling: StateRoll,
    long_silence: pytest.MonkeyPatch,
) -> None:
    context = rolling._context  # noqa: SLF001 - the pause is of the cluster that is rolled
    pausing, before = Pausing(context), len(_notifications(deployment))
    cloudwatch = deployment.access.client("cloudwatch")

    def machine_lost() -> tuple[str, str]:
        """Return state and suppressor of the alarm on lost machines; "" if nothing suppresses."""
        described = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        (alarm,) = (one for one in described if "MachineLost" in one["AlarmName"])
        return alarm["StateValue"], alarm.get("ActionsSuppressedBy", "")

    result = pausing.pause(why="new switches", seconds=7200)
    assert (result.silenced, result.failures) == (True, {})
    assert set(result.resting) == {*machines}
    with pytest.raises(Refused, match=r"is paused until .*: new switches; nothing was changed"):
        rolling.roll()
    with _silencing([machines["node1"], machines["node2"]]):
        client = deployment.access.client("ec2")
        client.stop_instances(InstanceIds=[machines["node3"].instance_id])
        until(lambda: machine_lost() == ("ALARM", "Alarm"))
        assert len(_notifications(deployment)) == before
        # The deploy restores the normal time: one datapoint silences for three minutes of the local
        # AWS.
        long_silence.undo()
        deployment.change()
        deployment.update(STACK)
        until(lambda: machine_lost() == ("ALARM", "Alarm"))
        result = pausing.resume()
        assert [*result.failures] == ["node3"], "a node that is stopped cannot answer"
        until(lambda: len(_notifications(deployment)) > before)
    lost = _notifications(deployment)[before:]
    assert any("machine lost" in one for one in lost), lost


def shared(deployment: Deployment, node: str) -> set[str]:
    """Assert that a node is out of the services' target groups; return the nodes in the groups."""
    balancer = deployment.topology().clusters[CLUSTER].balancer
    assert balancer is not None
    (names,) = {
        frozenset(target.node for target in item.group.targets if target.state != "draining")
        for item in balancer.listeners
    }
    assert node not in names
    return set(names)
