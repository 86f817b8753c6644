"""Hold of the watchdog of a node: `drain` holds the node, and `enable` releases the node."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from typer.testing import Result

from denodo_ha.cli import exit_codes
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.node_agent import NodeStatus
from denodo_ha.deployed.rotation import watchdog_hold
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.drain import command
from tests.commands.account.agents import Agents, Node
from tests.commands.account.calls import Call, Fault
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Clouds, Run

DOCUMENT = "AWS::SSM::Document"


class Site:
    """A cluster with simulated nodes; `node` is node1."""

    def __init__(self, cloud: Cloud, run: Run) -> None:
        self.cloud, self._run = cloud, run
        self.agents = Agents(cloud, "active")

    @property
    def node(self) -> Node:
        return self.agents.nodes["node1"]

    def has_tag(self) -> bool:
        return self.cloud.mark("active", "node1") is not None

    def interrupt(self, operation: str) -> None:
        """Interrupt the next call of an operation before the simulated agents carry it out."""
        self.cloud.faults.heal()
        self.cloud.faults.interrupt(operation, on=1)
        self.agents.install()

    def go(self, verb: str, *arguments: str, code: int = exit_codes.DONE) -> Result:
        done = self._run(verb, "node1", *arguments, "--cluster", "active", "-c", "active-passive")
        assert done.exit_code == code, done.output
        return done


@pytest.fixture
def site(clouds: Clouds, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch) -> Site:
    cloud = clouds("active-passive", "active")
    cloud.targets.hurry(30)
    monkeypatch.setattr(command, "real_clock", lambda: cloud.clock)
    return Site(cloud, denodo_ha)


def test_a_drained_node_is_held_until_it_is_enabled(site: Site) -> None:
    done = site.go("drain", "--why", "-disk; new")
    assert site.node.held == "-disk; new"
    assert "warning" not in done.stderr
    done = site.go("enable")
    assert (site.node.holds, site.node.held) == (["hold", "release"], "")
    assert "warning" not in done.stderr


def _is_silent(site: Site) -> None:
    site.node.reachable = False


def _is_slow(site: Site) -> None:
    site.agents.slow = True


def _is_denied(site: Site) -> None:
    """Deny commands on nodes: the Solution Manager's policy does not allow them."""
    site.cloud.faults.heal()
    site.cloud.faults.deny("SendCommand")
    site.agents.install()


@pytest.mark.parametrize("fail", [_is_silent, _is_slow, _is_denied])
def test_a_node_that_cannot_be_held_is_drained_and_released_later(
    site: Site, fail: Callable[[Site], None]
) -> None:
    fail(site)
    done = site.go("drain")
    assert site.has_tag()
    assert "warning: it is not known whether the watchdog of node1 rests (" in done.stderr
    assert "node hold WHY" in done.stderr
    # An earlier drain has held the node; `enable` cannot release the hold.
    site.node.held = "an earlier drain"
    done = site.go("enable")
    assert not site.has_tag()
    assert "warning: the watchdog of node1 may still rest" in done.stderr
    assert "denodo-ha enable node1 --cluster active" in done.stderr
    site.node.reachable, site.agents.slow = True, False
    site.cloud.faults.heal()
    site.agents.install()
    assert "warning" not in site.go("enable").stderr
    assert site.node.held == ""


def test_a_program_of_an_earlier_version_has_nothing_to_release(site: Site) -> None:
    site.node.hold_outcome = node_agent.UNKNOWN_ACTION
    assert "of another version" in site.go("drain").stderr
    assert site.has_tag()
    assert "warning" not in site.go("enable").stderr
    assert not site.has_tag()


def test_documents_without_the_actions_do_not_get_them(site: Site) -> None:
    for resource in site.cloud.stack("active").template["Resources"].values():
        if resource["Type"] == DOCUMENT:
            action = resource["Properties"]["Content"]["parameters"]["Action"]
            action["allowedValues"] = ["status", "apply", "drain", "undrain"]
    assert "of an earlier version, without the action hold" in site.go("drain").stderr
    assert "warning" not in site.go("enable").stderr
    assert site.node.holds == []
    # A cluster without the node program has no watchdog.
    del site.cloud.stack("active").outputs["NodeDocument"]
    assert "warning" not in site.go("drain").stderr


def test_ctrl_c_between_the_steps_and_again(site: Site) -> None:
    site.interrupt("SendCommand")
    interrupted = site.go("drain", code=exit_codes.INTERRUPTED)
    assert "Run the command again to wait until they have ended" in interrupted.stderr
    assert site.has_tag()
    site.go("drain")
    assert site.node.held == "maintenance"
    site.interrupt("GetCommandInvocation")
    site.go("enable", code=exit_codes.INTERRUPTED)
    assert site.has_tag(), "the tag remains until it is known that the node is released"
    site.go("enable")
    assert (site.node.held, site.has_tag()) == ("", False)


def test_a_command_that_lost_the_lock_holds_nothing(site: Site) -> None:
    def steal(_: Call) -> None:
        site.cloud.client("ssm", "eu-west-1").put_parameter(
            Name="/denodo/denodo70/active/.lock", Value='{"who": "eve"}', Overwrite=True
        )

    last = Fault(lambda call: call.operation == "DeregisterTargets", steal, on=3, after=True)
    site.cloud.faults.add(last)
    assert "has taken over the lock" in site.go("drain", code=exit_codes.FAILED).stderr
    assert site.node.holds == []


@pytest.mark.parametrize(
    ("held", "tagged", "drained", "said"),
    [
        (True, True, False, ""),
        (True, False, False, "`denodo-ha enable node1 --cluster c -c CONFIG` to release the node"),
        (False, True, False, "`denodo-ha drain node1 --cluster c -c CONFIG` again to hold"),
        (False, True, True, ""),
        (None, True, False, ""),
        (False, False, False, ""),
    ],
)
def test_status_compares_hold_and_tag(
    *, held: bool | None, tagged: bool, drained: bool, said: str
) -> None:
    status = NodeStatus(None, confirmed=True, unready={}, drained=drained, drain_hold=held)
    tag = DrainTag.from_tags({"denodo:drained": "2026-01-01T00:00:00Z ann disk"} if tagged else {})
    text = "; ".join(watchdog_hold.warnings("c", status, "node1", tag))
    assert said in text if said else text == ""


def test_status_expects_no_hold_without_a_watchdog() -> None:
    applied = {"watchdog": False}
    status = NodeStatus(applied, confirmed=True, unready={}, drain_hold=False)
    tag = DrainTag.from_tags({"denodo:drained": "2026-01-01T00:00:00Z ann disk"})
    assert not [*watchdog_hold.warnings("c", status, "node1", tag)]
    assert [*watchdog_hold.warnings("c", replace(status, applied={}), "node1", tag)]
