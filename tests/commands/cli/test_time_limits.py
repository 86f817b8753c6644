"""Every command that calls AWS has a time limit, which bounds its calls and its waits."""

import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from denodo_ha.aws import deadline
from denodo_ha.aws.polling import PollTimeout, poll_until
from denodo_ha.cli import options, process
from denodo_ha.cli.commands import Command
from denodo_ha.cli.time_limit import ANSWER, ANSWER_S, LEAST_S, TimeLimit, limit_of, limited
from tests.commands.account.virtual_clock import VirtualClock
from tests.commands.conftest import Run
from tests.support.assembly import ROOT
from tests.support.program_commands import WITHOUT_AWS, command_functions


def test_every_command_has_a_limit() -> None:
    without = {name for name, function in command_functions() if limit_of(function) is None}
    assert without == WITHOUT_AWS


def test_the_limits_are_documented() -> None:
    """`docs/reference/denodo-ha.md` lists each command's time limit, waits and total time."""
    text = (ROOT / "docs/reference/denodo-ha.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    documented = {
        name: (seconds, re.findall(r"(\d+):", waits), total)
        for names, seconds, waits, total, _ in (row for row in rows if len(row) == 5)
        for name in re.findall("`([^`]+)`", names)
    }
    limits = {name: limit_of(function) for name, function in command_functions()}
    assert documented == {
        name: (f"{limit.seconds:g}", [f"{wait:g}" for wait in limit.waits], f"{limit.total():g}")
        for name, limit in limits.items()
        if limit is not None
    }


@pytest.mark.parametrize("name", ["status", "verify", "plan", "failover status"])
def test_what_shows_a_state_ends_within_the_promised_time(name: str) -> None:
    limit = limit_of(dict(command_functions())[name])
    assert limit is not None
    assert limit.total() < ANSWER_S


def test_timeout_is_for_each_wait_and_bounds_the_command() -> None:
    limit = TimeLimit(300, waits=(315, 600))
    assert limit.total() == 1215
    assert limit.total(60) == 420


def test_the_help_of_each_command_ends_with_its_limit() -> None:
    for name, function in command_functions():
        limit = limit_of(function)
        if limit is not None:
            assert (function.__doc__ or "").endswith(f"\n\n{limit.text()}"), name


def test_the_text_of_a_limit() -> None:
    assert TimeLimit(30).text() == "The command ends within 30 s."
    one = TimeLimit(30, waits=(300,)).text()
    assert one == "The command ends within 330 s, with --timeout T within 30 s and T."
    several = TimeLimit(300, waits=(315, 600), then="an hour for each node").text()
    assert several == (
        "The command ends within 1215 s, with --timeout T within 300 s and 2 T, plus: an hour for "
        "each node."
    )


Left = Callable[..., float]


@pytest.fixture
def left(denodo_ha: Run) -> Left:
    """Return a function that runs a command and returns the seconds left of its time limit."""

    def run(limit: TimeLimit, *arguments: str) -> float:
        seconds: list[float] = []

        @limited(limit)
        def sample(*, timeout: options.Timeout = None) -> None:  # noqa: ARG001 - read by `limited`
            seconds.append(deadline.left(100_000))

        result = denodo_ha(
            "sample", *arguments, commands=[Command("sample", "Look", "Sample.", lambda: sample)]
        )
        assert result.exit_code == 0, result.output
        return seconds[0]

    return run


def test_a_command_runs_with_its_limit(left: Left) -> None:
    assert 0 < left(TimeLimit(20, waits=(1000,)), "--timeout", "30") <= 50
    assert 990 < left(TimeLimit(20, waits=(1000,))) <= 1020


def test_the_start_of_the_process_counts(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "age", lambda: 6.0)
    assert ANSWER.total() - 7 < left(ANSWER) <= ANSWER.total() - 6
    monkeypatch.setattr(process, "age", lambda: 60.0)
    assert 0 < left(ANSWER) <= LEAST_S


def test_the_age_of_a_process_includes_its_imports() -> None:
    program = (
        "import time; from denodo_ha.cli import process\n"
        "process.run(lambda: time.sleep(0.3) or (lambda: print(process.age())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert float(done.stdout) >= 0.3


def test_no_wait_overruns_the_command() -> None:
    """A wait ends before the command's time limit, and reports what it observed last."""
    clock, seen = VirtualClock(), []

    def look() -> str:
        seen.append(deadline.left(1000))
        return "not yet"

    with deadline.limited(10), pytest.raises(PollTimeout) as late:
        poll_until(
            look,
            done=lambda _: False,
            clock=clock,
            timeout=600,
            every=3,
        )
    assert late.value.last == "not yet"
    assert clock.monotonic() <= 10 - deadline.LAST_LOOK_S
    assert all(0 < seconds <= 10 for seconds in seen)


def test_a_stage_has_time_after_the_command_s_limit() -> None:
    with deadline.limited(0), TimeLimit(20, waits=(5,)).stage(1):
        assert 20 < deadline.left(1000) <= 21


@pytest.mark.usefixtures("running_deadlines")
def test_time_at_a_prompt_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 61.0, 62.0])
    monkeypatch.setattr(deadline, "_paused", 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with deadline.limited(8):
        with deadline.paused():
            pass
        assert deadline.left(100) == 6


@pytest.mark.usefixtures("running_deadlines")
def test_a_pause_inside_of_a_pause_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 2.0, 61.0, 62.0])
    monkeypatch.setattr(deadline, "_paused", 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with deadline.limited(8):
        with deadline.paused(), deadline.paused():
            pass
        assert deadline.left(100) == 6
