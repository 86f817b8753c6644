"""Truncated or malformed answers and files of HAProxy are refused, and no file is replaced."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hosts.haproxy import commands
from hosts.haproxy.errors import DOWN, NO, Failed, NoAnswer, Refused, UsageError
from hosts.haproxy.reloading import reload
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.server_state_file import admin_states
from hosts.haproxy.servers import parse_states, parse_statistics, servers
from hosts.haproxy.validation import validate
from hosts.haproxy.workers import node_sessions, workers
from tests.hosts.haproxy.played_haproxy import GOOD, played_haproxy
from tests.hosts.haproxy.small_haproxy import small_haproxy
from tests.support.servers.haproxy_program import PROGRAM
from tests.support.servers.ports import free_port

STATES, STATISTICS = GOOD["show servers state"], GOOD["show stat"]
_HEADER_ONLY = "".join(STATES.splitlines(keepends=True)[:2])
_LATIN_1 = b"global\n    # caf\xe9\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hx-") as name:
        yield Path(name)


def _run(haproxy: LocalHaproxy, *command: str | Path) -> int:
    return commands.main(
        [
            *("--run", str(haproxy.run), "--state", str(haproxy.state)),
            *("--config", str(haproxy.config), "--haproxy", haproxy.program),
            *map(str, command),
        ]
    )


@pytest.mark.parametrize(
    ("parse", "answer"), [(parse_states, STATES), (parse_statistics, STATISTICS)]
)
def test_no_part_of_an_answer_is_taken_for_the_whole(
    parse: Callable[[str], object], answer: str
) -> None:
    parse(answer)
    for length in range(len(answer)):
        with pytest.raises(Failed, match="incomplete or not as expected"):
            parse(answer[:length])


@pytest.mark.parametrize("command", GOOD)
def test_a_cut_answer_is_no_answer(folder: Path, command: str) -> None:
    answer = GOOD[command].encode()
    for cut in (1, len(answer) // 3, len(answer) - 1):
        with (
            tempfile.TemporaryDirectory(dir=folder) as inside,
            played_haproxy(Path(inside), {command: answer[:cut]}) as haproxy,
            pytest.raises(NoAnswer, match=f"did not complete its answer to `{command}`"),
        ):
            haproxy.query(command)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("1\n", "2\n", 1),
        lambda text: text.replace(" srv_admin_state", ""),
        lambda text: text.replace(" node2 ", " "),
        lambda text: text.replace("node2", "n\xf6de2"),
        lambda text: text.replace(" 0 0 1 1 ", f" {'9' * 5001} 0 1 1 "),
        lambda text: text.replace(" 0 0 1 1 ", " zero 0 1 1 "),
    ],
)
def test_other_forms_of_the_servers_are_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(Failed, match="show servers state` is incomplete or not as expected"):
        parse_states(change(STATES))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",scur,", ",other,"),
        lambda text: text.replace("jdbc,node1,0,0,0,", "jdbc,node1,0,0,many,"),
        lambda text: text.replace("jdbc,node1,0,0,0,", f"jdbc,node1,0,0,{'9' * 5001},"),
        lambda text: text.replace("jdbc,node1,0,", "jdbc,node1,"),
        lambda text: text.replace("jdbc,node1,0,", 'jdbc,node1,"0,'),
    ],
)
def test_other_forms_of_the_statistics_are_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(Failed, match="show stat` is incomplete or not as expected"):
        parse_statistics(change(STATISTICS))


@pytest.mark.parametrize(
    "answer",
    [_HEADER_ONLY, f"{_HEADER_ONLY}\n".replace(" srv_name", ""), STATES[:300], STATES[:-1]],
)
def test_a_cut_answer_does_not_replace_the_state_file(folder: Path, answer: str) -> None:
    with played_haproxy(folder, {"show servers state": answer.encode()}) as haproxy:
        assert _run(haproxy, "save") == Failed.code
        assert haproxy.state.read_text() == STATES
        assert {path.name for path in folder.iterdir()} == {
            *("admin.sock", "master.sock", "haproxy.cfg", "server-state", "server-state.lock")
        }


@pytest.mark.parametrize(
    ("command", "answer", "message"),
    [
        ("show servers state", f"{_HEADER_ONLY}\n", "HAProxy has no server"),
        ("show servers state", STATES[:400], "did not complete its answer"),
        ("show stat", STATISTICS[:900], "did not complete its answer"),
        ("show stat", "# pxname,svname,qcur\njdbc,node1,0\n\n", "show stat` is incomplete"),
        ("show proc", "\n\n", "answer to `show proc` is not as expected"),
        ("show proc", "\n", "did not complete its answer"),
    ],
)
def test_status_of_a_cut_answer_is_a_failure(
    folder: Path, command: str, answer: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with played_haproxy(folder, {command: answer.encode()}) as haproxy:
        assert _run(haproxy, "status") == Failed.code
    assert message in capsys.readouterr().err


def test_status_is_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with played_haproxy(folder, {}) as haproxy:
        _run(haproxy, "status")
        heading, *rows, worker = capsys.readouterr().out.splitlines()
        assert heading.split()[:3] == ["Backend", "Node", "State"]
        assert {row.split()[0] for row in rows} >= {"jdbc"}
        assert worker.startswith("Worker ")
        _run(haproxy, "status", "--format", "json")
        assert "\\n" not in capsys.readouterr().out


def test_words_of_haproxy_in_an_error_are_escaped(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with played_haproxy(folder, {"show proc": b"\x1b[2J\n\n"}) as haproxy:
        haproxy.config.write_text("global\n")
        validator = folder / "haproxy"
        validator.write_text("#!/bin/sh\nprintf 'line 1\\nline \\033[2J2\\n' >&2; exit 1\n")
        validator.chmod(0o755)
        assert _run(replace(haproxy, program=str(validator)), "reload") == Refused.code
    written = capsys.readouterr().err
    assert "\x1b" not in written
    assert "line 1\nline \\x1b[2J2\n" in written


def test_cut_statistics_do_not_prove_that_no_session_is_left(folder: Path) -> None:
    cut = STATISTICS[: STATISTICS.index("jdbc,node1")].encode()
    with (
        played_haproxy(folder, {"show stat": cut}) as haproxy,
        pytest.raises(NoAnswer, match="did not complete"),
    ):
        node_sessions(haproxy, "node1")


def test_an_old_worker_that_answers_in_part_has_unknown_sessions(folder: Path) -> None:
    old = GOOD["show proc"].replace(
        "# programs", "# old workers\n4711 worker 1 0d00h00m03s 2.8\n# programs"
    )
    answers = {"show proc": old.encode(), "@!4711 show stat": STATISTICS[:900].encode()}
    with played_haproxy(folder, answers) as haproxy:
        assert workers(haproxy).old == (4711,)
        with pytest.raises(NoAnswer, match="did not complete"):
            node_sessions(haproxy, "node1")


def test_without_a_worker_the_host_is_down(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = "\n".join(line for line in GOOD["show proc"].split("\n") if " worker " not in line)
    with played_haproxy(folder, {"show proc": answer.encode()}) as haproxy:
        assert _run(haproxy, "status") == DOWN
    assert "No worker serves" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        STATES.encode()[:-1],
        STATES.encode()[:400],
        STATES.encode().replace(b"node2", b"n\xffde2"),
    ],
)
def test_a_state_file_that_cannot_be_read_is_a_finding(
    folder: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with played_haproxy(folder, {}) as haproxy:
        haproxy.state.write_bytes(content)
        assert _run(haproxy, "verify") == NO
        assert f"WRONG the state file {haproxy.state} cannot be read" in capsys.readouterr().out
        assert _run(haproxy, "save") == 0
        assert parse_states(haproxy.state.read_text())
        assert set(admin_states(haproxy)) == {
            f"{row['be_name']}/{row['srv_name']}" for row in parse_states(STATES)
        }


def test_information_without_numbers_is_a_failure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with played_haproxy(folder, {"show info": b"Name: HAProxy\n\n"}) as haproxy:
        assert _run(haproxy, "verify") == Failed.code
    assert "HAProxy's answer to `show info` is not as expected" in capsys.readouterr().err


def test_a_configuration_is_bytes(folder: Path) -> None:
    with played_haproxy(folder, {}) as haproxy:
        haproxy.config.write_bytes(_LATIN_1)
        assert "has no error" in validate(PROGRAM, haproxy.config)
        assert _run(haproxy, "verify") == NO
        new = folder / "new.cfg"
        new.write_bytes(_LATIN_1 + b"frontend a\n    bind :99999\n")
        with pytest.raises(Refused, match=r"needs port 99999: the port number does not exist"):
            reload(haproxy, new, lambda _: None)
        assert haproxy.config.read_bytes() == _LATIN_1


def test_a_configuration_that_cannot_be_read_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        validate(PROGRAM, folder / "none.cfg")


_MIXED = """
frontend in
    bind 127.0.0.1:{port}
