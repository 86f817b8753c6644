"""`denodo-ha support`: an archive without secrets that lists what could not be read, and why."""

import json
import os
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Failed, NotFound, UsageError
from denodo_ha.environment.loading.loader import load
from denodo_ha.support import archive_file, archive_parts, command, plan_part
from denodo_ha.support.archive_parts import Part, ReadPart, read_parts
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Run
from tests.support.configurations import minimal, write

VALUE = "Tr0ub4dor-and-3"
LINES = (
    "node1 is ready",
    f"connecting with password={VALUE}",
    f"jdbc:vdb://user:{VALUE}@host:9999/admin",
    "the caller's key is wJalrXUtnFEMI/K7MDENG",
)
NOW = datetime.now(UTC).replace(microsecond=0)


def contents(path: Path) -> Mapping[str, str]:
    """Return the text of each file in an archive, without the name of the archive's folder."""
    with tarfile.open(path) as archive:
        found = {}
        for member in archive:
            assert stat.S_IMODE(member.mode) == 0o600
            assert member.isfile()
            folder, _, name = member.name.partition("/")
            assert f"{folder}.tar.gz" == path.name
            extracted = archive.extractfile(member)
            assert extracted is not None
            found[name] = extracted.read().decode()
        return found


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a configuration of an undeployed cluster; CloudWatch Logs has lines of its node."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, minimal())
    path.write_text(path.read_text() + f"# password: {VALUE}\n# arn: secret: arn:aws:x:y\n")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        cloud = Cloud(load(path).environment, {})
        cloud.install(monkeypatch)
        client: Any = cloud.client("logs", "eu-west-1")
        name, stream = "test-main-Logs-X", "node1/program/i-1"
        client.create_log_group(logGroupName=name)
        client.create_log_stream(logGroupName=name, logStreamName=stream)
        at = int(NOW.timestamp() * 1000)
        events = [{"timestamp": at, "message": line} for line in LINES]
        client.put_log_events(logGroupName=name, logStreamName=stream, logEvents=events)
        yield path


def test_the_archive_has_no_secret_and_says_what_is_missing(
    file: Path, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {"nodes": [], "password": VALUE, "secret_arn": "arn:aws:secretsmanager:x", "unknown": []}
    monkeypatch.setattr(command, "read_plan", lambda *_: json.dumps(plan))
    done = denodo_ha("support", "-c", str(file))
    assert done.exit_code == exit_codes.NO, done.output
    (archive,) = file.parent.glob("denodo-support-test-*.tar.gz")
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert f"wrote {archive.name}; read the file before you send it" in done.stdout
    found = contents(archive)
    assert not [name for name, text in found.items() if VALUE in text or "wJalr" in text]
    assert found["logs/main.log"].splitlines() == [
        f"{NOW:%Y-%m-%dT%H:%M:%SZ} node1/program/i-1: {line}"
        for line in (
            "node1 is ready",
            "connecting with password=********",
            "jdbc:vdb://user:********@host:9999/admin",
            "the caller's key is ********",
        )
    ]
    assert "# password: ********\n" in found["configuration.yaml"]
    assert "secret: arn:aws:x:y" in found["configuration.yaml"]
    assert json.loads(found["plan.json"]) == {**plan, "password": "********"}
    assert json.loads(found["status.json"])["name"] == "test"
    assert "boto3" in json.loads(found["versions.json"])["packages"]
    problems = {part["file"]: part["problem"] for part in json.loads(found["contents.json"])}
    missing = {name for name, problem in problems.items() if problem}
    assert missing == {"stacks/test-main.json"}
    assert "does not exist" in problems["stacks/test-main.json"]
    assert missing.isdisjoint(found)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["logs/main.log", "read"] in rows


def test_a_file_is_never_overwritten(file: Path, denodo_ha: Run) -> None:
    path = file.parent / "case.tar.gz"
    path.symlink_to(file.parent / "elsewhere")
    done = denodo_ha("support", "-c", str(file), "--no-plan", "--to", str(path))
    assert done.exit_code == exit_codes.USAGE
    assert "exists already, and is not overwritten; give another name with --to" in done.stderr
    assert not (file.parent / "elsewhere").exists()
    done = denodo_ha("support", "-c", str(file), "--to", str(file.parent / "no/x.tar.gz"))
    assert done.exit_code == exit_codes.USAGE
    assert "is not a folder" in done.stderr


def test_each_part_has_its_own_time_and_its_own_fault() -> None:
    ended = threading.Event()

    def broken() -> str:
        raise ZeroDivisionError("division by zero")

    def missing() -> str:
        raise NotFound("the stack does not exist")

    def hangs() -> str:
        ended.wait()
        return ""

    parts = [Part("good", lambda: "text"), Part("broken", broken), Part("missing", missing)]
    parts.append(Part("hangs", hangs, seconds=-archive_parts._LATE_S))  # noqa: SLF001 - the part's time limit expires at once
    try:
        read = read_parts(parts)
    finally:
        ended.set()
    assert read[:3] == [
        ReadPart("good", "text"),
        ReadPart("broken", "", "internal error: ZeroDivisionError: division by zero"),
        ReadPart("missing", "", "the stack does not exist"),
    ]
    assert read[3].problem.startswith("no answer within ")


def test_an_incomplete_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tar.gz"

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive_file, "_add", full)
    with pytest.raises(Failed, match="cannot be written: No space left on device"):
        archive_file.write_archive(path, [ReadPart("a", "b")], NOW)
    assert not path.exists()
    path.write_text("of another process")
    with pytest.raises(Failed, match="cannot be written: File exists"):
        archive_file.write_archive(path, [], NOW)
    assert path.read_text() == "of another process"
    with pytest.raises(UsageError):
        archive_file.require_absent(path)


