"""Status of HAProxy instances: the query, and the verdict on the cluster behind them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import ExpiredCredentials
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.status import haproxy_query, verdict
from denodo_ha.status.cluster_status import ReadinessSources
from denodo_ha.status.haproxy_query import HaproxyAnswer
from denodo_ha.status.haproxy_verdict import notes
from denodo_ha.status.model import (
    DEGRADED,
    DOWN,
    HEALTHY,
    Cluster,
    Environment,
    Group,
    Node,
    Proxy,
    Server,
    Target,
)
from denodo_ha.status.node_query import NodeAnswer
from denodo_ha.status.report import as_json, as_table
from tests.commands.account.virtual_clock import VirtualClock
from tests.commands.deployed.test_haproxy_instances import FIRST, SECOND, Hosts, cluster

if TYPE_CHECKING:
    from denodo_ha.aws.clients import Aws

NODES = ("node1", "node2")
SERVICES = ("jdbc", "web")
PASSED = "L7OK Layer7 check passed"
GROUPS = tuple(
    Group(name, kind, 1, tuple(Target(id_, HEALTHY) for id_ in (FIRST, SECOND)))
    for name, kind in (("jdbc", "service"), ("web", "service"), ("node1", "auxiliary"))
)
TAG = DrainTag(datetime(2026, 1, 1, tzinfo=UTC), "ann@desk", "new disk")


def node(name: str, drained: DrainTag | None = None) -> Node:
    return Node(
        name=name,
        instance=f"i-{name}",
        state="running",
        zone="",
        type="",
        address="",
        version="",
        waits=None,
        source="node",
        unready={},
        unasked="",
        drained=drained,
    )


def server(name: str, service: str, state: str = "up", sessions: int = 0) -> Server:
    check = PASSED if state == "up" else "L4CON Connection refused" if state == "down" else ""
    return Server(name, service, "service", state, state == "up", sessions, check)


def proxy(instance: str, *others: Server, services: Sequence[str] = SERVICES) -> Proxy:
    """Return an HAProxy instance on which every node is up, except for the given servers."""
    different = {
        (server.node, server.service): server for server in others if server.kind == "service"
    }
    servers = [
        different.get((name, service), server(name, service))
        for service in services
        for name in NODES
    ]
    return Proxy(instance, (*servers, *(server for server in others if server.kind != "service")))


def judged(*proxies: Proxy, nodes: Sequence[Node] | None = None) -> tuple[str, list[str]]:
    """Return the state of a cluster behind these HAProxy instances, and the cluster's problems."""
    nodes = [node(name) for name in NODES] if nodes is None else nodes
    status = "UPDATE_COMPLETE"
    problems = list(verdict.problems(nodes, GROUPS, None, status, proxies, cluster="active"))
    return verdict.cluster_state(nodes, GROUPS, problems, proxies), problems


def out(name: str, state: str = "maint", sessions: int = 0) -> list[Server]:
    return [server(name, service, state, sessions) for service in SERVICES]


def test_a_healthy_cluster() -> None:
    assert judged(proxy(FIRST), proxy(SECOND)) == (HEALTHY, [])


DEAD = "down: L4CON Connection refused"
ENABLE = "`denodo-ha enable node1 --cluster active -c CONFIG`"
WITHOUT_TAG = (
    "without a drain tag: it was taken out by hand, or a command was interrupted; "
    f"{ENABLE} brings it back"
)
PARTLY_UP = (
    "node1 is up on HAProxy i-b for jdbc, web: the node's server runs, but the other HAProxy "
    "instances cannot reach the server, or have another configuration file"
)
CLOSED = (
    "the auxiliary port of node1 is closed on HAProxy i-a, so second connections of its "
    f"clients fail: {ENABLE} opens the port"
)
AUXILIARY = Server("node1", "node1", "auxiliary", "maint", usable=False, sessions=0, check="")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            [server("node1", "jdbc", "down")],
            [server("node1", "jdbc", "down")],
            [f"jdbc on every HAProxy: node1 {DEAD}"],
        ),
        (out("node1", "down"), [], [f"jdbc, web on HAProxy i-a: node1 {DEAD}", PARTLY_UP]),
        (
            out("node1"),
            out("node1"),
            [f"node1 is out of jdbc, web on every HAProxy {WITHOUT_TAG}"],
        ),
        (
            out("node1", "drain"),
            [],
            [f"node1 is out of jdbc, web on HAProxy i-a {WITHOUT_TAG}"],
        ),
        (
            [server("node1", "jdbc", "drain")],
            out("node1"),
            [f"node1 is out of jdbc on every HAProxy and web on HAProxy i-b {WITHOUT_TAG}"],
        ),
        ([AUXILIARY], [], [CLOSED]),
    ],
)
def test_each_problem_has_its_remedy(
    first: list[Server], second: list[Server], expected: list[str]
) -> None:
    assert judged(proxy(FIRST, *first), proxy(SECOND, *second)) == (DEGRADED, expected)