backend vdp
    server jdbc1 127.0.0.2:1
    server jdbc2 127.0.0.3:1
backend pg
    server odbc1 127.0.0.2:2
    server odbc2 127.0.0.3:2
backend web
    server a 127.0.0.2:3
    server b 127.0.0.3:3
    server c 127.0.0.3:4
backend swapped
    server a 127.0.0.3:5
    server z 127.0.0.2:5
"""


def test_a_drain_takes_every_server_of_the_machine(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All servers at one address belong to one machine, even if their names differ."""
    haproxy = LocalHaproxy(folder, folder / "server-state", folder / "haproxy.cfg", PROGRAM)
    with small_haproxy(haproxy, more=_MIXED.format(port=free_port())):
        assert _run(haproxy, "drain", "jdbc1") == 0
        out = {server.id for server in servers(haproxy) if server.maint}
        assert out == {"vdp/jdbc1", "pg/odbc1", "web/a", "swapped/z"}
        assert _run(haproxy, "enable", "odbc1") == 0
        assert not any(server.maint for server in servers(haproxy))
        assert _run(haproxy, "drain", "a") == UsageError.code
        assert (
            "a is the name of several machines (swapped/a at 127.0.0.3, web/a at 127.0.0.2): name"
            " one machine as BACKEND/SERVER, such as swapped/a; nothing was changed"
        ) in capsys.readouterr().err
        assert _run(haproxy, "drain", "web/a") == 0
        assert {server.id for server in servers(haproxy) if server.maint} == out
        assert _run(haproxy, "enable", "web/a") == 0
        # Servers of one backend at the same address are an exception: they count as two nodes.
        assert _run(haproxy, "drain", "web/c") == 0
        maint = {server.id for server in servers(haproxy) if server.maint}
        assert "web/c" in maint
        assert "web/b" not in maint


def test_a_warning_is_called_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    haproxy = LocalHaproxy(folder, folder / "server-state", folder / "haproxy.cfg", PROGRAM)
    with small_haproxy(haproxy):
        new = folder / "new.cfg"
        new.write_text(f"{haproxy.config.read_text()}\nbackend more\n    cookie x\n")
        assert _run(haproxy, "reload", new) == Refused.code
        assert f"HAProxy starts with {new} and gives a warning:" in capsys.readouterr().err
        haproxy.config.write_text(new.read_text())
        assert _run(haproxy, "verify") == NO
        output = capsys.readouterr().out
        assert f"WRONG HAProxy starts with {haproxy.config} and gives a warning:" in output
        haproxy.config.write_text(f"{haproxy.config.read_text()}    bogus\n")
        assert _run(haproxy, "verify") == NO
        assert f"WRONG HAProxy does not accept {haproxy.config}:" in capsys.readouterr().out
