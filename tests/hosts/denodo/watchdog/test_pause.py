"""A paused node: watchdog and export timer rest until the end, and the alarms are silenced."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hosts.denodo.commands import main
from hosts.denodo.errors import OK, WOULD_CHANGE, BusyError
from hosts.denodo.metadata import metadata_export
from hosts.denodo.record import Record
from hosts.denodo.servers.servers import Servers
from hosts.denodo.system import System
from hosts.denodo.watchdog import server_revival
from hosts.denodo.watchdog.operator_scripts import OperatorScripts
from hosts.denodo.watchdog.watch_loop import SILENCE_S, WatchLoop
from tests.hosts.denodo.cloud import PARAMETER, Cloud
from tests.hosts.denodo.home import Home

NAMESPACE = "Denodo/Pause/prod-active"
UNTIL = datetime(2030, 1, 1, 9, tzinfo=UTC)


def _at(home: Home, minutes: int) -> System:
    """Return the machine with a clock that is some minutes after the end of the pause."""
    return replace(home.system, now=lambda: UNTIL + timedelta(minutes=minutes))


def _pause(home: Home, *more: str) -> int:
    pause = ("pause", "--until", UNTIL.isoformat(), "--who", "ann", "--why=-switches")
    return main([*home.arguments, *pause, *more])


def test_watchdog_and_timers_rest_until_the_end(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    Cloud(home.folder).parameter(json.dumps(home.data()))
    assert main([*home.arguments, "apply", f"--parameter={PARAMETER}"]) == OK
    monkeypatch.setattr(Servers, "starting", lambda _servers: False)
    exports: list[str] = []

    def not_due(*_: object) -> bool:
        exports.append("asked")
        return False

    monkeypatch.setattr(metadata_export, "_due", not_due)
    state = Record(home.system).applied
    assert state is not None
    # The program only reads whether the state has exports.
    monkeypatch.setattr(Record, "applied", replace(state, exports=object()))  # type: ignore[arg-type]
    Record(home.system).watch(["vdp"])
    assert _pause(home) == OK
    paused, over = _at(home, -1), _at(home, 0)
    assert server_revival.look(paused, act=False) == BusyError.code
    metadata_export.export(paused, if_due=True)
    assert exports == []
    status = Record(paused).contents()["paused"]
    assert (status["why"], status["who"]) == ("-switches", "ann")
    # The pause ends at its time, without a command.
    assert server_revival.look(over, act=False) in {OK, WOULD_CHANGE}
    metadata_export.export(over, if_due=True)
    assert exports == ["asked"]
    assert Record(over).contents()["paused"] is None
    assert main([*home.arguments, "resume"]) == OK
    assert Record(paused).paused is None


def test_the_alarms_are_silenced_while_it_is_paused(home: Home) -> None:
    cloud = Cloud(home.folder)
    cloud.answer("put-metric-data", {})
    assert _pause(home, f"--namespace={NAMESPACE}") == OK
    assert main([*home.arguments, "silence"]) == OK
    put = ["cloudwatch", "put-metric-data", f"--namespace={NAMESPACE}"]
    assert [call[:3] for call in cloud.calls()] == [put, put]
    assert cloud.calls()[0][3:] == ["--metric-name=Paused", "--value=1"]
    cloud.fault("put-metric-data", "An error occurred (AccessDenied)")
    assert _pause(home, f"--namespace={NAMESPACE}") == 1, "the command learns of a missing right"
    assert Record(_at(home, -1)).paused is not None, "and the node rests nevertheless"
    assert main([*home.arguments, "resume"]) == OK
    assert main([*home.arguments, "silence"]) == OK
    assert len(cloud.calls()) == 3


@pytest.mark.parametrize("until", ["tomorrow", "2030-13-01T00:00:00+00:00", ""])
def test_an_end_that_is_no_time_is_refused(home: Home, until: str) -> None:
    assert main([*home.arguments, "pause", "--until", until, "--who", "ann", "--why", "x"]) == 3
    assert Record(home.system).paused is None


@pytest.mark.parametrize("text", ["{", "[]", '{"until": 1}', '{"until": "2030-01-01T09:00"}'])
def test_a_record_that_cannot_be_read_is_no_pause(home: Home, text: str) -> None:
    """A damaged record must not make a pause last for ever."""
    record = Record(home.system)
    record.pause_file.write_text(text)
    assert record.paused is None
    assert not record.rests


def test_the_loop_silences_once_a_minute_also_while_denodo_is_stopped(tmp_path: Path) -> None:
    time, paused, silences = 1000.0, False, list[float]()
    loop = WatchLoop(
        OperatorScripts(tmp_path, tmp_path),
        unit_active=lambda: False,
        look=lambda **_: OK,
        now=lambda: time,
        paused=lambda: paused,
        silence=lambda: silences.append(time),
    )
    loop.step()
    assert silences == []
    paused = True
    for _ in range(181):
        loop.step()
        time += 1
    assert silences == [1000.0, 1000 + SILENCE_S, 1000 + 2 * SILENCE_S, 1000 + 3 * SILENCE_S]
