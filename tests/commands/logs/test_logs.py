"""`denodo-ha logs`: lines of nodes in CloudWatch Logs, also of nodes and stacks that are gone."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from denodo_ha.cli import exit_codes
from denodo_ha.logs import command, log_reader
from denodo_ha.logs.period import parse_time
from tests.commands.account.virtual_clock import VirtualClock
from tests.commands.conftest import Run
from tests.support.configurations import changed, minimal, write

GROUP = "test-main-Logs-AB12CD34"
ACCOUNT = "123456789012"
"""Account id in which moto simulates resources."""
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
"""The real time, since CloudWatch Logs rejects events that are too old."""
OLD, NEW = "i-0000000000000old1", "i-0000000000000new1"


def ago(minutes: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return the time some minutes ago."""
    return f"{NOW - timedelta(minutes=minutes):{form}}"


class Logs:
    """CloudWatch Logs in the region of a cluster. The cluster's stack may be missing.

    Attributes:
        on: options that select the cluster's configuration.
    """

    def __init__(self, file: Path) -> None:
        self.client: Any = boto3.client("logs", region_name="eu-west-1")
        self.on = ("-c", str(file))

    def create(self, group: str = GROUP) -> None:
        self.client.create_log_group(logGroupName=group)

    def put(self, stream: str, lines: Iterable[tuple[int, str]], group: str = GROUP) -> None:
        """Add lines to a log stream, each with its age in minutes."""
        self.client.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [
            {"timestamp": int((NOW.timestamp() - 60 * minutes) * 1000), "message": text}
            for minutes, text in lines
        ]
        self.client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    clock = VirtualClock()
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(command, "real_clock", lambda: clock)
    with mock_aws():
        yield Logs(write(tmp_path, changed(minimal(), {"clusters/main/account": ACCOUNT})))


@pytest.fixture
def filled(logs: Logs) -> Logs:
    """Fill the group with lines of a node whose instance was replaced, and of another node."""
    logs.create()
    logs.put(f"node1/vdp/{OLD}/vdp.log", [(90, "long ago"), (50, "out of memory")])
    logs.put(f"node1/program/{OLD}", [(49, "node1 stops")])
    logs.put(f"node1/vdp/{NEW}/vdp.log", [(5, "starts")])
    logs.put(f"node1/cloud-init/{NEW}", [(10, "first boot")])
    logs.put(f"node2/program/{NEW}", [(20, "of node2")])
    # The log group of another cluster is not read, nor that of a stack whose name begins with the
    # same text.
    for other in ("test-spare-Logs-X", "test-main-Logs2-X"):
        logs.create(other)
        logs.put("node1/vdp/i-1/vdp.log", [(1, "elsewhere")], other)
    return logs


def test_lines_of_all_instances_of_a_node_in_order(filled: Logs, denodo_ha: Run) -> None:
    done = denodo_ha("logs", "node1", *filled.on)
    assert done.exit_code == exit_codes.DONE
    assert done.stdout.splitlines() == [
        f"{ago(50)} vdp/vdp.log: out of memory",
        f"{ago(49)} program: node1 stops",
        f"{ago(10)} cloud-init: first boot",
        f"{ago(5)} vdp/vdp.log: starts",
    ]


def test_a_period_and_a_source(filled: Logs, denodo_ha: Run) -> None:
    done = denodo_ha(
        *("logs", "node1", *filled.on, "--source", "vdp", "--since", "2h"),
        *("--until", ago(30, "%Y-%m-%dT%H:%M"), "--format", "json"),
    )
    found = json.loads(done.stdout)
    assert [line["text"] for line in found] == ["long ago", "out of memory"]
    assert found[0] == {
        "at": ago(90, "%Y-%m-%dT%H:%M:%S+00:00"),
        "node": "node1",
        "source": "vdp",
        "machine": OLD,
        "file": "vdp.log",
        "text": "long ago",
    }


def test_without_a_node_the_streams_are_listed(filled: Logs, denodo_ha: Run) -> None:
    done = denodo_ha("logs", *filled.on)
    assert done.exit_code == exit_codes.DONE
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert ["node1", "vdp", "vdp.log", OLD, *ago(50).split()] in rows
    assert len(rows) == 5
    streams = json.loads(denodo_ha("logs", *filled.on, "--format", "json").stdout)
    assert {stream["node"] for stream in streams} == {"node1", "node2"}


def test_groups_of_earlier_stacks_are_read_too(filled: Logs, denodo_ha: Run) -> None:
    filled.create("test-main-Logs-EARLIER")
    filled.put("node1/vdp/i-1/vdp.log", [(55, "before")], "test-main-Logs-EARLIER")
    assert denodo_ha("logs", "node1", *filled.on).stdout.splitlines()[0].endswith("before")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("node3",), "there are no logs of node3; did you mean node2?"),
        (("xy",), "there are no logs of xy; there are logs of node1, node2"),
        (("node1", "--source", "odbc"), "has no source odbc; its sources are cloud-init, program"),
        (("node1", "--since", "yesterday"), "--since: 'yesterday' is not a time; write how long"),
        (("node1", "--until", "0h"), "--until: '0h' is not a time"),
    ],
)
def test_wrong_usage(filled: Logs, denodo_ha: Run, arguments: tuple[str, ...], says: str) -> None:
    done = denodo_ha("logs", *arguments, *filled.on)
    assert done.exit_code == exit_codes.USAGE
    assert says in done.stderr


def test_no_group_and_an_empty_group(logs: Logs, denodo_ha: Run) -> None:
    done = denodo_ha("logs", "node1", *logs.on)
    assert done.exit_code == exit_codes.USAGE
    assert "main has no log group in eu-west-1: write `logs: true`" in done.stderr
    logs.create()
    done = denodo_ha("logs", "node1", *logs.on)
    assert done.exit_code == exit_codes.USAGE
    assert "no node has logged anything yet" in done.stderr


def test_nothing_in_the_period(filled: Logs, denodo_ha: Run) -> None:
    done = denodo_ha("logs", "node1", *filled.on, "--since", "1m")
    assert (done.exit_code, done.stdout) == (exit_codes.DONE, "")
    expected = f"node1 has logged nothing since 1m; the node's last line is of {ago(5)}"
    assert expected in done.stderr


def test_too_many_lines_are_said(
    filled: Logs, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "MOST_LINES", 2)
    monkeypatch.setattr(command, "MOST_LINES", 2)
    done = denodo_ha("logs", "node1", *filled.on)
    assert len(done.stdout.splitlines()) == 2
    form = "%Y-%m-%dT%H:%M:%S"
    assert f"only the first 2 lines are shown; continue with --since {ago(49, form)}" in done.stderr


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("30m", datetime(2026, 11, 27, 11, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-27T03:00", datetime(2026, 11, 27, 3, tzinfo=UTC)),
        ("2026-11-27T03:00+02:00", datetime(2026, 11, 27, 1, tzinfo=UTC)),
    ],
)
def test_times(text: str, time: datetime) -> None:
    assert parse_time(text, "--since", datetime(2026, 11, 27, 12, tzinfo=UTC)) == time
