"""Target health: states and reason codes follow instances, registrations and checks."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, Stack
from tests.local_aws.templates import ref
from tests.support.waiting import until

Health = tuple[str, str]


@pytest.fixture
def serving(cloud: Cloud) -> Stack:
    """Stack with two healthy nodes behind a load balancer."""
    cloud.give({"kind": "image", "id": templates.IMAGE})
    stack = cloud.deploy(templates.serving())
    until(lambda: set(health(cloud, stack).values()) == {("healthy", "")})
    return stack


def health(cloud: Cloud, stack: Stack) -> dict[str, Health]:
    """Return state and reason code of each target, by the logical id of the target's node."""
    ids = stack.ids
    description = cloud.client("elbv2").describe_target_health(TargetGroupArn=ids["Group"])
    names = {ids[name]: name for name in ("Node1", "Node2") if name in ids}
    return {
        names.get(item["Target"]["Id"], item["Target"]["Id"]): (
            item["TargetHealth"]["State"],
            item["TargetHealth"].get("Reason", ""),
        )
        for item in description["TargetHealthDescriptions"]
    }


def test_a_new_target_is_initial_at_first(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    slow = templates.group(ref("Node1"), HealthCheckIntervalSeconds=300, HealthyThresholdCount=10)
    resources = {**templates.serving(), "Group": slow}
    stack = cloud.deploy(resources)
    assert health(cloud, stack) == {"Node1": ("initial", "Elb.InitialHealthChecking")}


def test_a_group_without_a_listener_is_not_in_use(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    resources = templates.serving()
    del resources["Listener"]
    stack = cloud.deploy(resources)
    assert set(health(cloud, stack).values()) == {("unused", "Target.NotInUse")}


def test_a_zone_without_the_balancer_is_not_in_use(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    resources = {**templates.serving(), "Nlb": templates.balancer(Subnets=[ref("A")])}
    stack = cloud.deploy(resources)
    until(lambda: health(cloud, stack)["Node1"] == ("healthy", ""))
    assert health(cloud, stack)["Node2"] == ("unused", "Target.NotInUse")


@pytest.mark.parametrize("call", ["stop_instances", "terminate_instances"])
def test_an_instance_that_is_not_running_is_unused(cloud: Cloud, serving: Stack, call: str) -> None:
    getattr(cloud.client("ec2"), call)(InstanceIds=[serving.ids["Node1"]])
    assert health(cloud, serving) == {
        "Node1": ("unused", "Target.InvalidState"),
        "Node2": ("healthy", ""),
    }


def test_a_started_instance_comes_back(cloud: Cloud, serving: Stack) -> None:
    client, node = cloud.client("ec2"), [serving.ids["Node1"]]
    client.stop_instances(InstanceIds=node)
    client.start_instances(InstanceIds=node)
    until(lambda: health(cloud, serving)["Node1"] == ("healthy", ""))


def test_a_deregistered_target_drains_and_is_gone(cloud: Cloud, serving: Stack) -> None:
    client, group = cloud.client("elbv2"), serving.ids["Group"]
    target = {"Id": serving.ids["Node1"], "Port": 9999}
    client.deregister_targets(TargetGroupArn=group, Targets=[target])
    assert health(cloud, serving)["Node1"] == ("draining", "Target.DeregistrationInProgress")
    # Draining takes 300 seconds of the local AWS's faster clock; the test asserts no real time.
    until(lambda: "Node1" not in health(cloud, serving))
    description = client.describe_target_health(TargetGroupArn=group, Targets=[target])
    (item,) = description["TargetHealthDescriptions"]
    assert item["TargetHealth"]["Reason"] == "Target.NotRegistered"


def test_a_draining_target_can_be_registered_again(cloud: Cloud, serving: Stack) -> None:
    client, group = cloud.client("elbv2"), serving.ids["Group"]
    targets = [{"Id": serving.ids["Node1"], "Port": 9999}]
    client.deregister_targets(TargetGroupArn=group, Targets=targets)
    client.register_targets(TargetGroupArn=group, Targets=targets)
    until(lambda: health(cloud, serving)["Node1"] == ("healthy", ""))


@pytest.mark.usefixtures("serving")
def test_a_template_without_a_node_lets_it_drain(cloud: Cloud) -> None:
    resources = {**templates.serving(), "Group": templates.group(ref("Node2"))}
    stack = cloud.deploy(resources)
    assert health(cloud, stack)["Node1"][0] in ("draining", "unused")
    until(lambda: set(health(cloud, stack)) == {"Node2"})


def test_what_an_operator_registers_outlives_a_deploy(cloud: Cloud, serving: Stack) -> None:
    """CloudFormation deregisters only targets that the previous template listed."""
    client, ids = cloud.client("elbv2"), serving.ids
    client.register_targets(
        TargetGroupArn=ids["Group"], Targets=[{"Id": ids["Node1"], "Port": 1234}]
    )
    cloud.deploy({**templates.serving(), "Group": templates.group(ref("Node2"))})
    description = client.describe_target_health(TargetGroupArn=ids["Group"])
    ports = [item["Target"]["Port"] for item in description["TargetHealthDescriptions"]]
    assert 1234 in ports


class TestStandIns:
    """If a node has a stand-in server, the local AWS performs real health checks on the server."""

    def test_an_open_port_is_healthy_and_a_closed_one_not(
        self, cloud: Cloud, serving: Stack
    ) -> None:
        with listening() as port:
            stand_in(cloud, serving, port)
            until(lambda: health(cloud, serving)["Node1"] == ("healthy", ""))
        until(lambda: health(cloud, serving)["Node1"] == ("unhealthy", "Target.FailedHealthChecks"))
        assert health(cloud, serving)["Node2"] == ("healthy", "")
        with listening(port):
            until(lambda: health(cloud, serving)["Node1"] == ("healthy", ""))

    def test_an_answer_of_503_is_a_mismatch(self, cloud: Cloud) -> None:
        cloud.give({"kind": "image", "id": templates.IMAGE})
        asking = templates.group(
            ref("Node1"),
            HealthCheckProtocol="HTTP",
            HealthCheckPath="/ready/jdbc",
            HealthCheckPort="9191",
        )
        stack = cloud.deploy({**templates.serving(), "Group": asking})
        with answering() as server:
            stand_in(cloud, stack, server.server_port, of=9191)
            until(lambda: health(cloud, stack)["Node1"] == ("healthy", ""))
            server.status = 503
            until(
                lambda: (
                    health(cloud, stack)["Node1"] == ("unhealthy", "Target.ResponseCodeMismatch")
                )
            )
            assert server.asked == {"/ready/jdbc"}

    def test_a_stand_in_that_is_gone_is_nobody_to_ask(self, cloud: Cloud, serving: Stack) -> None:
        with listening() as port:
            stand_in(cloud, serving, port)
        until(lambda: health(cloud, serving)["Node1"][0] == "unhealthy")
        cloud.call(f"stand-ins/{serving.ids['Node1']}", method="DELETE")
        until(lambda: health(cloud, serving)["Node1"] == ("healthy", ""))

    def test_stands_on_this_machine_only(self, cloud: Cloud) -> None:
        with pytest.raises(Exception, match="not a loopback address"):
            cloud.call("stand-ins/i-1", {"address": "192.0.2.1"}, "PUT")


def stand_in(cloud: Cloud, stack: Stack, port: int, *, of: int = 9999) -> None:
    """Make the local AWS check a port of this machine in place of a port of the first node."""
    details = {"address": "127.0.0.1", "ports": {str(of): port}}
    cloud.call(f"stand-ins/{stack.ids['Node1']}", details, "PUT")


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    """Listen on a port until the block ends; yield the port."""
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


class Answering(http.server.ThreadingHTTPServer):
    """Server that answers every request with a fixed HTTP status."""

    status = 200

    def __init__(self) -> None:
        self.asked: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Answering)
        self.server.asked.add(self.path)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Discard the message."""


@contextmanager
def answering() -> Iterator[Answering]:
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(120)
