"""Each apply checks whether `ping.sh` has the option `-r`."""

from typing import Any

import pytest

from hosts.common.process import Result
from hosts.denodo import node_warnings
from hosts.denodo.apply import apply
from hosts.denodo.errors import RolledBackError
from hosts.denodo.readiness import ping
from hosts.denodo.record import Record
from tests.hosts.denodo.home import Home, let_time_pass

_WARNING = "has no option -r, so the node remains ready during promotions"


def _pings(home: Home) -> list[str]:
    return [call for call in home.calls() if call.startswith("ping.sh")]


def test_an_update_without_the_option_comes_up_with_a_warning(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.make_older()
    state = home.state()
    apply(home.system, state)
    record = Record(home.system)
    assert home.running()
    assert record.readiness["ping"] == "alive"
    assert capsys.readouterr().out.count(_WARNING) == 1
    assert _WARNING in "".join(node_warnings.warnings(home.system, record))
    assert not ping.asks_readiness(state, record)

    # The next apply detects that a newer Denodo update has the option, and restarts no server.
    first = home.running()
    home.make_newer()
    apply(home.system, state)
    assert home.running() == first
    assert ping.asks_readiness(state, record)
    assert not list(node_warnings.warnings(home.system, record))


def test_the_option_is_looked_up_once_in_an_apply(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.behave("ping.sh", "promotion")
    let_time_pass(monkeypatch, lambda: home.last_call.startswith("ping.sh"))
    with pytest.raises(RolledBackError, match="the server is not ready"):
        apply(home.system, home.state())
    # Without arguments, `ping.sh` prints a usage that contains `-r`, so the program knows the
    # option. A failing ping then means that the server is not ready, and the program does not read
    # the usage again.
    assert _pings(home).count("ping.sh") == 1


@pytest.mark.parametrize(
    ("says", "has_option"),
    [
        ("Unrecognized option: -r", False),
        ("ERROR: unknown argument -r", False),
        ("invalid option -- r", False),
        ("usage: ping [-t <timeout>] //host", False),
        ("The server is in single user mode", True),
        ("A promotion is in progress", True),
        ("Unknown host", True),
        ("", True),
    ],
)
def test_refusals(home: Home, says: str, *, has_option: bool) -> None:
    record = Record(home.system)
    script = home.path / "bin/ping.sh"
    script.write_text(f'#!/bin/sh\ncase "$*" in *-r*) echo "{says}" >&2; exit 1;; esac\n')
    ping.find_ready_option(home.system, home.state(), record, home.ports["vdp"])
    assert record.readiness["ping"] == ("ready" if has_option else "alive")


def test_a_busy_server_has_the_option(home: Home) -> None:
    script = home.path / "bin/ping.sh"
    script.write_text(
        '#!/bin/sh\n[ $# = 0 ] && { echo "usage: ping [-t <ms>] URI"; exit 1; }\n'
        'echo "A promotion is in progress" >&2; exit 1\n'
    )
    record = Record(home.system)
    ping.find_ready_option(home.system, home.state(), record, home.ports["vdp"])
    assert record.readiness["ping"] == "ready"


@pytest.mark.parametrize(
    ("usage", "has_option"),
    [
        ("usage: ping [-t <ms>] URI", False),
        ("usage: ping [-r] [-t <ms>] URI", True),
        ("-r,--ready  -t,--timeout", True),
        ("this is all", True),
    ],
)
def test_an_unclear_refusal_is_settled_by_the_usage(
    home: Home, usage: str, *, has_option: bool
) -> None:
    script = home.path / "bin/ping.sh"
    script.write_text(
        f'#!/bin/sh\n[ $# = 0 ] && {{ echo "{usage}"; exit 1; }}\necho "No." >&2; exit 1\n'
    )
    record = Record(home.system)
    ping.find_ready_option(home.system, home.state(), record, home.ports["vdp"])
    assert record.readiness["ping"] == ("ready" if has_option else "alive")


_FAILS = Result(1, "", "no connection", 10)
_REFUSES = Result(1, "", "Unrecognized option: -r", 10)
_PASSES = Result(0, "", "", 10)


@pytest.mark.parametrize(
    ("answers", "readiness", "expected"),
    [
        ((_PASSES,), "auto", ("", False)),
        ((Result(1, "", "not ready", 10), _PASSES), "auto", ("not ready", True)),
        ((Result(1, "", "a promotion is in progress", 10),), "auto", ("promotion", True)),
        ((Result(1, "", "not ready", 10), _FAILS), "auto", ("no connection", False)),
        ((_REFUSES, _PASSES), "auto", ("", False)),
        (
            (_REFUSES, _PASSES),
            "strict",
            ("needs an update of Denodo whose ping.sh has the option -r", False),
        ),
        ((_REFUSES, _FAILS), "strict", ("no connection", False)),
        ((Result(None, "", "", 10),), "auto", ("the server did not answer", False)),
        ((PermissionError(13, "Permission denied"),) * 2, "auto", ("cannot be run: Perm", False)),
    ],
)
def test_a_plain_ping_tells_busy_from_dead(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[Result | OSError, ...],
    readiness: str,
    expected: tuple[str, bool],
) -> None:
    left = list(answers)

    def run(*arguments: object, **_: object) -> Result:
        assert ("-r" in arguments) == (len(left) == len(answers))
        answer = left.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(ping, "run_script", run)
    state = home.state(ready__virtual_dataport=readiness)
    answer = ping.ask(home.system, state, 1, ready=True)
    reason, busy = expected
    assert (reason in answer.reason, bool(answer.reason), answer.busy) == (True, bool(reason), busy)
    assert left == []


def test_ping_never_asks_for_readiness(home: Home) -> None:
    apply(home.system, home.state(ready__virtual_dataport="ping"))
    assert _pings(home)
    assert not [call for call in _pings(home) if "-r" in call]
    home.behave("ping.sh", "promotion")
    apply(home.system, home.state(ready__virtual_dataport="ping", jvm__vdp="-Xmx2048m"))


def test_strict_needs_the_option(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.make_older()
    with monkeypatch.context() as patch:
        let_time_pass(patch, lambda: home.last_call.startswith("ping.sh"))
        with pytest.raises(RolledBackError, match="readiness: strict` needs an update of Denodo"):
            apply(home.system, home.state(ready__virtual_dataport="strict"))
    home.make_newer()
    apply(home.system, home.state(ready__virtual_dataport="strict"))
    assert "ping" not in Record(home.system).readiness


def test_7_0_has_no_readiness(make_home: Any) -> None:
    home = make_home("7.0")
    apply(home.system, home.state())
    assert not [call for call in _pings(home) if "-r" in call]
    assert not list(node_warnings.warnings(home.system, Record(home.system)))
