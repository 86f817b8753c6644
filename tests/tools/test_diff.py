"""`make diff`: from a git revision to the output of `cdk diff`, end to end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.assembly import ROOT
from tests.support.git_clone import TIMEOUT, Repository

IRELAND = "aws://111122223333/eu-west-1"
LONDON = "aws://111122223333/eu-west-2"
TOPIC = {"Topic": {"Type": "AWS::SNS::Topic"}}


def service(port: int) -> dict[str, Any]:
    """Return the CloudFormation resources of a service on a port."""
    return {
        "Group": {
            "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
            "Properties": {"Port": port, "Protocol": "TCP"},
        },
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {"Port": port, "DefaultActions": [{"TargetGroupArn": {"Ref": "Group"}}]},
        },
    }


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path)
    repository.write({"denodo-active": (IRELAND, service(9999)), "denodo-topic": (IRELAND, TOPIC)})
    repository.commit()
    return repository


def paragraphs(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the output about each stack, by the stack's name; "" is the key of other output."""
    assert (done.returncode, done.stderr) == (0, "")
    parts = done.stdout.split("\nStack ")
    return {"": parts[0]} | {name: text for name, _, text in (p.partition("\n") for p in parts[1:])}


def test_nothing_differs(repository: Repository) -> None:
    done = repository.diff()
    assert done.returncode == 0
    heading, answer = done.stdout.strip().split("\n\n")
    assert heading.startswith("From main (")
    assert answer == "No stack differs"
    assert repository.leftovers == []


def test_changed_new_moved_and_gone_stacks(repository: Repository) -> None:
    repository.write({"denodo-topic": (IRELAND, TOPIC), "denodo-old": (IRELAND, service(1))})
    repository.commit()
    repository.write(
        {
            "denodo-active": (IRELAND, service(9998)),
            "denodo-new": (LONDON, service(1)),
            "denodo-topic": (LONDON, TOPIC),
        }
    )

    against_head = paragraphs(repository.diff("--base", "HEAD"))
    assert against_head == {
        "": against_head[""],
        "denodo-active": f"New: 2 resources in {IRELAND}\n",
        "denodo-new": f"New: 2 resources in {LONDON}\n",
        "denodo-topic": (f"Moved from {IRELAND} to {LONDON}, and created again: 1 resource\n"),
        "denodo-old": f"Gone: 2 resources in {IRELAND}\n\n",
    }

    against_first = paragraphs(repository.diff("--base", "HEAD~1"))
    changed = against_first["denodo-active"]
    group, listener = changed.split("[~] AWS::ElasticLoadBalancingV2::Listener")
    assert "TargetGroup Group replace" in group
    assert "[-] 9999" in group
    assert "[+] 9998" in group
    assert "replace" not in listener
    assert "Number of stacks" not in changed
    assert repository.leftovers == []


def test_every_stack_is_new_where_the_base_has_no_configuration(repository: Repository) -> None:
    (repository.root / "config/other.yaml").touch()
    done = paragraphs(repository.diff("--config", "other"))
    assert "main has no app.py or no configuration other: every stack is new" in done[""]
    assert done["denodo-active"] == f"New: 2 resources in {IRELAND}\n"


def test_path_into_the_clone_is_looked_up_on_both_sides(repository: Repository) -> None:
    new = repository.root / "config/other.yaml"
    new.touch()
    done = paragraphs(repository.diff("--config", str(new)))
    assert "no configuration config/other.yaml" in done[""]


def test_unknown_revision(repository: Repository) -> None:
    done = repository.diff("--base", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "make diff: git does not know the revision 'nope'; name another revision (BASE=REVISION "
        "for make, --base REVISION for denodo-ha review)\n"
    )


def test_without_git(repository: Repository, tmp_path: Path) -> None:
    done = subprocess.run(
        repository.command,
        cwd=repository.root,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("make diff: git is not installed")
    assert done.stderr.count("\n") == 1


def test_in_a_folder_that_is_no_clone(repository: Repository) -> None:
    (repository.root / ".git").rename(repository.root / "not-git")
    done = repository.diff()
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not a clone of a git repository" in done.stderr
    assert done.stderr.count("\n") == 1


def test_synth_that_fails_says_why(repository: Repository) -> None:
    (repository.root / "app.py").write_text("raise SystemExit('the reason')")
    done = repository.diff()
    assert (done.returncode, done.stdout) == (1, "")
    assert "the working tree cannot be synthesised" in done.stderr
    assert "the reason" in done.stderr
    assert "Traceback" not in done.stderr
    assert repository.leftovers == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_diff_leaves_nothing(repository: Repository, number: signal.Signals) -> None:
    started = repository.root / "temporary/started"
    waits = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(300)"
    (repository.root / "app.py").write_text(waits)
    process = subprocess.Popen(
        repository.command,
        cwd=repository.root,
        env=repository.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + TIMEOUT
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        # Send the signal to the command and its child processes, as a terminal does for Ctrl-C.
        os.killpg(process.pid, number)
        process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    started.unlink()
    assert repository.leftovers == []


def test_review_of_a_revision(repository: Repository) -> None:
    """`denodo-ha review` prints one page, with git and the CDK CLI, and exits with 0."""
    example = ROOT / "config/examples/active-passive.yaml"
    shutil.copy(example, repository.root / "config/active-passive.yaml")
    repository.write({"denodo-active": (IRELAND, service(9998)), "denodo-topic": (IRELAND, TOPIC)})
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "denodo_ha",
            "review",
            "-c",
            "active-passive",
            "--fail-on",
            "access",
        ],
        cwd=repository.root,
        env=repository.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.split("\n")
    assert lines[0] == "<!-- denodo-ha review: active-passive -->"
    assert "target-group-replaced (denodo-active: Group)" in lines[1]
    assert lines[3].startswith("From main (")
    before, _, folded = done.stdout.partition("<details>")
    assert "npx cdk deploy -c config=active-passive --all" in before
    assert "[-] 9999" in folded
    assert "[+] 9998" in folded
    assert repository.leftovers == []


def test_port_of_the_default_example(repository: Repository) -> None:
    """With the real app.py, another port of a service replaces only the service's target group."""
    example = repository.use_real_app()
    example.write_text(example.read_text().replace("port: 9999", "port: 9989"))

    done = paragraphs(repository.diff("--config", "config/examples/active-passive.yaml"))

    changed = [line for line in done["denodo70-active"].splitlines() if line.startswith("[~]")]
    (listener,) = [line for line in changed if "ElasticLoadBalancingV2::Listener" in line]
    (replaced,) = [line for line in changed if line.endswith(" replace")]
    assert "ElasticLoadBalancingV2::TargetGroup" in replaced
    assert "jdbc" in replaced
    assert "jdbc" in listener
