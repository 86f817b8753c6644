"""Show what the working tree changes in the templates since a git revision.

    .venv/bin/python -m tools.diff --base main --config active-passive

The CDK CLI synthesises the git revision and the working tree, and `cdk diff` compares the
templates: no account is needed and AWS is not called (`denodo_ha.review.base_synthesis`).
"""

import argparse
import signal
import sys
from collections.abc import Iterator

from denodo_ha.cli.errors import CommandError
from denodo_ha.review.base_synthesis import synthesised_since
from denodo_ha.review.stack_diff import stack_differences


def report(base: str, config: str) -> Iterator[str]:
    """Yield the report: a title, a note if there is one, and each stack that differs."""
    with synthesised_since(base, config) as revisions:
        yield revisions.title
        if revisions.note:
            yield revisions.note
        yield from list(stack_differences(revisions.base, revisions.new)) or ["No stack differs"]


def stop(number: int, _frame: object) -> None:
    """Exit by an exception when a signal arrives, so that every `finally` block runs."""
    sys.exit(128 + number)


def main() -> int:
    """Print the report; return exit status 1 if the comparison failed."""
    parser = argparse.ArgumentParser(description="Show what the working tree changes.")
    parser.add_argument("--base", default="main", help="git revision to compare with")
    parser.add_argument("--config", default="active-passive", help="path or name")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        for paragraph in report(arguments.base, arguments.config):
            print(paragraph, end="\n\n", flush=True)
    except CommandError as error:
        print(f"make diff: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