def test_a_hidden_json_file_remains_json() -> None:
    text = json.dumps({"token": None, "tokens": ["password=abc123x"], "db": {"password": 'a"b'}})
    hidden = archive_file.without_secrets(ReadPart("x.json", text, "password=abc123x"), [])
    expected = {"token": None, "tokens": ["password=********"], "db": {"password": "********"}}
    assert json.loads(hidden.text) == expected
    assert hidden.problem == "password=********"


class Process:
    """Simulated process of `denodo-ha plan`, which ends at once or never."""

    pid = 1
    command: list[str]

    def __init__(self, code: int | None, output: str, errors: str = "") -> None:
        self.returncode, self._texts = code, (output.encode(), errors.encode())

    def __call__(self, command: list[str], **_: object) -> "Process":
        type(self).command = command
        return self

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        if self.returncode is None and timeout is not None:
            raise subprocess.TimeoutExpired("plan", timeout)
        return self._texts

    def poll(self) -> int | None:
        return self.returncode


def test_the_plan_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Process(exit_codes.NO, '{"nodes": []}'))
    assert plan_part.read_plan("prod", "p", 5) == '{"nodes": []}'
    assert Process.command[-7:] == ["plan", "-c", "prod", "--format", "json", "--profile", "p"]
    failed = Process(exit_codes.FAILED, "", "denodo-ha: the CDK CLI is missing")
    monkeypatch.setattr(subprocess, "Popen", failed)
    with pytest.raises(Failed, match="ended with exit code 4: denodo-ha: the CDK CLI is missing"):
        plan_part.read_plan("prod", None, 5)
    killed: list[int] = []
    monkeypatch.setattr(subprocess, "Popen", Process(None, ""))
    monkeypatch.setattr(os, "killpg", lambda pid, _: killed.append(pid))
    with pytest.raises(Failed, match="did not end within 5 s"):
        plan_part.read_plan("prod", None, 5)
    assert killed == [1]


@pytest.mark.long
def test_the_program_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real run of `plan`, which ends at once: the configuration `nowhere` does not exist."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failed, match="ended with exit code 2: -c config: neither "):
        plan_part.read_plan("nowhere", None, 120)