IN_SERVICE = f"node1 has a drain tag ({TAG}) but gets sessions in jdbc, web on {{}}: {{}}"
WHY = (
    "an HAProxy instance is new, or a drain or enable was interrupted; drain the node again, or "
    f"run {ENABLE} to remove the tag"
)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (out("node1"), out("node1"), f"node1 is drained {TAG}"),
        (
            out("node1", "drain", 2),
            out("node1", "drain, down", 1),
            f"node1 is being drained {TAG}; it has 6 sessions (jdbc 3, web 3)",
        ),
        (out("node1"), [], IN_SERVICE.format("HAProxy i-b", WHY)),
        ([], [], IN_SERVICE.format("every HAProxy", WHY)),
    ],
)
def test_drain_tag_and_haproxy_instances(
    first: list[Server], second: list[Server], expected: str
) -> None:
    nodes = [node("node1", TAG), node("node2")]
    found = judged(proxy(FIRST, *first), proxy(SECOND, *second), nodes=nodes)
    assert found == (DEGRADED, [expected])


def test_a_drain_tag_without_haproxy_status() -> None:
    nodes = [node("node1", TAG), node("node2")]
    assert judged(nodes=nodes)[1] == [f"node1 has a drain tag {TAG}"]


def test_no_instance_serves_jdbc() -> None:
    dead = [server(name, "jdbc", "down") for name in NODES]
    state, found = judged(proxy(FIRST, *dead), proxy(SECOND, *dead))
    assert state == DOWN
    assert (
        found[0] == "jdbc: no HAProxy instance has a node that is up, so its clients are not served"
    )
    assert judged(proxy(FIRST, *dead), proxy(SECOND))[0] == DEGRADED
    # An HAProxy instance whose status could not be read may serve, if the load balancer finds it
    # healthy.
    assert judged(proxy(FIRST, *dead), Proxy(SECOND, unasked="no agent"))[0] == DEGRADED


def test_no_instance_serves_web_while_jdbc_serves() -> None:
    dead = [server(name, "web", "down") for name in NODES]
    state, found = judged(proxy(FIRST, *dead), proxy(SECOND, *dead))
    assert state == DEGRADED
    assert (
        found[0] == "web: no HAProxy instance has a node that is up, so its clients are not served"
    )


def test_a_service_that_no_haproxy_has_yet() -> None:
    old = proxy(FIRST, services=["web"]), proxy(SECOND, services=["web"])
    state, found = judged(*old)
    assert state == DOWN
    command = "denodo-ha haproxy apply --cluster active -c CONFIG"
    apply = f"run `{command}` to load the last deploy's configuration file"
    assert found == [
        "jdbc: no HAProxy instance has a node that is up, so its clients are not served",
        f"HAProxy i-a, i-b lacks jdbc: {apply}",
    ]


def test_a_node_that_one_haproxy_does_not_have_yet() -> None:
    first = proxy(FIRST)
    second = replace(proxy(SECOND), servers=first.servers[::2])
    _, found = judged(first, second, nodes=[node(name) for name in (*NODES, "node3")])
    assert [one.partition(":")[0] for one in found] == [
        "HAProxy i-a lacks node3",
        "HAProxy i-b lacks node2, node3",
    ]


def test_a_haproxy_without_status_and_one_that_could_not_reload() -> None:
    silent = Proxy(SECOND, problem="no HAProxy answers")
    state, found = judged(replace(proxy(FIRST), failed_reloads=1), silent)
    assert state == DEGRADED
    assert [one.partition(":")[0] for one in found] == [
        "HAProxy i-a could not load its last configuration file and runs with the previous file",
        "HAProxy i-b did not report its status",
    ]
    unasked = Proxy(SECOND, unasked="no agent")
    assert judged(proxy(FIRST), unasked) == (HEALTHY, [])
    assert list(notes([proxy(FIRST), unasked])) == ["HAProxy i-b could not be queried: no agent"]


def test_readiness_of_an_unreachable_node_comes_from_haproxy() -> None:
    unsaid = haproxy_query.NO_INSTANCES.proxies
    said = NodeAnswer(None)
    proxies = proxy(FIRST, *out("node1", "down")), proxy(SECOND)
    found = [
        ReadinessSources(GROUPS, of, behind_haproxy=True).readiness("node1", said)
        for of in (proxies, unsaid)
    ]
    assert found == [("haproxy", {}), ("nobody", {})]
    both = [proxy(id_, *out("node1", "down")) for id_ in (FIRST, SECOND)]
    source, unready = ReadinessSources(GROUPS, both, behind_haproxy=True).readiness("node1", said)
    assert (source, set(unready)) == ("haproxy", set(SERVICES))


