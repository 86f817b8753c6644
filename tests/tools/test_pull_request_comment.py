"""Comments on pull requests: the step of the workflow, against GitHub's API on this machine."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from tests.support.assembly import ROOT
from tests.tools.workflow_steps import bash, command


class GitHub:
    """Simulated part of GitHub's API: the calls that `tools/pull_request_comment.py` makes."""

    def __init__(self, comments: list[dict[str, Any]]) -> None:
        self.comments = comments
        self.calls: list[str] = []
        self.status = 200

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Record a call; return the status and the body of the answer to the call."""
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
    """Serve the simulated API until the block ends; yield the URL of the API."""

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
        """Return a folder with one review page, in which the workflow's step `Comment` runs."""
        (tmp_path / "review").mkdir()
        (tmp_path / "review/prod.md").write_text("**2 findings**\n")
        (tmp_path / "tools").symlink_to(ROOT / "tools")
        return tmp_path

    def step(self, folder: Path, url: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run the step `Comment` as the workflow's file has it."""
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
            ({"PULL_REQUEST": "7/../8"}, "do not name a pull request"),
            ({"GITHUB_REPOSITORY": "o/n/../x"}, "do not name a pull request"),
            ({"GITHUB_API_URL": "http://example.com"}, "is not an address with https://"),
            ({"GITHUB_API_URL": "http://127.0.0.1:1"}, "no answer in JSON"),
        ],
    )
    def test_wrong_settings(self, folder: Path, changes: dict[str, str], message: str) -> None:
        done = self.step(folder, "http://127.0.0.1:1", **changes)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
