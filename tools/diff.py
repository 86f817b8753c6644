"""Show what the working tree changes in the templates since a git revision.

    .venv/bin/python tools/diff.py --base main --config active-passive

Both sides are synthesised by the CDK CLI with the packages of this clone, and compared by
`cdk diff`: no account is needed and nothing is asked of AWS. The configuration is looked up
on each side by itself, so that a change of the file shows like a change of the code.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CDK = str(ROOT / "tools" / "cdk-offline")
# Seconds. A synth takes about four; these only keep a stuck one from lasting for ever.
SYNTH_TIMEOUT = 600
COMMAND_TIMEOUT = 120


class DiffError(Exception):
    """Why there is nothing to show, in words for the user."""


@dataclass(frozen=True)
class Stack:
    """A stack of a cloud assembly.

    Attributes:
        name: what the CDK CLI calls it.
        environment: `aws://ACCOUNT/REGION`.
        file: its template.
    """

    name: str
    environment: str
    file: Path

    @cached_property
    def template(self) -> dict[str, Any]:
        """The template's content."""
        template: dict[str, Any] = json.loads(self.file.read_text())
        return template

    @property
    def size(self) -> str:
        """How large it is, in words."""
        count = len(self.template.get("Resources", {}))
        return f"{count} resource{'' if count == 1 else 's'}"


def run(command: list[str], *, cwd: Path = ROOT, timeout: float = COMMAND_TIMEOUT) -> str:
    """The standard output of a command that has to succeed."""
    # In a git hook these would send git to the hook's own index.
    unwanted = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        output = (error.stderr or error.stdout).strip()
        message = f"`{' '.join(command)}` failed with status {error.returncode}\n{output}"
        raise DiffError(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"`{' '.join(command)}` did not end within {timeout:.0f} s"
        raise DiffError(message) from error
    return done.stdout


def commit_of(revision: str) -> str:
    """The id of the commit that a revision names."""
    try:
        commit = f"{revision}^{{commit}}"
        return run(["git", "rev-parse", "--verify", "--quiet", "--end-of-options", commit]).strip()
    except DiffError as error:
        message = f"git knows no revision {revision!r}; name one that it knows: make diff BASE=…"
        raise DiffError(message) from error


@contextmanager
def checked_out(commit: str, tree: Path) -> Iterator[None]:
    """Check a commit out into a worktree that lasts as long as the block."""
    # The user's hooks are for the user's checkouts.
    git = ["git", "-c", "core.hooksPath=/dev/null", "worktree"]
    run([*git, "add", "--quiet", "--detach", str(tree), commit])
    try:
        (tree / ".venv").symlink_to(ROOT / ".venv")
        yield
    finally:
        run([*git, "remove", "--force", str(tree)])


def as_seen_from_a_tree(config: str) -> str:
    """A configuration as each side has to look for it: a path into this clone is a relative one."""
    path = Path(config).expanduser()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else config


def has_config(tree: Path, config: str) -> bool:
    """Whether a tree has a configuration: a path, or a name as `configuration_file.py` finds it."""
    folders, suffixes = ("config", "config/examples"), (".yaml", ".yml")
    named = [Path(folder, config + suffix) for folder in folders for suffix in suffixes]
    return any((tree / path).is_file() for path in (Path(config).expanduser(), *named))


def synthesise(side: str, tree: Path, out: Path, config: str) -> dict[str, Stack]:
    """The stacks that one side, in its tree, makes of a configuration.

    By the CLI on both sides: a template made without it lacks `aws:cdk:path` everywhere.
    """
    command = [CDK, "synth", "--quiet", "--output", str(out), "-c", f"config={config}"]
    try:
        run(command, cwd=tree, timeout=SYNTH_TIMEOUT)
    except DiffError as error:
        message = f"{side} cannot be synthesised: {error}"
        raise DiffError(message) from error
    artifacts: Mapping[str, Any] = json.loads((out / "manifest.json").read_text())["artifacts"]
    stacks = (
        Stack(
            artifact.get("displayName", key),
            artifact["environment"],
            out / artifact["properties"]["templateFile"],
        )
        for key, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    )
    return {stack.name: stack for stack in stacks}


def change(old: Stack, new: Stack) -> str:
    """What happens to a stack that both sides have; nothing if nothing does."""
    if old.environment != new.environment:
        moved = f"Moves from {old.environment} to {new.environment}, where it is made anew: "
        return f"Stack {new.name}\n{moved}{new.size}"
    if old.template == new.template:
        return ""
    # --exclusively, or the stacks that this one depends on are compared with its template.
    # --ci, or the differences go to stderr.
    comparison = ["--exclusively", "--template", str(old.file), "--method", "template", "--ci"]
    details = run([CDK, "diff", new.name, *comparison, "--app", str(new.file.parent)])
    # Notes stand above the heading, and below is a count of stacks, of which it saw but this one.
    _, heading, body = details.partition(f"Stack {new.name}\n")
    if not heading:
        message = f"`cdk diff {new.name}` did not speak of the stack:\n{details}"
        raise DiffError(message)
    return heading + body.partition("\n✨")[0].rstrip()


def changes(old: dict[str, Stack], new: dict[str, Stack]) -> Iterator[str]:
    """What happens to each stack to which something happens."""
    for name, stack in new.items():
        if name not in old:
            yield f"Stack {name}\nNew: {stack.size} in {stack.environment}"
        elif details := change(old[name], stack):
            yield details
    for name, stack in old.items():
        if name not in new:
            yield f"Stack {name}\nGone: {stack.size} in {stack.environment}"


def report(base: str, config: str) -> Iterator[str]:
    """What the working tree changes since a revision, a paragraph at a time."""
    commit = commit_of(base)
    with tempfile.TemporaryDirectory(prefix="denodo-ha-diff-") as name:
        place = Path(name)
        tree = place / "base"
        with checked_out(commit, tree), ThreadPoolExecutor() as side_by_side:
            was_there = (tree / "app.py").is_file() and has_config(tree, config)
            after = side_by_side.submit(synthesise, "the working tree", ROOT, place / "new", config)
            old = synthesise(base, tree, place / "old", config) if was_there else {}
            new = after.result()

        yield f"From {base} ({commit[:12]}) to the working tree, configuration {config}"
        if not was_there:
            yield f"{base} has no app.py or no configuration {config}: every stack is new"
        yield from list(changes(old, new)) or ["No stack differs"]


def stop(number: int, _frame: object) -> None:
    """Leave by way of every `finally`."""
    sys.exit(128 + number)


def main() -> int:
    """Print the differences; the exit status is 1 only if they could not be found."""
    parser = argparse.ArgumentParser(description="Show what the working tree changes.")
    parser.add_argument("--base", default="main", help="git revision to compare with")
    parser.add_argument("--config", default="active-passive", help="path or name")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        for paragraph in report(arguments.base, as_seen_from_a_tree(arguments.config)):
            print(paragraph, end="\n\n", flush=True)
    except DiffError as error:
        print(f"make diff: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
