"""Tests of `hosts.common`, which both host programs use: AWS CLI, files, lock, processes."""

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from hosts.common import aws_cli, files, lock, process, selinux
from hosts.common.aws_cli import AwsCli
from hosts.common.errors import AwsCliMissingError, AwsError
from tests.support.waiting import until

_AWS = """#!/bin/sh
echo "$AWS_DEFAULT_REGION $*" >>{calls}
echo '{{"SecretString": "hunter2", "Parameter": {{"Value": "state"}}}}'
echo "{error}" >&2
exit {status}
"""


def _aws(folder: Path, *, error: str = "", status: int = 0, region: str = "") -> AwsCli:
    program = folder / "aws"
    calls = folder / "calls"
    program.write_text(_AWS.format(calls=calls, error=error, status=status))
    program.chmod(0o755)
    return AwsCli(str(program), region=region)


def test_calls_go_to_the_given_region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert _aws(tmp_path).parameter("/a") == "state"
    assert _aws(tmp_path, region="us-east-1").secret("arn", "v1") == "hunter2"
    _aws(tmp_path).signal_resource("s", "R", "a  b\n" + "x" * 99, success=False)
    assert (tmp_path / "calls").read_text().splitlines() == [
        "eu-central-1 ssm get-parameter --name=/a --output json",
        "us-east-1 secretsmanager get-secret-value --secret-id=arn --version-id=v1 --output json",
        (
            "eu-central-1 cloudformation signal-resource --stack-name=s --logical-resource-id=R"
            f" --unique-id=a b {'x' * 60} --status=FAILURE"
        ),
    ]


def test_a_failed_call_shows_its_error_and_no_answer(tmp_path: Path) -> None:
    with pytest.raises(AwsError, match=r"aws secretsmanager get-secret-value: denied") as failed:
        _aws(tmp_path, error="denied", status=1).secret("arn")
    assert "hunter2" not in str(failed.value)
    with pytest.raises(AwsError, match=r"ended with status 7"):
        _aws(tmp_path, status=7).parameter("/a")
    with pytest.raises(AwsCliMissingError, match="check whether the AWS CLI is installed"):
        AwsCli(str(tmp_path / "none")).parameter("/a")


def test_the_command_may_be_a_snap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(_aws(tmp_path).program).rename(tmp_path / "aws-of-a-snap")
    monkeypatch.setattr(aws_cli, "_MORE_PATH", (str(tmp_path),))
    assert AwsCli("aws-of-a-snap").parameter("/a") == "state"


def test_only_an_absent_object_is_no_error(tmp_path: Path) -> None:
    absent = _aws(tmp_path, error="An error occurred (NoSuchKey)", status=1)
    assert not absent.get_object("bucket", "key", tmp_path / "file")
    with pytest.raises(AwsError, match="AccessDenied"):
        _aws(tmp_path, error="(AccessDenied)", status=1).get_object("bucket", "key", tmp_path / "f")
    assert _aws(tmp_path).get_object("bucket", "key", tmp_path / "file")


def test_a_replaced_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    files.replace(file, b"one")
    assert stat.S_IMODE(file.stat().st_mode) == files.PUBLIC
    file.chmod(0o664)
    link.symlink_to(file)
    files.replace(link, b"two")
    assert (link.is_symlink(), file.read_bytes()) == (True, b"two")
    assert stat.S_IMODE(file.stat().st_mode) == 0o664
    files.replace(file, b"three", private=True)
    assert stat.S_IMODE(file.stat().st_mode) == files.PRIVATE
    files.write_atomically(file, b"four", mode=files.PUBLIC)
    assert stat.S_IMODE(file.stat().st_mode) == files.PUBLIC


def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(file, b"new", mode=files.PUBLIC)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_link_in_place_of_the_temporary_file_is_replaced_and_not_followed(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / f".file{files.TEMPORARY_SUFFIX}").symlink_to(tmp_path / "other")
    files.write_atomically(tmp_path / "file", b"new", mode=files.PUBLIC)
    assert (tmp_path / "other").read_text() == "other"
    assert (tmp_path / "file").read_text() == "new"
    assert not (tmp_path / "file").is_symlink()


def test_a_lock_is_waited_for_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = lock.acquire(path, note="a longer note of the first", mode=0o660)
    with pytest.raises(lock.LockedError) as locked:
        lock.acquire(path, note="second", mode=0o660)
    assert locked.value.holder == "a longer note of the first"
    timer = threading.Timer(0.3, held.close)
    timer.start()
    with lock.acquire(path, note="second", mode=0o660, seconds=60):
        assert path.read_text() == "second"
    timer.join()


def test_a_process_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    pid, seconds = tmp_path / "pid", 1
    # A busy machine needs more seconds to start the child.
    while not (pid.exists() and pid.read_text()):
        result = process.run(["sh", "-c", f"sleep 999 & echo $! >{pid}; wait"], seconds=seconds)
        assert (result.status, result.ending) == (None, f"did not end within {seconds} s")
        seconds *= 4
    child = Path("/proc") / pid.read_text().strip() / "cmdline"
    until(lambda: not (child.exists() and child.read_bytes()))
    added = process.run(
        [sys.executable, "-c", "import os; print(os.environ['ADDED'], 'PATH' in os.environ)"],
        seconds=60,
        environment={"ADDED": "yes"},
    )
    assert (added.succeeded, added.output) == (True, "yes True\n")


@pytest.mark.parametrize(
    ("mode", "boolean", "off"),
    [
        ("Enforcing", "haproxy_connect_any --> off", True),
        ("Enforcing", "haproxy_connect_any --> on", False),
        ("Permissive", "haproxy_connect_any --> off", False),
        ("Disabled", "", False),
    ],
)
def test_selinux_confines_only_if_it_is_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, boolean: str, *, off: bool
) -> None:
    for name, output in (("getenforce", mode), ("getsebool", boolean)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{output}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert selinux.is_off("haproxy_connect_any") == off
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert not selinux.is_off("haproxy_connect_any"), "a machine without SELinux"
