"""`denodo-ha roll` changes one node at a time, whatever goes wrong."""

import contextlib
import itertools
import re
from collections.abc import Callable

import pytest
from botocore.exceptions import EndpointConnectionError

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.lock import Lock
from denodo_ha.cli.errors import ExpiredCredentials, Failed, Interrupted, Refused, Throttled
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator, node_agent
from denodo_ha.deployed.history.history_entry import HistoryChange
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.rollout.node_sequence import BEGIN
from denodo_ha.rollout.state_roll import StateRoll
from tests.commands.account.agents import Agents
from tests.commands.account.calls import Call, Fault
from tests.commands.account.cloud import Cloud
from tests.commands.account.recorded_changes import changes_of
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Run

CLUSTER = "main"
IN_SERVICE = "in service, as configured"
NEW = {"jvm": {"vdp": "-Xmx2048m"}}


@pytest.fixture
def cloud(clouds: Callable[[str], Cloud]) -> Cloud:
    cloud = clouds("active-active")
    cloud.targets.hurry(20)
    return cloud


@pytest.fixture
def agents(cloud: Cloud) -> Agents:
    return Agents(cloud, CLUSTER)


def rolling(
    cloud: Cloud,
    *,
    minimum: int | None = None,
    take_over: bool = False,
    accept_readiness: bool = False,
) -> StateRoll:
    aws = Aws(attempts=1)
    site = environment_locator.locate_environment(
        aws, config="active-active", environment=None, regions=None
    )
    location = site.cluster(CLUSTER)
    context = OperationContext(
        aws, site.environment, location, cloud.clock, Progress(), take_over=take_over
    )
    return StateRoll(context, minimum=minimum, accept_readiness=accept_readiness)


def marked(cloud: Cloud) -> set[str]:
    return {name for name in cloud.nodes(CLUSTER) if cloud.mark(CLUSTER, name)}


def all_is_well(cloud: Cloud, agents: Agents) -> None:
    assert (agents.stale, agents.out(), marked(cloud)) == (set(), set(), set())
    assert agents.most_out <= 1


def test_nothing_to_do_changes_nothing(cloud: Cloud, agents: Agents) -> None:
    assert changes_of(lambda: rolling(cloud).roll()) == []
    assert [one for one in cloud.calls.changes if one.service != "ssm"] == []
    assert agents.most_out == 0