SAID = {
    "servers": [
        {
            "backend": backend,
            "node": "node1",
            "state": "up",
            "usable": True,
            "sessions": 3,
            "check": PASSED,
        }
        for backend in ("jdbc", "auxiliary.node1", "auxiliary.node1_scheduler")
    ],
    "workers": {"serving": 7, "old": [5, 6], "failed": 1, "seconds": 9},
}


@pytest.mark.parametrize("code", [exit_codes.DONE, exit_codes.NO, exit_codes.DOWN])
def test_an_answer_is_read_whatever_it_says(code: int) -> None:
    found = haproxy_query.parse_answer(FIRST, CommandResult(code, "", json.dumps(SAID), ""))
    assert found == Proxy(
        FIRST,
        (
            Server("node1", "jdbc", "service", "up", usable=True, sessions=3, check=PASSED),
            *(
                Server("node1", name, "auxiliary", "up", usable=True, sessions=3, check=PASSED)
                for name in ("node1", "node1 (scheduler)")
            ),
        ),
        old_workers=2,
        failed_reloads=1,
    )
    assert found.answered


def test_an_answer_that_is_none() -> None:
    def of(code: int, output: str = "", error: str = "") -> Proxy:
        return haproxy_query.parse_answer(
            FIRST, CommandResult(code, "DeliveryTimedOut", output, error)
        )

    assert of(-1).unasked == "the command did not run (DeliveryTimedOut)"
    assert of(4, error="haproxy: no HAProxy answers").problem == "no HAProxy answers"
    unread = of(0, json.dumps(SAID)[:50]).unasked
    assert unread == "the reported status cannot be read (50 characters)"


class Saying(Hosts):
    """Simulated HAProxy instances that report their status; instance SECOND may have a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Exception | None = None

    def send_command(self, **asked: Any) -> Any:
        if self.fault is not None and asked["InstanceIds"] == [SECOND]:
            raise self.fault
        super().send_command(**asked)
        return {"Command": {"CommandId": asked["InstanceIds"][0]}}

    def _status(self) -> Any:
        return SAID


def asked(hosts: Hosts, *, proxied: bool = True) -> haproxy_query.Answers:
    clusters = [cluster(proxied=proxied)]
    return haproxy_query.query_haproxy(cast("Aws", hosts), clusters, clock=VirtualClock())


def test_each_is_asked_by_itself_and_hides_no_other() -> None:
    hosts = Saying()
    assert [target.answered for target in asked(hosts)["main"].proxies] == [True, True]
    assert sorted(target[2] for target in hosts.asked) == [(FIRST,), (SECOND,)]
    hosts.ends["status", SECOND] = (4, "no HAProxy answers")
    one, two = asked(hosts)["main"].proxies
    assert (one.answered, two.problem) == (True, "no HAProxy answers")
    hosts.fault = ExpiredCredentials("they are over")
    with pytest.raises(ExpiredCredentials):
        asked(hosts)


def test_clusters_without_any_and_fleets_without_one() -> None:
    hosts = Saying()
    assert asked(hosts, proxied=False) == {}
    hosts.ids = []
    assert asked(hosts) == {
        "main": HaproxyAnswer(
            problem="cluster main has no running HAProxy instance in the Auto Scaling group fleet"
        )
    }


def test_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    proxies = proxy(FIRST, server("node1", "jdbc", "drain", 2)), Proxy(SECOND, unasked="no agent")
    shown = Environment(
        "test",
        datetime(2026, 1, 1, tzinfo=UTC),
        HEALTHY,
        None,
        (
            Cluster(
                name="main",
                region="",
                account="",
                stack="",
                stack_status="",
                state=HEALTHY,
                problems=(),
                notes=(),
                balancer=None,
                nodes=(),
                groups=(),
                proxies=proxies,
            ),
        ),
    )
    as_table(shown)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["jdbc", "node1", FIRST, "drain", "2"] in rows
    assert ["jdbc", "node2", FIRST, "up", "0", *PASSED.split()] in rows
    assert [SECOND, "unknown", "no", "agent"] in rows
    as_json(shown)
    said = json.loads(capsys.readouterr().out)["clusters"][0]["proxies"]
    assert said[0]["servers"][0]["sessions"] == 2
    assert said[1]["unasked"] == "no agent"
