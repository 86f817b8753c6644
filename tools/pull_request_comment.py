r"""Put pages on a pull request of GitHub as comments, and update the comments of earlier runs.

    GITHUB_TOKEN=… GITHUB_REPOSITORY=owner/name PULL_REQUEST=7 \
        python3 -m tools.pull_request_comment review/prod.md

Each page has one comment. The next run finds the comment by the marker in its first line and by its
author. The token needs the permission `pull-requests: write` (GitHub, REST API endpoints for issue
comments). Only the standard library is used, so that a job needs no set-up.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

AUTHOR: Final = "github-actions[bot]"
"""Author's login of comments that a workflow writes with its `GITHUB_TOKEN`."""
MOST_CHARACTERS: Final = 65_536
"""Maximum number of characters of a comment; GitHub reports this number for a longer comment."""

_PER_PAGE: Final = 100
_MOST_PAGES: Final = 100
"""Project limit: maximum number of pages of 100 comments that are searched. On a pull request with
more comments, each run adds a new comment."""
_ANSWER_S: Final = 60


class CommentError(Exception):
    """GitHub did not answer, or refused a call; the message says how to fix the problem."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request, and the access to it.

    Attributes:
        api: address of GitHub's API.
        repository: owner and name.
        number: number of the pull request.
        token: token of the workflow.
    """

    api: str
    repository: str
    number: int
    token: str

    def put(self, name: str, page: str) -> str:
        """Create or update the comment of a page, and return `created` or `updated`."""
        marker = f"<!-- denodo-ha review of {re.sub(r'[^A-Za-z0-9._-]+|--+', '-', name)} -->"
        body = {"body": f"{marker}\n{page}"[:MOST_CHARACTERS]}
        for comment in self._comments():
            author = comment.get("user") or {}
            text = comment.get("body") or ""
            # Check the author too: other users can write the marker, and their comments must not
            # change.
            if author.get("login") == AUTHOR and text.startswith(marker):
                self._call("PATCH", f"issues/comments/{int(comment['id'])}", body)
                return "updated"
        self._call("POST", f"issues/{self.number}/comments", body)
        return "created"

    def _comments(self) -> Iterator[Mapping[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            query = f"?per_page={_PER_PAGE}&page={page}"
            comments = self._call("GET", f"issues/{self.number}/comments{query}")
            yield from comments
            if len(comments) < _PER_PAGE:
                return

    def _call(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        url = f"{self.api}/repos/{self.repository}/{path}"
        request = Request(  # noqa: S310 - the address is checked in `from_environment`
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urlopen(request, timeout=_ANSWER_S) as answer:  # noqa: S310 - the address is checked in `from_environment`
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            reason = error.read(500).decode(errors="backslashreplace")
            message = (
                f"{method} {url}: status {error.code} ({' '.join(reason.split())}). The job needs "
                "`permissions: pull-requests: write`, and a pull request that is not from a fork"
            )
            raise CommentError(message) from None
        except (URLError, OSError, ValueError) as error:
            message = f"{method} {url}: no answer in JSON ({error}); run the job again"
            raise CommentError(message) from None


def from_environment(environment: Mapping[str, str]) -> PullRequest:
    """Return the pull request that a workflow's environment variables name.

    Raises:
        CommentError: A variable is missing, or has no valid value.
    """
    names = ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "PULL_REQUEST")
    missing = [name for name in names if not environment.get(name)]
    if missing:
        message = f"{', '.join(missing)} is not set: add the variable to `env` of the step"
        raise CommentError(message)
    token, repository, number = (environment[name] for name in names)
    api = environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    if not re.match(r"https://|http://127\.0\.0\.1:", api):
        message = (
            f"GITHUB_API_URL {api} is not an address with https://, without which the token would "
            "not be encrypted"
        )
        raise CommentError(message)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII) or not number.isdecimal():
        message = (
            f"GITHUB_REPOSITORY {repository} and PULL_REQUEST {number} do not name a pull request: "
            "set them to OWNER/NAME and a number"
        )
        raise CommentError(message)
    return PullRequest(api, repository, int(number), token)


def main(files: Sequence[str], environment: Mapping[str, str]) -> int:
    """Put the pages on the pull request, and return the exit code."""
    if not files:
        sys.stderr.write("no page is given: name at least one file, such as review/prod.md\n")
        return 2
    try:
        pull_request = from_environment(environment)
        for file in map(Path, files):
            page = file.read_text(encoding="utf-8")
            sys.stdout.write(f"{file.name}: {pull_request.put(file.stem, page)}\n")
    except (CommentError, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
