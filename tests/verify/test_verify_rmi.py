"""Verification of real Java RMI servers with a fixed second port, behind a real balancer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.findings import StepState
from tests.support.servers.certificates import authority
from tests.support.servers.haproxy import haproxy
from tests.support.servers.java_rmi import JavaNode
from tests.support.suspended import suspended
from tests.verify.conftest import Nodes
from tests.verify.sites import BALANCER, LONG_S, NODES, SHORT_S, Found, at, one_cluster, verify

NODE1, NODE2 = "auxiliary node1", "auxiliary node2"


def configured(folder: Path, nodes: Nodes, changes: Mapping[str, Any] | None = None) -> Environment:
    first, second = nodes.right
    return one_cluster(
        folder,
        "7.0",
        {
            "services/jdbc": nodes.registry,
            "clusters/main/nodes/node1/auxiliary_port": first.second,
            "clusters/main/nodes/node2/auxiliary_port": second.second,
            **(changes or {}),
        },
    )


def balanced(
    folder: Path, nodes: Nodes, first: JavaNode, second: JavaNode, **options: Any
) -> Found:
    """Verify two nodes behind a load balancer that listens on the auxiliary ports of both nodes."""
    ports = [node.second for node in nodes.right]
    backends = {
        (BALANCER, nodes.registry): [(one.host, nodes.registry) for one in (first, second)],
        (BALANCER, ports[0]): [(first.host, first.second)],
        (BALANCER, ports[1]): [(second.host, ports[1])],
    }
    with haproxy(folder, backends):
        return verify(at(configured(folder, nodes), BALANCER), **options)


def test_right(nodes: Nodes, tmp_path: Path) -> None:
    found = balanced(tmp_path, nodes, *nodes.right, connections=20)
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert found.step("jdbc", "registry lists").seen == "jmxrmi"
    assert found.step("jdbc", "20 connections").seen.startswith("node1 10, node2 10")
    first = nodes.right[0]
    assert (
        found.step("jdbc", f"continue at {BALANCER}:{first.second}").seen
        == "the same server answers"
    )
    assert found.logs[NODE1].state is found.logs[NODE2].state is StepState.OK


def test_each_hop_is_named(nodes: Nodes, tmp_path: Path) -> None:
    found = balanced(tmp_path, nodes, *nodes.right)
    named = {f"{BALANCER}:{node.second}, main/{name}" for name, node in _named(nodes)}
    assert found.step("jdbc", "lookup jmxrmi").seen.removeprefix("clients continue at ") in named


def _named(nodes: Nodes) -> list[tuple[str, JavaNode]]:
    return list(zip(("node1", "node2"), nodes.right, strict=True))


def scheduled(folder: Path, nodes: Nodes, **options: Any) -> Found:
    """Verify two Schedulers behind a load balancer that listens on their auxiliary ports."""
    first, second = nodes.right
    changes: dict[str, Any] = {
        "services": {"jobs": {"port": nodes.registry, "node_port": 8000}},
        "denodo/servers": ["scheduler"],
        "clusters/main/catalog": {"components": ["scheduler"]},
        "clusters/main/nodes/node1/scheduler_auxiliary_port": first.second,
        "clusters/main/nodes/node2/scheduler_auxiliary_port": second.second,
    }
    ports = [(first.second, first), (second.second, second)]
    if options.pop("swapped", False):
        ports = [(first.second, second), (second.second, first)]
    backends = {
        (BALANCER, nodes.registry): [(one.host, nodes.registry) for one in (first, second)],
        **{(BALANCER, port): [(node.host, node.second)] for port, node in ports},
    }
    with haproxy(folder, backends):
        return verify(at(one_cluster(folder, "8.0", changes), BALANCER), **options)


def test_schedulers_behind_the_balancer(nodes: Nodes, tmp_path: Path) -> None:
    found = scheduled(tmp_path, nodes, connections=20)
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert found.step("jobs", "20 connections").seen.startswith("node1 10, node2 10")
    assert found.logs["auxiliary node1 (jobs)"].state is StepState.OK
    assert set(scheduled(tmp_path, nodes, services=("jobs",)).logs) == {
        "names",
        "jobs",
        "auxiliary node1 (jobs)",
        "auxiliary node2 (jobs)",
    }


def test_swapped_auxiliary_ports_of_schedulers(nodes: Nodes, tmp_path: Path) -> None:
    found = scheduled(tmp_path, nodes, swapped=True)
    assert ("jobs", "auxiliary-other-node") in found.codes()


def test_shared_auxiliary_port(nodes: Nodes, tmp_path: Path) -> None:
    found = balanced(tmp_path, nodes, nodes.right[0], nodes.same_port, connections=4)
    codes = found.codes()
    assert {("jdbc", "auxiliary-shared"), ("jdbc", "auxiliary-other-node")} <= codes
    # The load balancer accepts connections on the port of node2, but node2 does not listen on it.
    assert (NODE2, "closed") in codes


def test_swapped_auxiliary_ports(nodes: Nodes, tmp_path: Path) -> None:
    first, second = nodes.right
    backends = {
        (BALANCER, nodes.registry): [(node.host, nodes.registry) for node in nodes.right],
        (BALANCER, first.second): [(second.host, second.second)],
        (BALANCER, second.second): [(first.host, first.second)],
    }
    with haproxy(tmp_path, backends):
        found = verify(at(configured(tmp_path, nodes), BALANCER))
    assert found.codes() == {("jdbc", "auxiliary-other-node")}


def test_wrong_rmi_host(nodes: Nodes, tmp_path: Path) -> None:
    wrong = nodes.wrong_host
    site = at(configured(tmp_path, nodes), wrong.host, balancers={"main": BALANCER})
    found = verify(site)
    assert {("jdbc", "rmi-host"), ("jdbc", "auxiliary-unreachable")} <= found.codes()


def test_rmi_host_that_nobody_can_judge(nodes: Nodes, tmp_path: Path) -> None:
    """Without the load balancer's name, the RMI host cannot be checked."""
    found = verify(at(configured(tmp_path, nodes), nodes.right[0].host))
    assert ("jdbc", "rmi-host-unsure") in found.codes(StepState.NOTE)
    assert found.step("jdbc", "lookup").state is StepState.NOTE


