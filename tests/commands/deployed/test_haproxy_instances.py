"""HAProxy instances through their SSM document: order and results of the calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import CommandError, Failed, Refused, UsageError
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.haproxy_instances import HaproxyInstances
from denodo_ha.deployed.rotation.capacity_check import require_usable_servers
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.haproxy_rotation import EVERY_INSTANCE, HaproxyRotation
from denodo_ha.deployed.rotation.operation import (
    ClusterOperation,
    OperationContext,
    rotation_of,
)
from denodo_ha.deployed.rotation.rotation import Rotation
from denodo_ha.deployed.rotation.target_group_rotation import TargetGroupRotation
from denodo_ha.drain.draining import Draining
from denodo_ha.environment import names
from denodo_ha.status.model import Group, Target
from denodo_ha.status.verdict import problems
from tests.commands.account.recorded_changes import changes_of
from tests.commands.account.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from denodo_ha.aws.clients import Aws
    from denodo_ha.deployed.cluster import Node
    from denodo_ha.deployed.stack import Stack

FIRST, SECOND = "i-a", "i-b"


class Hosts:
    """Simulated EC2 and Systems Manager with two HAProxy instances.

    Attributes:
        asked: the commands that were sent: action, node, and instances.
        ends: exit code and output of an action on an instance, if the code is not 0.
        sick: the nodes that no HAProxy instance can use.
        tags: the written drain tags.
        out: the instances on which the node is already out of service.
        documents: names of the SSM documents that were run.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.ends: dict[tuple[str, str], tuple[int, str]] = {}
        self.sick: set[str] = set()
        self.tags: list[str] = []
        self.out: set[str] = set()
        self.documents: list[str] = []
        self.ids = [SECOND, FIRST]
        self._looked = 0

    def client(self, _name: str, _region: str) -> Any:
        return self

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **asked: Any) -> Iterator[Any]:
        known = {
            "State": {"Name": "running"},
            "Placement": {"AvailabilityZone": "eu-west-1a"},
            "InstanceType": "m5.xlarge",
            "ImageId": "ami-0123456789abcdef0",
        }
        filters = {item["Name"]: item["Values"] for item in asked["Filters"]}
        ids = filters.get("instance-id", self.ids)
        instances = [{"InstanceId": id_, **known} for id_ in ids]
        yield {"Reservations": [{"Instances": instances}]}

    def create_tags(self, **asked: Any) -> None:
        self.tags += asked["Resources"]

    def delete_tags(self, **asked: Any) -> None:
        self.tags = [one for one in self.tags if one not in asked["Resources"]]

    def send_command(self, **asked: Any) -> Any:
        action, wait = asked["Parameters"]["Action"][0], asked["Parameters"].get("Wait", ["yes"])
        self.documents.append(asked["DocumentName"])
        self.action = action if wait == ["yes"] else f"{action} at once"
        self.asked.append(
            (self.action, asked["Parameters"]["Node"][0], tuple(asked["InstanceIds"]))
        )
        return {"Command": {"CommandId": "c"}}

    def get_command_invocation(self, **asked: Any) -> Any:
        self._looked += 1
        if self._looked == 1:
            return {"Status": "InProgress"}
        code, said = self.ends.get((self.action, asked["InstanceId"]), (0, ""))
        if self.action == "drain at once" and asked["InstanceId"] not in self.out:
            said = said or "jdbc/node1: no new sessions"
        output = json.dumps(self._status()) if self.action == "status" else said
        return {
            "Status": "Success" if code == 0 else "Failed",
            "ResponseCode": code,
            "StandardOutputContent": output if code == 0 else "",
            "StandardErrorContent": f"haproxy: {said}" if code else "",
        }

    def _status(self) -> Any:
        nodes = ("node1", "node2")
        return {
            "servers": [
                {"backend": backend, "node": node, "usable": node not in self.sick}
                for backend in ("jdbc", "auxiliary.node1")
                for node in nodes
            ]
        }


def cluster(*, proxied: bool = True) -> Cluster:
    told = {names.HAPROXY_DOCUMENT: "document", names.HAPROXY_FLEET: "fleet"}
    outputs = {**told, names.HAPROXY_ROTATION_DOCUMENT: "rotation"} if proxied else {}
    place = StackLocation("main", "test-main", "111122223333", "eu-west-1")
    content = {"outputs": outputs, "name": "test-main", "resources": lambda _stack, _kind: ()}
    stack = cast("Stack", type("Deployed", (), content)())
    nodes = tuple(
        cast("Node", type("Found", (), {"name": name, "instance_id": f"i-{name}"})())
        for name in ("node1", "node2")
    )
    return Cluster(place, stack, nodes, None, ())


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture
def proxies(hosts: Hosts) -> HaproxyInstances:
    return HaproxyInstances(cast("Aws", hosts), cluster(), VirtualClock())


