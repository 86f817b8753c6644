"""The node program accepts the desired state of every node of every configuration."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from denodo_ha.environment.derived.node_names import host_name, nodes_with_record
from denodo_ha.environment.derived.node_state import (
    Deployed,
    desired_state,
    max_parameter_bytes,
    node_secrets,
)
from denodo_ha.environment.derived.readiness import reporting_delays
from denodo_ha.environment.facts.limits import PARAMETER_BYTES, SETUP_SHARE_S
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.cluster import Node
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import Pin, configured_machine, pinned_machine
from denodo_ha.environment.names import node_parameter
from hosts.denodo.readiness import ping, readiness_endpoint, service_probe
from hosts.denodo.state import BUSY_SECONDS
from hosts.denodo.state_reader import parse
from tests.environment.rule_cases.denodo import arn
from tests.environment.rule_cases.names import named as with_addresses
from tests.strategies import environments
from tests.support.assembly import EXAMPLES, ROOT
from tests.support.configurations import GONE, Data, changed, loaded, minimal, twins

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "hosts/denodo/state.schema.json").read_text())
)
BALANCER = "balancer-0123456789abcdef.elb.eu-west-1.amazonaws.com"
LONG = Deployed(rmi_host=BALANCER, stack="x" * 41, resource="NodeXInstance", program="s3://b/k.zip")
MANY = settings(
    max_examples=30,
    derandomize=True,
    database=None,
)


def states(environment: Environment) -> dict[tuple[str, str], Any]:
    """Return the desired state of every created node, by cluster and node."""
    states_by_node = {}
    for name, cluster in environment.clusters.items():
        for node_name, node in cluster.nodes.items():
            machine = configured_machine(cluster.instance, node)
            if node.instance_id is None and machine is not None:
                states_by_node[name, node_name] = desired_state(
                    environment, name, node_name, machine=machine, deployed=LONG
                )
    return states_by_node


def state(folder: Path, changes: Data, version: str = "8.0", **deployed: str) -> Any:
    """Return the desired state of `node1` of a small configuration."""
    environment = loaded(folder, changed(minimal(version), changes)).environment
    cluster = environment.clusters["main"]
    machine = configured_machine(cluster.instance, cluster.nodes["node1"])
    assert machine is not None
    known = Deployed(**{**vars(LONG), **deployed})
    return desired_state(environment, "main", "node1", machine=machine, deployed=known)


def assert_taken(environment: Environment) -> None:
    """Check that each desired state matches the schema, is read by programs, fits a parameter."""
    for (cluster, node), data in states(environment).items():
        text = json.dumps(data)
        SCHEMA.validate(json.loads(text))
        read = parse(text)
        assert (read.node, read.version) == (node, environment.denodo.version)
        assert read.host == host_name(environment, cluster, node)
        assert list(read.servers) == [*environment.denodo.servers]
        assert set(read.services) == set(environment.services)
        assert {name: service.port for name, service in read.services.items()} == {
            name: service.target_port for name, service in environment.services.items()
        }
        machine = configured_machine(
            environment.clusters[cluster].instance, environment.clusters[cluster].nodes[node]
        )
        assert machine is not None
        assert (
            len(text)
            <= max_parameter_bytes(environment, cluster, node, machine)
            <= PARAMETER_BYTES.value
        )


def test_a_data_disk_is_in_the_state_only_if_the_node_has_it(tmp_path: Path) -> None:
    """A node that exists has the disks of its pin, until a rollout changes the pin."""
    both = {
        "clusters/main/instance/data_disk_gib": 50,
        "clusters/main/instance/data_disk_path": "/data",
    }
    disk = {"path": "/data", "device": "/dev/sdf"}
    assert state(tmp_path, both)["data_disk"] == disk
    assert "data_disk" not in state(tmp_path, {})
    size = {"clusters/main/instance/data_disk_gib": 50}
    assert "data_disk" not in state(tmp_path, size)
    environment = loaded(tmp_path, changed(minimal(), both)).environment
    machine = configured_machine(environment.clusters["main"].instance, Node(zone="eu-west-1a"))
    assert machine is not None
    for size_gib, expected in ((None, None), (20, disk)):
        pin = Pin(image=machine.image, type=machine.type, disk_gib=100, data_disk_gib=size_gib)
        pinned = pinned_machine(machine, pin)
        made = desired_state(environment, "main", "node1", machine=pinned, deployed=LONG)
        assert made.get("data_disk") == expected


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_nodes_of_the_examples_take_theirs(example: Path) -> None:
    assert_taken(load(example).environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@MANY
@given(data=environments.environments() | environments.environments_of_two_accounts())
def test_nodes_of_every_configuration_take_theirs(folder: Path, data: Data) -> None:
    environment = loaded(folder, data).environment
    if environment.denodo.program:
        assert_taken(environment)


def test_everything_is_named_and_nothing_is_secret(tmp_path: Path) -> None:
    export = {"source": "export", "uri": "s3://bucket/a.vql", "login": arn("login")}
    found = state(
        tmp_path,
        {
            "denodo/home": "/opt/denodo",
            "denodo/user": "vdp",
            "denodo/servers": ["scheduler", "vdp", "data-catalog"],
            "clusters/main/nodes/node2": GONE,
            "denodo/heap_gib": 6,
            "denodo/jvm": {"web": "-Xmx2g"},
            "denodo/tls": {"secret": arn("tls"), "version": "v" * 32},
            "denodo/security_token": {"main": arn("token")},
            "denodo/metadata": export,
            "denodo/signal": "configured",
            "denodo/start_limit": 600,
            "denodo/stop_limit": 60,
            "solution_manager": {"host": "sm.example.com"},
            "license_manager": {"host": "lm.example.com", "tls": True},
            "services": {
                "jdbc": {"port": 9999, "node_port": 19999},
                "web": {"port": 443, "node_port": 9443},
                "mine": 1234,
            },
        },
        rmi_host="",
    )
    assert found == {
        "schema": 1,
        "environment": "test",
        "cluster": "main",
        "node": "node1",
        "denodo": {"version": "8.0", "home": "/opt/denodo", "user": "vdp"},
        "host": "node1.main.test.internal",
        "rmi_host": "node1.main.test.internal",
        "ports": {
            "vdp": 19999,
            "odbc": 9996,
            "shutdown": 9998,
            "auxiliary": None,
            "jmx_registry": 9997,
            "jmx_factory": 9995,
            "web": 9090,
            "web_tls": 9443,
            "scheduler": 8000,
        },
        "solution_manager": {"host": "sm.example.com", "port": 10090},
        "license_manager": {"host": "lm.example.com", "port": 10091, "tls": True},
        "jvm": {"web": "-Xmx2g"},
        "heap_mib": 6144,
        "servers": ["scheduler", "vdp", "data-catalog"],
        "tls": {"certificate": arn("tls"), "version": "v" * 32},
        "security_token": arn("token"),
        "metadata": export,
        "ready": {
            "port": 9191,
            "services": {
                "jdbc": {"kind": "vdp", "port": 19999},
                "mine": {"kind": "tcp", "port": 1234},
                "web": {"kind": "web", "port": 9443, "path": "/", "tls": True},
            },
        },
        "limits": {"start_seconds": 600 - SETUP_SHARE_S, "stop_seconds": 60},
        "signal": {"stack": "x" * 41, "resource": "NodeXInstance", "when": "configured"},
        "program": "s3://b/k.zip",
    }


def test_what_is_left_out_is_the_default_or_the_image_s(tmp_path: Path) -> None:
    found = state(tmp_path, {})
    assert found["denodo"]["home"] == "/opt/denodo/denodo_platform_8_0"
    assert found["denodo"]["user"] == "denodo"
    assert found["servers"] == ["vdp", "data-catalog"]
    assert found["metadata"] == {"source": "manual"}
    for key in ("solution_manager", "license_manager", "tls", "security_token"):
        assert found[key] is None


@pytest.mark.parametrize(
    ("changes", "jvm", "heap"),
    [
        ({}, {}, 8192),
        ({"clusters/main/nodes/node1/instance": {"type": "r5.2xlarge"}}, {}, 32768),
        ({"clusters/main/instance/type": "x2idn.16xlarge"}, {}, None),
        ({"denodo/heap_gib": 3}, {}, 3072),
        ({"denodo/jvm": {"vdp": "-Xmx5g -XX:+UseG1GC"}}, {"vdp": "-Xmx5g -XX:+UseG1GC"}, None),
        ({"denodo/jvm": {"scheduler": "-Xmx1g"}}, {"scheduler": "-Xmx1g"}, 8192),
    ],
)
def test_heap_is_asked_for_or_half_of_the_memory(
    tmp_path: Path, changes: Data, jvm: dict[str, str], heap: int | None
) -> None:
    found = state(tmp_path, changes)
    assert (found["jvm"], found["heap_mib"]) == (jvm, heap)


def test_only_7_0_hands_out_the_balancer_and_an_auxiliary_port(tmp_path: Path) -> None:
    ports = state(tmp_path, {}, "7.0")["ports"]
    assert (ports["auxiliary"], ports["jmx_registry"], ports["jmx_factory"]) == (19997, None, None)
    assert state(tmp_path, {}, "7.0")["rmi_host"] == BALANCER
    assert state(tmp_path, {}, "9.0", rmi_host="")["rmi_host"] == "node1.main.test.internal"


def test_names_are_in_the_given_zone_or_the_cluster_s_own(tmp_path: Path) -> None:
    zone = {"id": "Z0123456789", "name": "Nodes.Example.com"}
    nodes = {"VDP.Node01": {"zone": "eu-west-1a"}, "n2": {"zone": "eu-west-1b"}}
    changes = {"clusters/main/network/node_zone": zone, "clusters/main/nodes": nodes}
    environment = loaded(tmp_path, changed(twins(), changes)).environment
    assert host_name(environment, "main", "VDP.Node01") == "vdp.node01.nodes.example.com"
    assert host_name(environment, "spare", "node1") == "node1.spare.test.internal"
    assert node_parameter("test", "main", "VDP.Node01") == "/denodo/test/main/VDP.Node01"


def test_records_are_for_nodes_whose_address_is_known(tmp_path: Path) -> None:
    changes = {
        "clusters/main/nodes/node2/address": None,
        "clusters/main/nodes/node3": {"zone": "eu-west-1a"},
    }
    environment = loaded(tmp_path, changed(with_addresses(), changes)).environment
    assert nodes_with_record(environment, "main") == ("node1", "node3")


def test_secrets_are_the_cluster_s_own(tmp_path: Path) -> None:
    token = {"main": arn("token"), "spare": arn("token", region="us-east-1")}
    login = {"main": arn("login"), "spare": arn("token", region="us-east-1")}
    data = changed(
        twins(),
        {
            "denodo/security_token": token,
            "denodo/metadata": {"source": "export", "uri": "s3://bucket/a", "login": login},
        },
    )
    environment = loaded(tmp_path, data).environment
    assert node_secrets(environment, "main") == (arn("login"), arn("token"))
    assert node_secrets(environment, "spare") == (token["spare"],)
    assert node_secrets(loaded(tmp_path, minimal()).environment, "main") == ()


def test_the_watchdog_is_named_only_if_it_is_off(tmp_path: Path) -> None:
    """While the watchdog is on, the key is left out: older node programs do not know the key."""
    assert "watchdog" not in state(tmp_path, {"denodo/watchdog": True})
    assert state(tmp_path, {"denodo/watchdog": False})["watchdog"] is False


def test_metrics_are_named_only_if_nodes_publish_them(tmp_path: Path) -> None:
    """If nodes publish no metrics, the key is left out: older node programs do not know the key."""
    namespace = {"namespace": "Denodo/Nodes/test"}
    for alarms, expected in (
        ({"nodes": True}, namespace),
        ({"nodes": False}, None),
        ({"enabled": False}, None),
    ):
        assert state(tmp_path, {"alarms": alarms}).get("metrics") == expected
    assert parse(json.dumps(state(tmp_path, {"alarms": {"nodes": True}}))).metrics == (
        "Denodo/Nodes/test"
    )


@pytest.mark.parametrize("version", ["9.1", "9.4"])
def test_an_older_program_reads_the_state_of_a_later_update(tmp_path: Path, version: str) -> None:
    """Earlier programs accept only version families such as 9.0, and no keys added later."""
    before = state(tmp_path, {}, "9.0")
    assert state(tmp_path, {"denodo/version": version}, "9.0") == before
    assert set(before["ready"]) == {"port", "services"}
    assert set(before["denodo"]) == {"version", "home", "user"}
    assert "web_jmx" not in before
    defaults = {"readiness": "auto", "busy_limit": 30, "web_jmx": False}
    given = {f"denodo/{key}": value for key, value in defaults.items()}
    assert state(tmp_path, given, "9.0") == before


def test_what_the_node_needs_to_know(tmp_path: Path) -> None:
    changes = {
        "denodo/readiness": "strict",
        "denodo/busy_limit": 5,
        "denodo/java_home": "/opt/java",
        "denodo/web_jmx": True,
    }
    found = parse(json.dumps(state(tmp_path, changes)))
    assert (found.readiness, found.busy_seconds) == ("strict", 5)
    assert (found.java_home, found.web_jmx) == ("/opt/java", True)


def test_the_delays_of_readiness_are_those_of_the_program(tmp_path: Path) -> None:
    environment = loaded(tmp_path, minimal()).environment
    assert reporting_delays(environment) == {
        "ping interval": service_probe.PING_SECONDS,
        "kept answer": readiness_endpoint.KEPT_SECONDS,
        "ping": ping.SECONDS,
        "busy limit": BUSY_SECONDS,
    }
    for changes in ({"denodo/readiness": "ping"},):
        quiet = loaded(tmp_path, changed(minimal(), changes)).environment
        assert "busy limit" not in reporting_delays(quiet)
    assert "busy limit" not in reporting_delays(loaded(tmp_path, minimal("7.0")).environment)
