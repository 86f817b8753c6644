"""Logs of a node: new lines are sent once, without secrets, and also when AWS does not answer."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from hosts.common import journal, log_loop
from hosts.common.program import Interrupted
from hosts.denodo import installation
from hosts.denodo.commands import main
from hosts.denodo.errors import ImageError
from hosts.denodo.logs import log_commands, log_files
from hosts.denodo.logs.log_files import LogFiles
from hosts.denodo.state import State
from tests.hosts.denodo.cloud import LOGIN, PARAMETER, SCHEDULER, Cloud
from tests.hosts.denodo.home import Home

MACHINE = "i-0123456789abcdef0"
VALUE = "correct horse battery"
OTHER = "staple-9417"
GROUP = {"group": "prod-active-Logs-X"}

Sent = dict[str, list[str]]


class Minutes:
    """The sender's `sleep`: each pause runs one step; after the last, SIGTERM ends the sender."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = [*steps]

    def __call__(self, seconds: float) -> None:
        assert seconds == log_loop.PAUSE_S
        if not self._steps:
            raise Interrupted(SIGTERM)
        self._steps.pop(0)()


def nothing() -> None:
    pass


class Node:
    """A node whose log group accepts events.

    Attributes:
        home: the Denodo installation.
        cloud: the stand-in for AWS.
        state: the desired state.
        state_with_secrets: a desired state with two secrets.
    """

    def __init__(self, home: Home) -> None:
        self.home, self.cloud = home, Cloud(home.folder)
        self.cloud.accept_logs()
        self.cloud.secret(LOGIN, {"username": "export-user", "password": VALUE})
        login = {"username": "scheduler", "password": OTHER, "host": "db.internal"}
        self.cloud.secret(SCHEDULER, login)
        self.state = home.state(logs=GROUP)
        self.state_with_secrets = home.state(
            logs=GROUP,
            metadata={"source": "export", "uri": "s3://bucket/x", "login": LOGIN},
            catalog={"scheduler": {"secret": SCHEDULER}},
        )

    def add(self, file: str, text: str) -> Callable[[], object]:
        """Return a step that appends text to a log file."""
        path = self.home.path / "logs" / file
        path.parent.mkdir(parents=True, exist_ok=True)

        def append() -> None:
            with path.open("a") as opened:
                opened.write(text)

        return append

    def send(self, *steps: Callable[[], object], state: State | None = None) -> Sent:
        """Send log files; return the sent messages by source and file."""
        sleep = Minutes(*steps)
        log_commands.send_files(self.home.system, state or self.state, sleep=sleep)
        return {
            stream.replace("node1/", "").replace(f"{MACHINE}/", ""): messages
            for stream, messages in self.cloud.logged().items()
        }


@pytest.fixture
def node(home: Home) -> Node:
    return Node(home)


def test_new_lines_are_sent_once_with_the_rest_at_the_end(node: Node) -> None:
    node.add("vdp/vdp.log", "first\n")()
    sent = node.send(
        node.add("vdp/vdp.log", "second\nthi"),
        node.add("vdp/vdp.log", "rd\n"),
        node.add("scheduler/scheduler.log", "begun\n"),
        nothing,
        node.add("vdp/vdp.log", "last\n"),
    )
    assert sent == {
        "vdp/vdp.log": ["first", "second", "third", "last"],
        "scheduler/scheduler.log": ["begun"],
    }
    # A minute without new lines causes no call.
    puts = [call for call in node.cloud.calls() if call[:2] == ["logs", "put-log-events"]]
    assert len(puts) == 4 + 1 + 2  # two calls fail, because their streams do not exist yet


def test_streams_are_named_by_node_source_machine_and_file(node: Node) -> None:
    node.add("vdp/vdp.log", "x\n")()
    node.send()
    assert [*node.cloud.logged()] == [f"node1/vdp/{MACHINE}/vdp.log"]


