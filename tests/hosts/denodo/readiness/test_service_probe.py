"""The condition of one service over time, with a test clock and running stand-in servers."""

from collections.abc import Callable
from typing import Any

import pytest

from hosts.denodo.apply import apply
from hosts.denodo.readiness import earlier_rules, ping, probes
from hosts.denodo.readiness.service_probe import (
    PING_SECONDS,
    UNREADY_PING_SECONDS,
    ServiceProbe,
    Verdict,
)
from hosts.denodo.record import Record
from hosts.denodo.servers import processes
from hosts.denodo.state import Service, State
from tests.hosts.denodo.home import Home, eventually
from tests.support.suspended import suspend


class _Node:
    """A running node whose Virtual DataPort is probed at times that the test chooses.

    Attributes:
        now: current time of the test clock.
        started: time at which the Java processes were started.
    """

    def __init__(self, home: Home, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.home, self.now, self.started = home, 1000.0, 990.0
        monkeypatch.setattr(processes, "age", lambda *_: self.now - self.started)
        self.state: State = home.state(**changes)
        apply(home.system, self.state)
        service = Service("vdp", home.ports["vdp"])
        self._probe = ServiceProbe(home.system, service, clock=lambda: self.now)

    def after(self, seconds: float) -> Verdict:
        """Advance the clock by some seconds, and return the verdict."""
        self.now += seconds
        return self._probe.verdict(self.state)

    def pings(self) -> list[bool]:
        """Return whether the option `-r` was given, for each ping since the last call."""
        return [" -r " in call for call in self.home.calls() if call.startswith("ping.sh")]


MakeNode = Callable[..., _Node]


@pytest.fixture
def make_node(monkeypatch: pytest.MonkeyPatch) -> MakeNode:
    return lambda home, **changes: _Node(home, monkeypatch, **changes)


@pytest.fixture
def node(home: Home, make_node: MakeNode) -> _Node:
    running = make_node(home)
    home.calls()
    return running


def test_a_ready_server_is_pinged_rarely(node: _Node) -> None:
    assert node.after(0) == Verdict()
    assert node.pings() == [True]
    for _ in range(4):
        assert node.after(PING_SECONDS / 5) == Verdict()
    assert node.pings() == []
    assert node.after(PING_SECONDS / 5) == Verdict()
    assert node.pings() == [True]
    assert 15 <= PING_SECONDS <= 30


def test_a_refused_connection_is_noticed_without_java_and_pinged_at_once(node: _Node) -> None:
    assert node.after(0).ready
    node.home.end()
    assert eventually(lambda: not probes.listens(node.home.system, node.home.ports["vdp"]))
    node.pings()
    verdict = node.after(4)
    assert (verdict.condition, verdict.ready) == ("dead", False)
    assert verdict.reason == f"nothing listens on port {node.home.ports['vdp']}"
    assert node.pings() == []
    apply(node.home.system, node.home.state(jvm__vdp="-Xmx2048m"))
    node.pings()
    assert node.after(4) == Verdict()
    assert node.pings() == [True]


def test_a_short_busy_spell_keeps_the_node_in_service(node: _Node) -> None:
    assert node.after(0).ready
    node.home.behave("ping.sh", "promotion")
    node.pings()
    verdict = node.after(PING_SECONDS)
    assert (verdict.condition, verdict.ready) == ("busy", True)
    assert "the server is not ready" in verdict.reason
    assert node.pings() == [True, False], "a ping without -r tells busy from dead"
    assert node.after(29).ready
    verdict = node.after(1)
    assert (verdict.condition, verdict.ready) == ("busy", False)
    node.home.behave("ping.sh")
    node.pings()
    assert node.after(UNREADY_PING_SECONDS) == Verdict()
    # A new busy spell has the whole time limit again.
    node.home.behave("ping.sh", "promotion")
    assert node.after(PING_SECONDS).ready
    assert node.after(29).ready


def test_a_failure_between_two_busy_spells_ends_the_first(node: _Node) -> None:
    node.home.behave("ping.sh", "promotion")
    assert node.after(0).ready
    node.home.behave("ping.sh", "silent")
    assert not node.after(UNREADY_PING_SECONDS).ready
    node.home.behave("ping.sh", "promotion")
    assert node.after(UNREADY_PING_SECONDS).ready
    assert node.after(29).ready


def test_the_time_of_a_busy_spell_is_a_key(home: Home, make_node: MakeNode) -> None:
    node = make_node(home, ready__busy_seconds=0)
    assert node.after(0).ready
    home.behave("ping.sh", "promotion")
    assert not node.after(PING_SECONDS).ready


def test_a_refusal_that_names_single_user_mode_is_busy(node: _Node) -> None:
    node.home.behave("ping.sh", "single-user")
    node.pings()
    verdict = node.after(0)
    assert (verdict.condition, verdict.ready) == ("busy", True)
    assert node.pings() == [True], "its text is enough"


def test_a_failure_of_both_pings_is_dead_and_leaves_at_once(node: _Node) -> None:
    assert node.after(0).ready
    node.home.behave("ping.sh", "silent")
    verdict = node.after(PING_SECONDS)
    assert (verdict.condition, verdict.ready) == ("dead", False)
    assert "timed out" in verdict.reason


def test_a_ping_that_does_not_end_is_dead(node: _Node, monkeypatch: pytest.MonkeyPatch) -> None:
    assert node.after(0).ready
    node.home.behave("ping.sh", "hang")
    node.pings()
    pings: list[bool] = []
    seconds = 0.5
    while not pings:  # a busy machine needs more time until the script has recorded its call
        monkeypatch.setattr(ping, "SECONDS", seconds)
        verdict = node.after(PING_SECONDS)
        assert (verdict.condition, verdict.ready) == ("dead", False)
        assert verdict.reason.startswith("the server did not answer: ping.sh")
        pings, seconds = node.pings(), 4 * seconds
    assert pings == [True], "a second one would take as long"


def test_a_server_that_hangs_is_found_without_java(
    node: _Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel accepts connections for the hung server, but the ODBC port does not answer."""
    assert node.after(0).ready
    running = node.home.running()
    assert running
    suspend(running["pid"])
    node.pings()
    node.started = node.now + 1  # a server without an answer is dead, even just after a start
    monkeypatch.setattr(probes, "SECONDS", 0.5)
    verdict = node.after(4)
    assert (verdict.condition, verdict.ready) == ("dead", False)
    assert (
        verdict.reason
        == f"the server did not answer on port {node.home.ports['odbc']} within 0.5 s"
    )
    assert node.pings() == []


def test_a_silent_odbc_port_takes_no_node_out_that_served_by_the_earlier_rule(
    node: _Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions did not ask the ODBC port whether Virtual DataPort is ready."""
    record = Record(node.home.system)
    record.remember_readiness(rules="")  # the record as an earlier version of the program wrote it
    node.home.behave("odbc", "silent")
    monkeypatch.setattr(probes, "SECONDS", 0.5)
    node.home.behave("ping.sh", "silent")
    apply(node.home.system, node.state)
    assert record.readiness["rules"] == "", "the node is not ready by either rule"

    node.home.behave("ping.sh")
    assert node.after(4) == Verdict()
    apply(node.home.system, node.state)
    assert record.readiness["rules"] == "earlier"
    assert "jdbc: the server did not answer on port" in earlier_rules.warning(node.state, record)
    assert node.after(4) == Verdict()

    earlier_rules.accept(record)
    assert node.after(4).condition == "dead"


def test_an_odbc_port_that_is_turned_off_is_no_failure(home: Home, make_node: MakeNode) -> None:
    node = make_node(home)
    assert node.after(0).ready
    closed = home.state(ports__odbc=home.ports["web_tls"], ports__web_tls=None)
    node.state = closed
    node.pings()
    assert node.after(4).ready, "nothing listens there"
    assert node.pings() == [True], "it listened before, so the server may be another one"
    assert node.after(4).ready
    assert node.pings() == []


def test_a_server_that_was_started_just_now_is_starting(home: Home, make_node: MakeNode) -> None:
    node = make_node(home, limits__start_seconds=15)
    # This probe has not seen a ready server, and Denodo's Java process has just started.
    home.behave("ping.sh", "silent")
    verdict = node.after(0)
    assert (verdict.condition, verdict.ready) == ("starting", False)
    assert node.after(UNREADY_PING_SECONDS).condition == "dead", "its time is over"


def test_a_server_that_was_ready_is_starting_only_after_another_start(
    home: Home, make_node: MakeNode
) -> None:
    node = make_node(home, limits__start_seconds=300)
    assert node.after(0).ready
    node.home.behave("ping.sh", "silent")
    assert node.after(PING_SECONDS).condition == "dead"
    node.started = node.now + 5
    assert node.after(UNREADY_PING_SECONDS).condition == "starting"


@pytest.mark.parametrize("version", ["7.0", "8.0"])
def test_pings_without_readiness(make_home: Any, make_node: MakeNode, version: str) -> None:
    home = make_home(version)
    home.make_older()
    node = make_node(home)
    node.pings()
    home.behave("ping.sh", "promotion")
    assert node.after(0) == Verdict()
    assert node.pings() == [False]


def test_a_node_of_an_earlier_program_has_no_record_of_its_ping(
    home: Home, make_node: MakeNode
) -> None:
    node = make_node(home)
    home.make_older()
    Record(home.system).remember_readiness(ping="")
    node.pings()
    assert node.after(0).ready, "a refusal of the option itself is no failure"
    assert node.pings() == [True, False]