def test_every_node_one_at_a_time(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    changes = changes_of(lambda: rolling(cloud).roll())
    assert changes == [
        HistoryChange(CLUSTER, f"node{number}", "waits for its new state", IN_SERVICE)
        for number in (1, 2, 3)
    ]
    all_is_well(cloud, agents)
    assert agents.most_out == 1
    assert [node.applies for node in agents.nodes.values()] == [1, 1, 1]
    # The watchdog of a node rests while the node is out.
    assert [node.holds for node in agents.nodes.values()] == [["hold", "release"]] * 3


def test_a_lost_answer_applies_once(cloud: Cloud, agents: Agents) -> None:
    """The answer of SendCommand is lost although the command runs, so `roll` sends it again."""

    def lose(_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://ssm.eu-west-1.amazonaws.com/")

    def applies(call: Call) -> bool:
        action = call.parameters.get("Parameters", {}).get("Action")
        return call.operation == "SendCommand" and action == ["apply"]

    agents.deploy(**NEW)
    cloud.faults.add(Fault(applies, lose, on=1, after=True))
    assert rolling(cloud).roll("node2") == ["node2"]
    assert agents.stale == {"node1", "node3"}
    assert (agents.out(), marked(cloud)) == (set(), set())
    # The request id is sent in the parameter `Who`, which the documents of all versions have.
    sent = [call.parameters["Parameters"] for call in cloud.calls.made if applies(call)]
    assert len(sent) > 1
    assert len({who for parameters in sent for who in parameters["Who"]}) == 1
    assert re.fullmatch(r"\S+ request=[0-9a-f]{32}", *sent[0]["Who"])
    assert {key for parameters in sent for key in parameters} == {"Action", "Who", "Timeout"}


@pytest.mark.usefixtures("running_deadlines")
def test_each_node_has_time_of_its_own(
    cloud: Cloud, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit starts again for each node, so a roll may take longer than one limit."""
    monkeypatch.setattr(deadline, "_paused", 0.0)
    left: list[float] = []

    def pass_time(call: Call) -> None:
        if call.operation == "SendCommand" and "apply" in call.parameters["Parameters"]["Action"]:
            # Decrease the pause by more than the time limit, so that the time of every deadline
            # passes.
            monkeypatch.setattr(deadline, "_paused", deadline._paused - BEGIN.total() - 1)  # noqa: SLF001 - deadlines have no clock to set
        left.append(deadline.left(100_000))

    agents.deploy(**NEW)
    cloud.faults.add(Fault(lambda _: True, pass_time))
    with BEGIN.stage():
        assert rolling(cloud).roll() == ["node1", "node2", "node3"]
    assert min(left) > 0


def test_one_node_only(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    assert rolling(cloud).roll("node2") == ["node2"]
    assert agents.stale == {"node1", "node3"}


def test_a_look_changes_nothing(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    assert [str(task) for task in rolling(cloud).plan()] == ["waits for its new state"] * 3
    assert {call.operation for call in cloud.calls.changes} == {"SendCommand"}


def test_rules_of_an_earlier_version_are_left_on_request_only(cloud: Cloud, agents: Agents) -> None:
    """Nodes keep readiness rules of an earlier version unless --accept-readiness is given.

    Stricter rules could take one node after another out of service.
    """
    for name in ("node1", "node3"):
        agents.nodes[name].more = {"readiness": {"rules": "earlier", "why": "404"}}
    agents.nodes["node2"].more = {"readiness": None}
    assert rolling(cloud).roll() == []
    accepting = rolling(cloud, accept_readiness=True)
    tasks = [str(task) for task in accepting.plan() if task.due]
    assert tasks == ["takes the readiness rules of its version"] * 2
    assert accepting.roll() == ["node1", "node3"]
    all_is_well(cloud, agents)
    assert agents.most_out == 1
    assert [node.accepts for node in agents.nodes.values()] == [1, 0, 1]
    assert rolling(cloud, accept_readiness=True).roll() == []


def test_a_node_that_is_not_ready_by_the_new_rules_stops_the_roll(
    cloud: Cloud, agents: Agents
) -> None:
    for name in ("node1", "node2", "node3"):
        agents.nodes[name].more = {"readiness": {"rules": "earlier"}}
    agents.nodes["node1"].unready = {"web": "GET /denodo-data-catalog/ is answered with 404"}
    with pytest.raises(Failed, match="node1"):
        rolling(cloud, accept_readiness=True).roll()
    assert [node.accepts for node in agents.nodes.values()] == [1, 0, 0]
    assert agents.out() <= {"node1"}


def test_the_first_failure_stops_and_comes_back(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    agents.nodes["node2"].outcome = node_agent.ROLLED_BACK
    with pytest.raises(
        Failed, match=r"node2 did not apply .*the previous state runs again.*back in"
    ):
        rolling(cloud).roll()
    assert (agents.stale, agents.out(), marked(cloud)) == ({"node2", "node3"}, set(), set())
    assert agents.nodes["node3"].applies == 0


def test_a_node_that_is_down_stays_out(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    agents.nodes["node1"].outcome = 7
    with pytest.raises(Failed, match=r"node1 did not apply .*the node is down.*stays out"):
        rolling(cloud).roll()
    assert (agents.out(), marked(cloud)) == ({"node1"}, {"node1"})
    agents.nodes["node1"].outcome = node_agent.DONE
    assert rolling(cloud).roll() == ["node1", "node2", "node3"]
    all_is_well(cloud, agents)


def test_no_empty_catalog_in_a_shared_group(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    agents.nodes["node1"].confirmed = False
    message = re.escape("`denodo-ha enable node1 --metadata-ok --cluster ")
    with pytest.raises(Failed, match=message):
        rolling(cloud).roll()
    assert agents.out() == {"node1"}
    agents.nodes["node1"].confirmed = True
    rolling(cloud).roll()
    all_is_well(cloud, agents)


CATALOG = {"catalog": {"vdp": {"secret": "arn:aws:secretsmanager:eu-west-1:1:secret:login"}}}


def with_old_logins(agents: Agents, *nodes: str) -> None:
    """Deploy a shared metadata database, and let some nodes have an old login to it."""
    agents.deploy(**CATALOG)
    for name, node in agents.nodes.items():
        node.become(agents.desired(name))
        node.has_old_login = name in nodes


def test_nodes_with_an_old_login_to_their_database_are_rolled(cloud: Cloud, agents: Agents) -> None:
    """`roll` notices a changed secret; `catalog init` and `rotate` change no desired state."""
    with_old_logins(agents, "node1", "node3")
    reasons = {task.node: task.differences for task in rolling(cloud).plan()}
    due = ("waits for its login to the metadata database",)
    assert reasons == {"node1": due, "node2": (), "node3": due}
    assert rolling(cloud).roll() == ["node1", "node3"]
    all_is_well(cloud, agents)
    assert not any(node.has_old_login for node in agents.nodes.values())
    assert rolling(cloud).roll() == []


def test_a_service_that_no_node_serves_does_not_prevent_its_repair(
    cloud: Cloud, agents: Agents
) -> None:
    """Unhealthy targets of a service on all nodes do not stop a roll, which may be the repair.

    After `catalog init`, for example, Schedulers start only when their nodes are rolled.
    """

    def repair(_: Call) -> None:
        cloud.targets.states.clear()

    agents.deploy(**NEW)
    for node in agents.nodes:
        cloud.become(CLUSTER, node, UNHEALTHY, "web")
    cloud.faults.add(Fault(lambda call: call.operation == "RegisterTargets", repair))
    assert rolling(cloud).roll() == ["node1", "node2", "node3"]
    all_is_well(cloud, agents)


def test_no_node_is_rolled_while_no_service_is_healthy(cloud: Cloud, agents: Agents) -> None:
    """If no target of a service is healthy, the load balancer may use every node."""
    agents.deploy(**NEW)
    for node in agents.nodes:
        cloud.become(CLUSTER, node, UNHEALTHY)
    with pytest.raises(Refused, match="0 healthy nodes would be left"):
        rolling(cloud).roll()


def test_a_minimum_counts_in_every_target_group(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    for node in agents.nodes:
        cloud.become(CLUSTER, node, UNHEALTHY, "web")
    with pytest.raises(Refused, match="left in target group web"):
        rolling(cloud, minimum=1).roll()


def test_a_node_that_cannot_read_its_login_stops_the_roll(cloud: Cloud, agents: Agents) -> None:
    with_old_logins(agents, "node1")
    agents.nodes["node2"].check_outcome = 3
    with pytest.raises(
        Failed, match=r"node2 cannot compare its desired state .*: the desired state, "
    ):
        rolling(cloud).roll()
    assert (agents.out(), agents.nodes["node1"].applies) == (set(), 0)


def test_a_sick_node_is_mended_first(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    cloud.become(CLUSTER, "node3", UNHEALTHY)
    assert [task.node for task in rolling(cloud).plan()] == ["node3", "node1", "node2"]


def test_too_few_would_serve(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    agents.nodes["node3"].applied = agents.desired("node3")
    cloud.become(CLUSTER, "node3", UNHEALTHY)
    with pytest.raises(Refused, match=r"node3 .unhealthy"):
        rolling(cloud).roll()
    assert (agents.out(), marked(cloud)) == (set(), set())
    assert rolling(cloud, minimum=1).roll() == ["node1", "node2"]


def test_a_node_that_is_out_already_needs_no_others(cloud: Cloud, agents: Agents) -> None:
    """node1 is out already: rolling it takes no capacity away, though another node is unhealthy."""

    def kill(_: Call) -> None:
        raise KilledError

    agents.deploy(**NEW)
    cloud.faults.heal()
    cloud.faults.add(Fault(lambda _: bool(agents.nodes["node1"].held), kill, on=1))
    agents.install()
    with pytest.raises(KilledError):
        rolling(cloud).roll("node1")
    cloud.faults.heal()
    agents.install()
    assert (agents.out(), marked(cloud)) == ({"node1"}, {"node1"})
    cloud.become(CLUSTER, "node3", UNHEALTHY)
    assert rolling(cloud, take_over=True).roll("node1") == ["node1"]
    assert (agents.out(), marked(cloud), agents.nodes["node1"].held) == (set(), set(), "")


def test_an_operators_drain_is_left_alone(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    cloud.take_out(CLUSTER, "node2")
    region, id_ = cloud.stack(CLUSTER).region, cloud.nodes(CLUSTER)["node2"]
    text = DrainTag.now(cloud.clock, why="promotion", who="ann").text
    cloud.client("ec2", region).create_tags(
        Resources=[id_], Tags=[{"Key": "denodo:drained", "Value": text}]
    )
    with pytest.raises(Refused, match=r"node2 is out since .* by ann: promotion"):
        rolling(cloud).roll()
    assert agents.out() == {"node2"}
    assert all(node.applies == 0 for node in agents.nodes.values())


def test_a_deploy_under_way_is_waited_for(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    cloud.stack(CLUSTER).status = "UPDATE_IN_PROGRESS"
    with pytest.raises(Failed, match="is being deployed"):
        rolling(cloud).roll()
    assert agents.out() == set()


def test_a_plain_deploy_in_between(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    cloud.clock.at(100, lambda: agents.deploy(jvm={"vdp": "-Xmx4096m"}))
    rolling(cloud).roll()
    all_is_well(cloud, agents)


def test_an_agent_that_does_not_answer(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    agents.nodes["node3"].reachable = False
    with pytest.raises(Failed, match=r"node3 .* cannot be reached through Systems Manager"):
        rolling(cloud).roll()
    assert agents.out() == set()


def test_two_at_once(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    aws, region = Aws(), cloud.stack(CLUSTER).region
    name = f"/denodo/{cloud.environment.name}/{CLUSTER}/.lock"
    other = Lock(aws, region, name, clock=cloud.clock, what="rollout")
    with other.held() as renewing:
        for at in range(50, 400, 50):
            cloud.clock.at(at, lambda: renewing.sleep(0))
        with pytest.raises(Refused, match=r"rollout.*--take-over"):
            rolling(cloud).roll()
        assert agents.most_out == 0
        rolling(cloud, take_over=True).roll()
        with pytest.raises(Failed, match="lock"):
            other.prove()
    all_is_well(cloud, agents)


def test_the_lock_of_a_killed_run_ends(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    killed = Lock(
        Aws(),
        cloud.stack(CLUSTER).region,
        f"/denodo/{cloud.environment.name}/{CLUSTER}/.lock",
        clock=cloud.clock,
        what="roll",
    ).held()
    killed.__enter__()
    cloud.clock.sleep(301)
    rolling(cloud).roll()
    all_is_well(cloud, agents)


def test_throttled_while_it_waits(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    for on in (5, 12, 13, 14, 30):
        cloud.faults.throttle("DescribeTargetHealth", on=on)
        cloud.faults.throttle("GetCommandInvocation", on=on)
    for _ in range(5):
        with contextlib.suppress(Throttled):
            rolling(cloud).roll()
    all_is_well(cloud, agents)


def test_throttled_for_good_says_what_stands(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    cloud.faults.throttle("DeregisterTargets")
    with pytest.raises(Throttled, match="Run the command again to continue"):
        rolling(cloud).roll()
    assert agents.out() == set()


def test_credentials_expire_on_the_way(cloud: Cloud, agents: Agents) -> None:
    agents.deploy(**NEW)
    cloud.faults.expire("RegisterTargets", on=1)
    with pytest.raises(
        ExpiredCredentials, match=r"node1 has a drain tag, and is not back.*Run the command again"
    ):
        rolling(cloud).roll()
    rolling(cloud).roll()
    all_is_well(cloud, agents)


class KilledError(BaseException):
    """Simulated kill of the process: a BaseException that no handler of the command catches."""


def test_killed_at_each_change_of_a_node_and_resumed(cloud: Cloud, agents: Agents) -> None:
    """Interrupt the command before a change of one node, or kill it after the change.

    The command is then resumed. The other nodes are changed in the same way, so only the last
    resumed command of each kind changes them, too.
    """
    kinds = itertools.cycle(((KeyboardInterrupt, False), (KilledError, True)))
    changes = range(5, 24)
    for on, (kind, after) in zip(changes, kinds, strict=False):
        agents.deploy(jvm={"vdp": f"-Xmx{100 + on}m"})
        cloud.faults.heal()
        cloud.faults.interrupt(on=on, after=after, changing=True, kind=kind)
        agents.install()
        with pytest.raises((Interrupted, KilledError)):
            rolling(cloud).roll()
        cloud.faults.heal()
        agents.install()
        if on in changes[-2:]:
            rolling(cloud, take_over=True).roll()
            all_is_well(cloud, agents)
        else:
            rolling(cloud, take_over=True).roll("node1")
            assert (agents.stale, agents.out(), marked(cloud)) == ({"node2", "node3"}, set(), set())
            assert agents.most_out == 1
    assert [one.operation for one in cloud.calls.changes][-1] == "DeleteParameter"


def test_the_command(agents: Agents, denodo_ha: Run) -> None:
    done = denodo_ha("roll", "-c", "active-active")
    assert (done.exit_code, done.stdout) == (0, "main: every node has its desired state\n")
    agents.deploy(**NEW)
    done = denodo_ha("roll", "-c", "active-active", "--dry-run", "--node", "node2")
    assert (done.exit_code, done.stdout) == (0, "main node2: waits for its new state\n")
    assert agents.most_out == 0
    assert denodo_ha("roll", "-c", "active-active", "--node", "node9").exit_code == 2