@pytest.fixture
def rotation(hosts: Hosts) -> Rotation:
    return rotation_of(cast("Aws", hosts), cluster(), clock=VirtualClock(), progress=Progress())


def drain_tag() -> DrainTag:
    return DrainTag.now(VirtualClock(), why="test")


def test_each_action_is_asked_of_the_document_that_can_least(
    proxies: HaproxyInstances, hosts: Hosts
) -> None:
    proxies.drain("node1")
    proxies.status()
    proxies.enable("node1")
    proxies.apply()
    assert hosts.documents == [*["rotation"] * 4, "document", "document"]
    # Simulate a stack that was deployed before the project had a second SSM document.
    outputs = cast("dict[str, str]", proxies.cluster.stack.outputs)
    del outputs[names.HAPROXY_ROTATION_DOCUMENT]
    proxies.enable("node1")
    assert hosts.documents[-1] == "document"


def test_a_file_is_applied_one_host_at_a_time(proxies: HaproxyInstances, hosts: Hosts) -> None:
    changes = changes_of(proxies.apply)
    assert [(change.subject, change.after) for change in changes] == [
        (FIRST, "the file of the last deploy"),
        (SECOND, "the file of the last deploy"),
    ]
    assert hosts.asked == [("apply", "-", (FIRST,)), ("apply", "-", (SECOND,))]


def test_the_first_host_that_refuses_a_file_is_the_last_asked(
    proxies: HaproxyInstances, hosts: Hosts
) -> None:
    hosts.ends["apply", FIRST] = (exit_codes.REFUSED, "HAProxy does not accept it")
    with pytest.raises(
        Failed, match=r"on i-a did not load the new file: HAProxy does not accept it"
    ):
        proxies.apply()
    assert len(hosts.asked) == 1


def test_a_node_is_drained_on_all_before_any_is_waited_for(
    proxies: HaproxyInstances, hosts: Hosts
) -> None:
    proxies.drain("node1")
    both = (FIRST, SECOND)
    assert hosts.asked == [("drain at once", "node1", both), ("drain", "node1", both)]


def test_where_one_host_refuses_the_other_takes_the_node_back(
    proxies: HaproxyInstances, hosts: Hosts
) -> None:
    hosts.ends["drain at once", SECOND] = (exit_codes.REFUSED, "nobody else would serve jdbc")
    with pytest.raises(Refused, match=r"i-b: nobody else would serve jdbc"):
        proxies.drain("node1")
    assert hosts.asked[-1] == ("enable", "node1", (FIRST,))


def test_what_was_out_before_stays_out(proxies: HaproxyInstances, hosts: Hosts) -> None:
    hosts.ends["drain at once", SECOND] = (exit_codes.FAILED, "no HAProxy answers")
    hosts.out.add(FIRST)
    with pytest.raises(Failed, match=r"may still get new sessions\. HAProxy on i-b: no HAProxy"):
        proxies.drain("node1")
    assert hosts.asked[-1][0] == "drain at once"


def test_what_cannot_be_called_off_is_said(proxies: HaproxyInstances, hosts: Hosts) -> None:
    hosts.ends["drain at once", SECOND] = (exit_codes.REFUSED, "nobody else would serve jdbc")
    hosts.ends["enable", FIRST] = (exit_codes.FAILED, "no passed check")
    with pytest.raises(Failed, match=r"could not be undone on other instances: .* i-a: no passed"):
        proxies.drain("node1")


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ((exit_codes.USAGE, exit_codes.USAGE), UsageError),
        ((exit_codes.USAGE, exit_codes.REFUSED), Refused),
        ((exit_codes.REFUSED, exit_codes.FAILED), Failed),
    ],
)
def test_what_it_is_if_none_takes_it(
    proxies: HaproxyInstances, hosts: Hosts, codes: tuple[int, int], kind: type[CommandError]
) -> None:
    for host, code in zip((FIRST, SECOND), codes, strict=True):
        hosts.ends["drain at once", host] = (code, "no")
    with pytest.raises(CommandError) as raised:
        proxies.drain("node1")
    assert type(raised.value) is kind
    assert len(hosts.asked) == 1


def test_sessions_that_stay_are_told(proxies: HaproxyInstances, hosts: Hosts) -> None:
    hosts.ends["drain", FIRST] = (exit_codes.FAILED, "still has 2 sessions")
    with pytest.raises(Failed, match=r"gets no new sessions\. HAProxy on i-a: still has 2"):
        proxies.drain("node1")