def test_unknown_auxiliary_port(nodes: Nodes, tmp_path: Path) -> None:
    changes = {"clusters/main/nodes/node1/auxiliary_port": 19997}
    site = at(configured(tmp_path, nodes, changes), NODES[0], balancers={"main": BALANCER})
    found = verify(site, services=("jdbc",))
    assert ("jdbc", "auxiliary-unknown") in found.codes()


def test_node_itself(nodes: Nodes, tmp_path: Path) -> None:
    """For the node itself, the second connection uses the node, not the stub's RMI host."""
    site = at(configured(tmp_path, nodes), NODES[0], node="node1", balancers={"main": BALANCER})
    found = verify(site)
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert set(found.logs) == {"names", "jdbc", NODE1}
    assert found.step("jdbc", f"continue at {NODES[0]}:").seen == "the same server answers"


def test_auxiliary_port_closed_at_the_balancer(nodes: Nodes, tmp_path: Path) -> None:
    backends = {(BALANCER, nodes.registry): [(nodes.right[0].host, nodes.registry)]}
    with haproxy(tmp_path, backends):
        found = verify(at(configured(tmp_path, nodes), BALANCER))
    assert found.codes() == {
        ("jdbc", "auxiliary-unreachable"),
        (NODE1, "refused"),
        (NODE2, "refused"),
    }


