"""`denodo-ha roll` end to end: real cdk, real programs on three nodes, health from real answers."""

import time
from collections.abc import Iterator

import pytest

from ops import places
from ops.aws import Aws
from ops.clock import RealClock
from ops.errors import Failed
from ops.progress import Progress
from ops.rolling import Rolling
from tests import local_server
from tests.e2e.deployment import Change, Data, Deployment
from tests.e2e.nodes import Machine
from tests.node.home import Home

CLUSTER = "main"


class Hurry(RealClock):
    """A time that passes as fast as the local AWS's."""

    def sleep(self, seconds: float) -> None:
        time.sleep(max(seconds / local_server.PACE, 0.1))


def heap(gib: int) -> Change:
    def change(data: Data) -> None:
        data["denodo"]["jvm"] = {"vdp": f"-Xmx{gib}g"}

    return change


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment.of_example("active-active", tmp_path_factory.mktemp("rolled"))
    made.prepare()
    made.deploy()
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def machines(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Machine]]:
    found: dict[str, Machine] = {}
    try:
        for name, node in deployment.topology().clusters[CLUSTER].nodes.items():
            home = Home(tmp_path_factory.mktemp(name), "8.0")
            found[name] = Machine(
                home,
                deployment.access,
                instance_id=node.instance_id,
                parameter=f"/denodo/denodo80/{CLUSTER}/{name}",
            )
            found[name].begin()
        yield found
    finally:
        for machine in found.values():
            machine.end()


@pytest.fixture
def rolling(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Rolling:
    for key, value in deployment.access.settings(local_server.place()).items():
        monkeypatch.setenv(key, value)
    aws = Aws()
    site = places.find(aws, config=None, environment="denodo80", regions=[deployment.access.region])
    return Rolling(
        aws, site.environment, site.cluster(CLUSTER), clock=Hurry(), progress=Progress(), timeout=90
    )


def test_a_new_heap_is_rolled(
    deployment: Deployment, machines: dict[str, Machine], rolling: Rolling
) -> None:
    assert rolling.roll() == []
    before = {name: machine.instance_id for name, machine in machines.items()}
    deployment.change(heap(3))
    deployment.deploy()
    nodes = deployment.topology().clusters[CLUSTER].nodes
    assert {name: node.instance_id for name, node in nodes.items()} == before
    assert not any("-Xmx3g" in machine.jvm for machine in machines.values())
    assert rolling.roll() == ["node1", "node2", "node3"]
    assert all("-Xmx3g" in machine.jvm for machine in machines.values())
    assert all(machine.actions.count("apply") == 1 for machine in machines.values())
    balancer = deployment.topology().clusters[CLUSTER].balancer
    assert balancer is not None
    for listener in balancer.listeners:
        assert [target.state for target in listener.group.targets] == ["healthy"] * 3
    assert rolling.roll() == []


def test_a_node_that_fails_keeps_its_state_and_stops_the_rest(
    deployment: Deployment, machines: dict[str, Machine], rolling: Rolling
) -> None:
    applied = {name: machine.actions.count("apply") for name, machine in machines.items()}
    machines["node2"].home.behave("regenerateFiles.sh", "fail")
    deployment.change(heap(5))
    deployment.deploy()
    with pytest.raises(Failed, match="node2"):
        rolling.roll()
    assert "-Xmx5g" in machines["node1"].jvm
    assert machines["node3"].actions.count("apply") == applied["node3"]
    machines["node2"].home.behave("regenerateFiles.sh")
    assert rolling.roll() == ["node2", "node3"]
    assert all("-Xmx5g" in machine.jvm for machine in machines.values())