def test_without_a_host_nothing_is_asked(proxies: HaproxyInstances, hosts: Hosts) -> None:
    hosts.ids = []
    with pytest.raises(Failed, match="has no running HAProxy instance"):
        proxies.enable("node1")
    assert hosts.asked == []


def test_the_rotation_is_that_of_what_is_deployed(hosts: Hosts) -> None:
    made = [
        rotation_of(
            cast("Aws", hosts), cluster(proxied=one), clock=VirtualClock(), progress=Progress()
        )
        for one in (True, False)
    ]
    assert [type(one) for one in made] == [HaproxyRotation, TargetGroupRotation]


def test_a_node_goes_out_and_comes_back(rotation: Rotation, hosts: Hosts) -> None:
    rotation.out("node1", tag=drain_tag())
    assert hosts.tags == ["i-node1"]
    rotation.back("node1", ready=lambda: "")
    assert hosts.tags == []
    assert [target[0] for target in hosts.asked] == ["status", "drain at once", "drain", "enable"]


@contextmanager
def _locked(*_: object, **__: object) -> Iterator[Any]:
    yield type("Held", (), {"prove": lambda _: None})()


@pytest.fixture
def draining(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Draining:
    """Return the operation of `drain`; it gets its cluster from the test, and takes no lock."""

    def running(_aws: object, _region: str, ids: list[str]) -> dict[str, Any]:
        return {id_: type("Shown", (), {"state": "running", "tags": {}})() for id_ in ids}

    monkeypatch.setattr(ClusterOperation, "_read_cluster", lambda _: cluster())
    monkeypatch.setattr("denodo_ha.drain.draining.read_instances", running)
    monkeypatch.setattr(ClusterOperation, "_locked", _locked)
    aws, location = cast("Aws", hosts), cluster().location
    return Draining(OperationContext(aws, "test", location, VirtualClock(), Progress()))


def test_drain_takes_a_node_out_of_every_haproxy(draining: Draining, hosts: Hosts) -> None:
    plan = draining.drain("node1", why="new disk")
    assert (plan.scope, plan.open, plan.tag.why) == (
        "every HAProxy instance",
        (EVERY_INSTANCE,),
        "new disk",
    )
    assert [target[0] for target in hosts.asked] == ["status", "drain at once", "drain"]
    assert hosts.tags == ["i-node1"]


def test_a_drain_that_a_host_fails_is_undone(draining: Draining, hosts: Hosts) -> None:
    hosts.ends["drain at once", SECOND] = (exit_codes.FAILED, "no HAProxy answers")
    with pytest.raises(Failed, match=r"may still get new sessions.*The drain was undone"):
        draining.drain("node1")
    # `status` is left out, since the command also reads the status after each change.
    assert [action for action, *_ in hosts.asked if action != "status"][-1] == "enable"
    assert hosts.tags == []


def test_drain_refuses_the_last_usable_node(draining: Draining, hosts: Hosts) -> None:
    hosts.sick.add("node2")
    with pytest.raises(Refused, match="accept fewer with --force"):
        draining.drain("node1")
    assert hosts.tags == []


def test_the_last_usable_node_stays(rotation: Rotation, hosts: Hosts) -> None:
    hosts.sick.add("node2")
    with pytest.raises(Refused, match=r"without node1, 0 usable nodes would be left for jdbc"):
        rotation.out("node1", tag=drain_tag())
    assert hosts.tags == []
    assert [target[0] for target in hosts.asked] == ["status"]
    assert rotation.describe("node2") == "no HAProxy instance sends sessions to node2"


def test_a_service_that_no_node_serves_loses_nothing() -> None:
    servers = [
        {"backend": backend, "node": node, "usable": backend == "jdbc"}
        for backend in ("jdbc", "web")
        for node in ("node1", "node2")
    ]
    status = {FIRST: {"servers": servers}}

    def check(minimum: int | None) -> None:
        require_usable_servers(
            cluster(proxied=True), "node1", status, minimum=minimum, accept="--minimum"
        )

    check(None)
    with pytest.raises(Refused, match="0 usable nodes would be left for web"):
        check(1)


def test_status_tells_of_a_haproxy_that_is_lost() -> None:
    targets = (Target(FIRST, "healthy", "", ""), Target(SECOND, "unhealthy", "", "no answer"))
    groups = [Group(name, "service", 1, targets) for name in ("jdbc", "web")]
    found = list(problems((), groups, None, "UPDATE_COMPLETE", cluster="active"))
    assert found == [f"jdbc, web: HAProxy {SECOND} unhealthy: no answer"]