def test_one_node_gets_nothing(nodes: Nodes, tmp_path: Path) -> None:
    first, second = nodes.right
    backends = {
        (BALANCER, nodes.registry): [(first.host, nodes.registry)],
        (BALANCER, first.second): [(first.host, first.second)],
        (BALANCER, second.second): [(second.host, second.second)],
    }
    with haproxy(tmp_path, backends):
        few = verify(at(configured(tmp_path, nodes), BALANCER), connections=3)
        many = verify(at(configured(tmp_path, nodes), BALANCER), connections=30)
    assert few.codes(StepState.WRONG, StepState.NOTE) == {("jdbc", "spread-few")}
    assert many.codes() == {("jdbc", "spread-missing")}
    assert "node1 30, node2 0" in many.step("jdbc", "30 connections").seen


def test_hung_node(nodes: Nodes, tmp_path: Path) -> None:
    first = nodes.right[0]
    site = at(configured(tmp_path, nodes), first.host, node="node1")
    with suspended(first.pid):
        found = verify(site, timeout=SHORT_S)
    assert found.codes() == {("jdbc", "silent"), (NODE1, "silent")}


def test_object_port_is_no_registry(nodes: Nodes, tmp_path: Path) -> None:
    first = nodes.right[0]
    environment = one_cluster(tmp_path, "7.0", {"services/jdbc": first.second})
    found = verify(at(environment, first.host), services=("jdbc",))
    assert ("jdbc", "not-registry") in found.codes()


def test_scheduler(nodes: Nodes, tmp_path: Path) -> None:
    """The RMI stub names a port without a listener on the load balancer, which is only a note."""
    first = nodes.right[0]
    environment = one_cluster(tmp_path, "8.0", {"services": {"scheduler": first.registry}})
    found = verify(at(environment, first.host), connections=2)
    assert found.codes(StepState.WRONG) == set()
    assert found.codes(StepState.NOTE) >= {("scheduler", "names-other-port")}


def test_web_port_is_no_rmi(nodes: Nodes, tmp_path: Path) -> None:
    first = nodes.right[0]
    environment = one_cluster(tmp_path, "7.0", {"services/jdbc": first.web})
    found = verify(at(environment, first.host), services=("jdbc",), timeout=SHORT_S)
    assert [code for subject, code in found.codes() if subject == "jdbc"] in (
        ["not-rmi"],
        ["silent"],
        ["closed"],
    )


@pytest.mark.parametrize("version", ["8.0", "9.0"])
def test_later_versions_only_connect(nodes: Nodes, tmp_path: Path, version: str) -> None:
    environment = one_cluster(tmp_path, version, {"services/jdbc": nodes.registry})
    found = verify(at(environment, nodes.right[0].host), connections=2)
    assert found.codes(StepState.WRONG) == set()
    assert [step.name for step in found.logs["jdbc"].steps][1:] == [
        "stays open",
        "2 connections",
    ]


def test_tls_on_both_ports(nodes: Nodes, tmp_path: Path) -> None:
    """`--tls` sets TLS for the registry; for the second port, the stub's socket factory decides."""
    node = nodes.encrypted
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority().certificate)
    site = at(configured(tmp_path, nodes), node.host, node="node1", balancers={"main": node.host})
    found = verify(site, services=("jdbc",), tls=("jdbc",), ca_bundle=str(bundle), connections=2)
    assert {
        code for subject, code in found.codes(StepState.WRONG, StepState.NOTE) if subject == "jdbc"
    } == set()
    assert (
        found.step("jdbc", f"continue at {node.host}:{node.second}").seen
        == "the same server answers"
    )


def test_tls_that_nobody_said(nodes: Nodes, tmp_path: Path) -> None:
    site = at(configured(tmp_path, nodes), nodes.encrypted.host)
    found = verify(site, services=("jdbc",), timeout=LONG_S)
    assert {code for subject, code in found.codes() if subject == "jdbc"} <= {
        "speaks-tls",
        "closed",
    }
    assert found.logs["jdbc"].state is StepState.WRONG