def test_no_secret_is_sent(node: Node) -> None:
    node.add("vdp/vdp.log", f"login export-user with {VALUE}\nto db.internal {OTHER}\n")()
    node.add("vdp/vdp.log", "USERPASSWORD 'unknown' x\n")()
    sent = node.send(state=node.state_with_secrets)
    assert sent["vdp/vdp.log"] == [
        "login export-user with ********",
        "to db.internal ********",
        "USERPASSWORD ******** x",
    ]
    assert not any(VALUE in " ".join(call) for call in node.cloud.calls())


def test_a_rotated_secret_is_known_after_an_hour(node: Node) -> None:
    now = 0.0
    known = log_commands.known_secrets(node.home.system, node.state_with_secrets, now=lambda: now)
    assert VALUE not in known.filter().hide(VALUE)
    node.cloud.secret(LOGIN, {"password": "another-secret"})
    now = log_loop.SECRETS_S - 1
    assert known.filter().hide("another-secret") == "another-secret"
    now += 1
    assert known.filter().hide(f"another-secret {VALUE}") == "******** ********"


def test_a_secret_that_cannot_be_read_stops_no_log(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    node.cloud.missing(LOGIN)
    node.add("vdp/vdp.log", f"{OTHER}\n")()
    assert node.send(state=node.state_with_secrets)["vdp/vdp.log"] == ["********"]
    assert "the values of a secret are not hidden in the sent log lines" in capsys.readouterr().out


def test_lines_wait_while_aws_does_not_answer(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    node.add("vdp/vdp.log", "first\n")()
    node.cloud.fault("logs put-log-events", "Could not connect to the endpoint URL")
    sent = node.send(nothing, node.add("vdp/vdp.log", "second\n"), node.cloud.accept_logs)
    assert sent["vdp/vdp.log"] == ["first", "second"]
    assert capsys.readouterr().out.count("the log lines are not sent to CloudWatch Logs: ") == 1


def test_lines_that_aws_refuses_do_not_stop_later_ones(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    node.add("vdp/vdp.log", "first\n")()
    node.cloud.fault("logs put-log-events", "An error occurred (InvalidParameterException)")
    sent = node.send(node.cloud.accept_logs, node.add("vdp/vdp.log", "second\n"))
    assert sent["vdp/vdp.log"] == ["second"]
    assert "1 lines for the log stream node1/vdp/" in capsys.readouterr().out


def test_a_renamed_file_is_read_to_its_end(node: Node) -> None:
    first = node.home.path / "logs/vdp/vdp.log"
    node.add("vdp/vdp.log", "one\n")()

    def rotate() -> None:
        node.add("vdp/vdp.log", "two\n")()
        first.rename(first.with_name("vdp.log.1"))
        node.add("vdp/vdp.log", "three\n")()

    sent = node.send(rotate, nothing)
    assert {*sent} == {"vdp/vdp.log"}
    assert sorted(sent["vdp/vdp.log"]) == ["one", "three", "two"]


def test_an_emptied_file_is_read_from_its_beginning(node: Node) -> None:
    path = node.home.path / "logs/vdp/vdp.log"
    node.add("vdp/vdp.log", "one long line\n")()
    assert node.send(lambda: path.write_text("two\n"))["vdp/vdp.log"] == [
        "one long line",
        "two",
    ]


def test_a_new_process_continues_where_the_last_one_ended(node: Node) -> None:
    node.add("vdp/vdp.log", "one\n")()
    node.send()
    node.add("vdp/vdp.log", "two\n")()
    node.add("vdp/new.log", "three\n")()
    assert node.send() == {"vdp/vdp.log": ["one", "two"], "vdp/new.log": ["three"]}
    positions = node.home.system.folder / log_commands.POSITIONS
    assert positions.stat().st_mode & 0o777 == 0o600


def test_only_the_end_of_old_files_is_sent_at_first(node: Node) -> None:
    line = "x" * 999 + "\n"
    node.add("vdp/vdp.log", line * 100)()
    node.add("vdp/older.log", line)()
    old = node.home.system.now().timestamp() - log_files.RECENT_SECONDS - 60
    os.utime(node.home.path / "logs/vdp/older.log", (old, old))
    sent = node.send(node.add("vdp/older.log", "new\n"))
    assert sum(map(len, sent["vdp/vdp.log"])) + len(sent["vdp/vdp.log"]) == log_files.FIRST_BYTES
    assert sent["vdp/older.log"] == ["new"]


def test_a_backlog_is_cut_and_the_cut_is_said(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "READ_BYTES", 100)
    monkeypatch.setattr(log_files, "BACKLOG_BYTES", 300)
    reader = LogFiles(node.home.path / "logs", tmp_path / "positions", statements=False)
    assert [*reader.read()] == []
    node.add("vdp/vdp.log", "123456789\n" * 50)()
    (first,) = reader.read()
    assert first.lines == ("(400 bytes of this file are not sent)", *(["123456789"] * 10))
    assert [*reader.read()] == []
    # A line that exceeds the limit of one reading is sent in parts.
    node.add("vdp/vdp.log", "y" * 150 + "\n")()
    assert [part.lines for _ in range(2) for part in reader.read()] == [("y" * 100,), ("y" * 50,)]


@pytest.mark.parametrize("statements", [False, True])
def test_statements_of_users_are_sent_only_if_the_state_says_so(
    node: Node, *, statements: bool
) -> None:
    node.cloud.accept_logs()
    for name in ("vdp-queries.log", "vdp-requests.log", "vdp.log", "vdp.properties"):
        node.add(f"vdp/{name}", "x\n")()
    sent = node.send(state=node.home.state(logs={**GROUP, "statements": statements}))
    more = {"vdp/vdp-queries.log", "vdp/vdp-requests.log"} if statements else set()
    assert {*sent} == {"vdp/vdp.log", *more}


def test_a_link_or_a_fifo_is_not_read(node: Node, tmp_path: Path) -> None:
    secret = tmp_path / "shadow.log"
    secret.write_text("root:x\n")
    folder = node.home.path / "logs/vdp"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link.log").symlink_to(secret)
    os.mkfifo(folder / "fifo.log")
    node.add("vdp/vdp.log", "x\n")()
    assert node.send() == {"vdp/vdp.log": ["x"]}


def test_without_logs_nothing_is_sent(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.cloud.parameter(json.dumps(node.home.data()))
    for command in ("send-logs", "send-journal"):
        assert main([*node.home.arguments, command, f"--parameter={PARAMETER}"]) == 0
    assert capsys.readouterr().out.count("names no log group, so no log lines are sent") == 2
    assert not node.cloud.logged()


def test_an_image_that_cannot_be_a_node_says_so_in_its_log(node: Node, tmp_path: Path) -> None:
    node.cloud.accept_logs()
    state = tmp_path / "state.json"
    state.write_text(json.dumps(node.home.data(logs=GROUP, denodo__home="/nowhere/denodo")))
    code = main(
        [*node.home.arguments, "install", f"--state={state}", f"--root={tmp_path / 'root'}"]
    )
    assert code == ImageError.code
    (messages,) = [
        messages
        for stream, messages in node.cloud.logged().items()
        if stream == f"node1/program/{MACHINE}"
    ]
    assert messages[0] == "the image cannot be used for a node:"
    assert "/nowhere/denodo/bin is missing" in messages[1]


# Tests of the journal. The stand-in for journalctl has the options that the program uses, and the
# form of journalctl's output.

_JOURNALCTL = """\
#!{python} -SE
import json, sys
options = dict(one[2:].partition("=")[::2] for one in sys.argv[1:])
units = [one[7:] for one in sys.argv[1:] if one.startswith("--unit=")]
after = int(options.get("after-cursor", "s=0")[2:])
assert ("boot" in options) != ("after-cursor" in options)
for number, (unit, message) in enumerate(json.load(open({entries!r})), 1):
    if number > after and unit in units:
        print(json.dumps({{"__CURSOR": f"s={{number}}", "_SYSTEMD_UNIT": unit, "MESSAGE": message,
                          "__REALTIME_TIMESTAMP": str(1767225600000000 + number * 1000)}}))
"""


class Journal:
    """A stand-in for journalctl with entries."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "journalctl"
        self._entries = folder / "entries.json"
        self._all: list[tuple[str, Any]] = []
        self.add()
        text = _JOURNALCTL.format(python=sys.executable, entries=str(self._entries))
        self.program.write_text(text)
        self.program.chmod(0o755)

    def add(self, *entries: tuple[str, Any]) -> None:
        self._all += entries
        self._entries.write_text(json.dumps(self._all))


def test_the_journal_of_the_program_and_of_cloud_init_is_sent(node: Node, tmp_path: Path) -> None:
    entries = Journal(tmp_path)
    entries.add(
        ("cloud-final.service", "installing\nDenodo"),
        ("sshd.service", "Accepted publickey"),
        ("denodo-node.service", f"node1 is ready, {VALUE}"),
        ("denodo-node-watchdog.service", [*"caf\u00e9".encode("latin-1")]),
    )
    folder = tmp_path / "cursor-folder"

    def run(*steps: Callable[[], object]) -> dict[str, list[str]]:
        log_commands.send_journal(
            node.home.system,
            node.state_with_secrets,
            folder=folder,
            program=str(entries.program),
            sleep=Minutes(*steps),
        )
        return node.cloud.logged()

    sent = run(lambda: entries.add(("denodo-node.service", "stopped")))
    assert sent == {
        f"node1/program/{MACHINE}": ["node1 is ready, ********", "caf\ufffd", "stopped"],
        f"node1/cloud-init/{MACHINE}": ["installing", "Denodo"],
    }
    assert (folder / "cursor").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    entries.add(("denodo-node.service", "started"))
    assert run()[f"node1/program/{MACHINE}"][-2:] == ["stopped", "started"]


def test_a_journal_that_cannot_be_read_is_tried_again(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "nowhere")
    sleep = Minutes(nothing)
    log_commands.send_journal(
        node.home.system, node.state, folder=tmp_path / "c", program=missing, sleep=sleep
    )
    assert capsys.readouterr().out.count("the log lines are not sent to CloudWatch Logs: ") == 1


def test_lines_that_are_no_entries_are_skipped(tmp_path: Path) -> None:
    program = tmp_path / "journalctl"
    program.write_text(f"#!{sys.executable} -SE\nprint('[]\\n{{}}\\nx')\n")
    program.chmod(0o755)
    assert [*journal.read(("a.service",), "", program=str(program))] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"__REALTIME_TIMESTAMP": float("inf")},
        {"MESSAGE": [300]},
        {"MESSAGE": ["x"]},
        {"__REALTIME_TIMESTAMP": None},
    ],
)
def test_a_damaged_entry_is_skipped(fields: dict[str, Any]) -> None:
    whole = {"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1", "MESSAGE": "x"}
    assert journal.read_entry(json.dumps(whole)) is not None
    assert journal.read_entry(json.dumps({**whole, **fields})) is None


def test_units_run_only_with_logs(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    class Done:
        succeeded = True

    def run(command: list[str], **_: object) -> Done:
        commands.append(" ".join(command))
        return Done()

    monkeypatch.setattr(log_commands, "run", run)
    units = "denodo-node-logs.service denodo-node-journal.service"
    log_commands.ensure_units(node.home.state(logs=GROUP), restart=False)
    log_commands.ensure_units(node.home.state(logs=GROUP), restart=True)
    log_commands.ensure_units(node.home.state(), restart=True)
    assert commands == [
        f"systemctl enable {units}",
        f"systemctl start --no-block {units}",
        f"systemctl enable {units}",
        f"systemctl restart --no-block {units}",
        f"systemctl disable --now {units}",
    ]


def test_the_files_unit_is_no_root(node: Node) -> None:
    files = installation.unit_text(log_commands.FILES_UNIT, node.home.state(logs=GROUP))
    journal_ = installation.unit_text(log_commands.JOURNAL_UNIT, node.home.state(logs=GROUP))
    assert "\nUser=" in files
    assert "\nUser=" not in journal_
    for text, command in ((files, "send-logs"), (journal_, "send-journal")):
        assert f"\nExecStart={sys.executable} -m node {command}\n" in text
        assert "\nCapabilityBoundingSet=\n" in text
        assert "\nNoNewPrivileges=yes\n" in text
