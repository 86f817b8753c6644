"""A HAProxy host sends its journal to CloudWatch Logs, if its desired state has a log group."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM

import pytest

from hosts.common.aws_cli import AwsCli
from hosts.common.log_events import LogEvent
from hosts.common.program import Interrupted
from hosts.haproxy import journal_unit
from hosts.haproxy.desired_state import DesiredState
from hosts.haproxy.errors import Failed
from hosts.haproxy.host import Host

STATE = {"program": "p", "file": "f", "drop_in": "d", "health_port": 1, "certificate": "arn:c"}
GROUP = {"group": "prod-active-Logs-X"}
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----"
_JOURNALCTL = """\
#!{python} -SE
import json
for number, (unit, message) in enumerate([
    ("haproxy.service", "node1 is DOWN"), ("cloud-final.service", "read MIIEvQIBADANBg"),
], 1):
    print(json.dumps({{"__CURSOR": f"s={{number}}", "_SYSTEMD_UNIT": unit, "MESSAGE": message,
                      "__REALTIME_TIMESTAMP": str(1767225600000000 + number)}}))
"""


@dataclass(frozen=True)
class Aws(AwsCli):
    """Stand-in for the AWS CLI that records the messages of each log stream."""

    sent: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def put_log_events(self, group: str, stream: str, events: Sequence[LogEvent]) -> None:
        self.sent.setdefault((group, stream), []).extend(event.message for event in events)

    def secret(self, arn: str, version: str = "") -> str:  # noqa: ARG002 - the base class's signature
        assert arn == "arn:c"
        return PEM


def state(**changes: object) -> DesiredState:
    return DesiredState.parse(json.dumps({**STATE, **changes}))


def stop(_seconds: float) -> None:
    raise Interrupted(SIGTERM)


def test_a_state_with_and_without_a_group() -> None:
    assert state().log_group == ""
    assert state(logs=GROUP).log_group == GROUP["group"]
    with pytest.raises(Failed):
        state(logs=["x"])


def test_the_journal_is_sent_without_the_certificates_key(tmp_path: Path) -> None:
    program, machine, aws = tmp_path / "journalctl", tmp_path / "machine", Aws()
    program.write_text(_JOURNALCTL.format(python=sys.executable))
    program.chmod(0o755)
    machine.write_text("i-0123\n")
    said: list[str] = []
    journal_unit.send_journal(
        aws,
        state(logs=GROUP),
        said.append,
        folder=tmp_path / "cursor",
        program=str(program),
        machine=machine,
        sleep=stop,
    )
    name = GROUP["group"]
    assert aws.sent[name, "i-0123/haproxy/i-0123"][0] == "node1 is DOWN"
    assert aws.sent[name, "i-0123/cloud-init/i-0123"][0] == "read ********"
    assert said == []
    journal_unit.send_journal(aws, state(), said.append, folder=tmp_path / "cursor", sleep=stop)
    assert said == ["the desired state names no log group, so the journal is not sent"]


def test_the_unit_runs_only_with_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    monkeypatch.setattr(Host, "run_systemctl", lambda _, *words: commands.append(" ".join(words)))
    host = Host(drop_in=tmp_path / "haproxy.service.d/denodo.conf")
    said: list[str] = []

    def ensure(desired: DesiredState) -> None:
        program = Path("/opt/denodo-haproxy/current")
        journal_unit.ensure(
            host, desired, "/denodo/x", "eu-west-1", program=program, report=said.append
        )

    unit = tmp_path / journal_unit.UNIT
    ensure(state())
    assert (commands, unit.exists()) == ([], False)
    ensure(state(logs=GROUP))
    text = unit.read_text()
    start = f"{sys.executable} -m haproxy send-journal --parameter /denodo/x --region eu-west-1"
    assert f"\nExecStart={start}\n" in text
    assert "\nWorkingDirectory=/opt/denodo-haproxy/current\n" in text
    restart = f"restart --no-block {journal_unit.UNIT}"
    assert commands == ["daemon-reload", f"enable {journal_unit.UNIT}", restart]
    ensure(state())
    assert commands[-1] == f"disable --now {journal_unit.UNIT}"
    assert not unit.exists()

    def fail(_: Host, *_words: str) -> None:
        raise Failed("systemctl is missing")

    monkeypatch.setattr(Host, "run_systemctl", fail)
    ensure(state(logs=GROUP))
    assert said == ["the journal is not sent to CloudWatch Logs: systemctl is missing"]
