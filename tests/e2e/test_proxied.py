"""End-to-end tests of a cluster behind HAProxy, with the real CDK CLI, HAProxy and host programs.

The tests depend on each other and run in this order.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.aws import ssm_command
from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.deployed.rotation import rotation
from denodo_ha.environment import names
from denodo_ha.rollout import replace_command, rollout_command
from hosts.denodo.readiness import readiness_endpoint
from hosts.haproxy import draining as host_draining
from tests.e2e.balancing import Balancing, balancing
from tests.e2e.deployment import Change, Data, Deployment
from tests.e2e.nodes import Machine
from tests.e2e.replacing import Replacing, ReplacingDirectly
from tests.e2e.watching import Watch, roll_until
from tests.hosts.denodo.home import Home
from tests.hosts.haproxy import stand_ins
from tests.hosts.haproxy.ports import NODES
from tests.hosts.haproxy.stand_ins import Ports, Site
from tests.support import local_aws_server
from tests.support.servers.ports import free_port

pytestmark = pytest.mark.long

CLUSTER = "active"
ADDRESSES = ("127.0.0.1", "127.0.0.4")
SERVICES = ("jdbc", "odbc", "web")

Run = Callable[..., Result]

_PACE = 40.0
HURRY = ((ssm_command, "EVERY_S", 0.1), (ssm_command, "HASTE_S", 0.1), (rotation, "EVERY_S", 0.4))
"""Waiting times that the tests shorten. `rotation` waits longer, since each look at a node starts
the node program.
"""


def behind_haproxy(ports: Ports) -> Change:
    """Return a change of an example to one cluster behind HAProxy, with free ports."""

    def change(data: Data) -> None:
        del data["clusters"]["passive"], data["failover"]
        data["services"] = {
            "jdbc": {"port": free_port(), "node_port": ports.jdbc},
            "odbc": {"port": free_port(), "node_port": ports.odbc},
            "web": {"port": free_port(), "node_port": ports.web, "sticky": True},
        }
        cluster = data["clusters"][CLUSTER]
        for name, port in ports.auxiliary.items():
            cluster["nodes"][name]["auxiliary_port"] = port
        details = cluster["balancer"]["haproxy"]
        del details["tls"]
        details.update(
            hosts=dict(NODES), health_port=free_port(), metrics_port=free_port(), maxconn=2000
        )
        # A node that is down refuses connections, so that its check fails at once. With a long
        # timeout, a node that answers late on a busy machine is not down.
        details["checks"] = {"rise": 1, "timeout": 30}

    return change


def heap(gib: int) -> Change:
    def change(data: Data) -> None:
        data["denodo"]["jvm"] = {"vdp": f"-Xmx{gib}g"}

    return change


def idle(seconds: int) -> Change:
    def change(data: Data) -> None:
        data["services"]["odbc"]["idle_timeout"] = seconds

    return change


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    made = stand_ins.site()
    yield made
    made.end()


@pytest.fixture(scope="module")
def deployment(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("proxied")
    with local_aws_server.paced(_PACE):
        made = Deployment.of_example("haproxy", folder, behind_haproxy(site.ports))
        made.prepare()
        made.deploy()
        yield made


@pytest.fixture(scope="module")
def ready_port() -> int:
    """Port of the node program's readiness endpoint, the same on every node."""
    return free_port()


@pytest.fixture(scope="module")
def machines(
    deployment: Deployment, ready_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Machine]]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(readiness_endpoint, "KEPT_SECONDS", 0.2)
        made = {}
        for name, node in deployment.topology().clusters[CLUSTER].nodes.items():
            made[name] = Machine(
                Home(tmp_path_factory.mktemp(name), "7.0"),
                deployment.access,
                instance_id=node.instance_id,
                parameter=f"/denodo/denodo70ha/{CLUSTER}/{name}",
                ready_at=(NODES[name], ready_port),
            )
            stack.callback(made[name].end)
            made[name].begin()
        yield made


@pytest.fixture(scope="module")
def fronts(
    deployment: Deployment, machines: dict[str, Machine], ready_port: int
) -> Iterator[tuple[Balancing, ...]]:
    """Run the stand-ins for the HAProxy instances."""
    assert machines
    instances = sorted(
        item.instance_id for item in deployment.topology().clusters[CLUSTER].proxies.values()
    )
    assert len(instances) == len(ADDRESSES)
    parameter = f"/denodo/denodo70ha/{CLUSTER}/haproxy/state"
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(
                balancing(
                    deployment.loaded.environment,
                    deployment.access,
                    instance_id=instance,
                    settings={"address": address, "ready": ready_port, "parameter": parameter},
                )
            )
            for instance, address in zip(instances, ADDRESSES, strict=True)
        )


@pytest.fixture
def run(
    deployment: Deployment, fronts: tuple[Balancing, ...], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Run a command in this process, as an operator of the deployment."""
    assert fronts
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        monkeypatch.delenv(key)
    for key, value in deployment.access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)
    for module, name, seconds in HURRY:
        monkeypatch.setattr(module, name, seconds)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build_program(COMMANDS), [*arguments, "-c", file(deployment)])

    return run


def file(deployment: Deployment) -> str:
    return str(deployment.out.parent / "environment.yaml")


def status(run: Run) -> tuple[int, dict[str, Any]]:
    done = run("status", "--format", "json")
    ((active,),) = (json.loads(done.stdout)["clusters"],)
    # Stand-in servers run as the tests' user. In CI this is root, and nodes warn about root.
    active["notes"] = [note for note in active["notes"] if "Denodo runs as root" not in note]
    return done.exit_code, active


def jdbc(deployment: Deployment) -> int:
    return deployment.loaded.environment.services["jdbc"].port


def test_status_has_what_each_haproxy_finds(run: Run, fronts: tuple[Balancing, ...]) -> None:
    code, active = status(run)
    assert (code, active["problems"], active["notes"]) == (exit_codes.DONE, [], [])
    assert [item["instance"] for item in active["proxies"]] == [item.instance_id for item in fronts]
    for proxy in active["proxies"]:
        assert {(item["service"], item["node"], item["state"]) for item in proxy["servers"]} == {
            *((service, node, "up") for service in SERVICES for node in NODES),
            *((node, node, "up") for node in NODES),
        }
    assert {node["source"] for node in active["nodes"]} == {"node"}
    quick = json.loads(run("status", "--format", "json", "--no-ask").stdout)["clusters"][0]
    assert (quick["proxies"], quick["problems"]) == ([], [])
    assert {node["source"] for node in quick["nodes"]} == {"nobody"}


def test_a_node_goes_out_of_every_haproxy_and_comes_back(
    run: Run, fronts: tuple[Balancing, ...]
) -> None:
    drained = run("drain", "node1", "--why", "new disk")
    assert drained.exit_code == exit_codes.DONE, drained.output
    assert [item.states("node1") for item in fronts] == [{"maint"}, {"maint"}]
    assert [item.states("node2") for item in fronts] == [{"up"}, {"up"}]
    code, active = status(run)
    assert code == exit_codes.NO
    (problem,) = active["problems"]
    assert problem.startswith("node1 is drained since ")
    assert problem.endswith(": new disk")
    refused = run("drain", "node2")
    assert refused.exit_code == exit_codes.REFUSED
    assert "0 usable nodes would be left for jdbc" in refused.stderr
    assert [item.states("node2") for item in fronts] == [{"up"}, {"up"}]
    back = run("enable", "node1")
    assert back.exit_code == exit_codes.DONE, back.output
    assert back.stdout == "active node1 is healthy on every HAProxy instance\n"
    assert [item.states("node1") for item in fronts] == [{"up"}, {"up"}]
    assert status(run)[1]["problems"] == []


def test_haproxies_that_disagree_are_told(run: Run, fronts: tuple[Balancing, ...]) -> None:
    first, second = fronts
    place = second.proxy.haproxy
    host_draining.drain(place, "node1", lambda _line: None, seconds=None, force=False)
    _, active = status(run)
    (problem,) = active["problems"]
    assert f"node1 is out of jdbc, odbc, web on HAProxy {second.instance_id} without" in problem
    assert first.states("node1") == {"up"}
    assert run("enable", "node1").exit_code == exit_codes.DONE
    assert second.states("node1") == {"up"}


def test_a_haproxy_that_says_nothing_hides_no_other(
    run: Run, fronts: tuple[Balancing, ...]
) -> None:
    first, second = fronts
    second.reachable(agent=False)
    code, active = status(run)
    assert (code, active["problems"]) == (exit_codes.DONE, [])
    (note,) = active["notes"]
    assert note.startswith(f"HAProxy {second.instance_id} could not be queried: ")
    assert len(active["proxies"][0]["servers"]) == len(first.servers) + len(NODES)
    second.reachable(agent=True)
    second.proxy.stop()
    code, active = status(run)
    assert code == exit_codes.NO
    assert any(
        item.startswith(
            f"HAProxy {second.instance_id} did not report its status: no HAProxy answers"
        )
        for item in active["problems"]
    )
    second.restart()
    code, active = status(run)
    assert (code, active["problems"]) == (exit_codes.DONE, [])


def test_clients_are_served_through_each_haproxy(run: Run, fronts: tuple[Balancing, ...]) -> None:
    for item in fronts:
        # `--host` is the HAProxy instance to connect to. `--balancer` is the first instance, to
        # which the nodes redirect clients as if it were the load balancer.
        through = ("--balancer", f"{CLUSTER}={ADDRESSES[0]}", "--host", item.address)
        done = run("verify", "--connections", "12", "--format", "json", *through)
        result = json.loads(done.stdout)
        # The stand-in for the ODBC port is a PostgreSQL server without TLS and password.
        details = {
            step["finding"] for of in result["subjects"] for step in of["steps"] if step["finding"]
        }
        known = {"odbc-open", "odbc-no-tls", "spread-unseen", "spread-few", "manager-unseen"}
        assert details <= known, done.stdout
        spread = [
            step["seen"]
            for of in result["subjects"]
            for step in of["steps"]
            if of["name"].startswith("jdbc") and step["step"] == "12 connections"
        ]
        assert all(node in spread[0] for node in NODES)


def test_a_roll_that_is_killed_goes_on_and_never_has_two_nodes_out(
    deployment: Deployment, run: Run, machines: dict[str, Machine], fronts: tuple[Balancing, ...]
) -> None:
    changed: list[tuple[str, list[set[str]]]] = []
    begun = threading.Event()
    for name, machine in machines.items():

        def told(action: str, name: str = name) -> None:
            if action == "apply":
                changed.append((name, [item.states(name) for item in fronts]))
                begun.set()

        machine.told = told
    deployment.change(heap(3))
    deployment.update(names.cluster_stack("denodo70ha", CLUSTER))
    with Watch(fronts, jdbc(deployment)) as watch:
        roll_until(begun, deployment, file(deployment))
        code, active = status(run)
        assert code == exit_codes.NO
        assert [item.states("node1") for item in fronts] == [{"maint"}, {"maint"}]
        assert any(item.endswith(": denodo-ha roll") for item in active["problems"])
        done = run("roll", "--take-over", "--timeout", "600")
    assert done.exit_code == exit_codes.DONE, done.output
    assert "active: rolled node1, node2" in done.stdout
    # `changed` has a node twice if the killed run had already changed the node.
    assert list(dict.fromkeys(name for name, _ in changed)) == ["node1", "node2"]
    assert all(states == [{"maint"}, {"maint"}] for _, states in changed)
    assert all("-Xmx3g" in machine.jvm for machine in machines.values())
    assert watch.together == {frozenset(), frozenset({"node1"}), frozenset({"node2"})}
    assert watch.refused == []
    assert status(run)[1]["problems"] == []


def test_a_file_is_loaded_on_one_haproxy_after_the_other(
    deployment: Deployment, run: Run, fronts: tuple[Balancing, ...]
) -> None:
    assert run("drain", "node2").exit_code == exit_codes.DONE
    deployment.change(idle(777))
    deployment.deploy()
    assert not any("777s" in item.proxy.haproxy.config.read_text() for item in fronts)
    with Watch(fronts, jdbc(deployment)) as watch:
        done = run("haproxy", "apply")
    assert done.exit_code == exit_codes.DONE, done.output
    assert [item.instance_id in done.stdout for item in fronts] == [True, True]
    assert all("777s" in item.proxy.haproxy.config.read_text() for item in fronts)
    assert watch.refused == []
    # A reload of HAProxy's configuration file keeps drained nodes drained.
    assert [item.states("node2") for item in fronts] == [{"maint"}, {"maint"}]
    assert run("enable", "node2").exit_code == exit_codes.DONE
    again = run("haproxy", "apply")
    assert again.stdout.count("HAProxy already runs the configuration") == len(fronts)


def test_a_replaced_node_stays_out_of_every_haproxy_until_it_is_confirmed(
    deployment: Deployment,
    run: Run,
    machines: dict[str, Machine],
    fronts: tuple[Balancing, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = {name: machine.instance_id for name, machine in machines.items()}
    for machine in machines.values():
        machine.told = lambda _action: None
    assert run("pin").exit_code == exit_codes.DONE
    image = "ami-0fedcba9876543210"
    deployment.change(lambda data: data["clusters"][CLUSTER]["instance"].update(image=image))
    deployment.prepare()
    monkeypatch.setattr(
        rollout_command,
        "Cdk",
        lambda _profile: Replacing(deployment=deployment, machines=machines, cluster=CLUSTER),
    )
    with Watch(fronts, jdbc(deployment)) as watch:
        done = run("rollout", "--timeout", "600")
        assert done.exit_code == exit_codes.FAILED, done.output
        assert "denodo-ha enable node1 --metadata-ok" in done.stderr
    assert watch.together == {frozenset(), frozenset({"node1"})}
    assert watch.refused == []
    assert machines["node1"].instance_id != before["node1"]
    assert machines["node2"].instance_id == before["node2"]
    assert [item.states("node1") for item in fronts] == [{"maint"}, {"maint"}]
    back = run("enable", "node1", "--metadata-ok")
    assert back.exit_code == exit_codes.DONE, back.output
    assert [item.states("node1") for item in fronts] == [{"up"}, {"up"}]


def test_a_lost_node_is_replaced(
    deployment: Deployment,
    run: Run,
    machines: dict[str, Machine],
    fronts: tuple[Balancing, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The node keeps its name, by which HAProxy reaches the new instance."""
    for machine in machines.values():
        machine.told = lambda _action: None
    assert run("pin").exit_code == exit_codes.DONE
    before = {name: machine.instance_id for name, machine in machines.items()}
    deployment.access.client("ec2").terminate_instances(InstanceIds=[before["node2"]])
    monkeypatch.setattr(
        replace_command,
        "Cdk",
        lambda _profile: ReplacingDirectly(
            deployment=deployment, machines=machines, cluster=CLUSTER
        ),
    )
    with Watch(fronts, jdbc(deployment)) as watch:
        done = run("replace", "node2", "--timeout", "600")
        assert done.exit_code == exit_codes.FAILED, done.output
        assert "denodo-ha enable node2 --metadata-ok" in done.stderr
        assert [item.states("node2") for item in fronts] == [{"maint"}, {"maint"}]
        back = run("enable", "node2", "--metadata-ok")
        assert back.exit_code == exit_codes.DONE, back.output
    assert watch.refused == []
    assert watch.together <= {frozenset(), frozenset({"node2"})}
    assert [item.states("node2") for item in fronts] == [{"up"}, {"up"}]
    assert machines["node1"].instance_id == before["node1"]
    assert machines["node2"].instance_id != before["node2"]


def test_without_nodes_it_is_down(run: Run, site: Site, fronts: tuple[Balancing, ...]) -> None:
    site["node1"].kill()
    for one in fronts:
        one.proxy.until(lambda one=one: one.states("node1") == {"down"})  # type: ignore[misc] # mypy infers no type for the default
    code, active = status(run)
    assert code == exit_codes.NO
    details = "jdbc, odbc on every HAProxy: node1 down: L4CON Connection refused"
    assert any(one.startswith(details) for one in active["problems"]), active["problems"]
    site["node2"].kill()
    for one in fronts:
        one.proxy.until(lambda one=one: one.states("node2") == {"down"})  # type: ignore[misc] # mypy infers no type for the default
    code, active = status(run)
    assert (code, active["state"]) == (exit_codes.DOWN, "down")
    assert (
        "jdbc: no HAProxy instance has a node that is up, so its clients are not served"
        in active["problems"]
    )
