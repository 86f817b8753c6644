"""Show what the working tree changes in the templates since a git revision.

    .venv/bin/python tools/diff.py --base main --config active-passive

The CDK CLI synthesises the git revision and the working tree, both with the packages of this clone,
and `cdk diff` compares the templates: no account is needed and AWS is not called. Each of the two
uses its own version of the configuration file, so that changes of the file are shown as well as
changes of the code.
"""

import argparse
import json
import os
import shutil
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
# Seconds. A synthesis takes about four; these limits only end a process that hangs.
SYNTH_TIMEOUT = 600
COMMAND_TIMEOUT = 120


class DiffError(Exception):
    """The comparison failed; the message says why."""


@dataclass(frozen=True)
class Stack:
    """A stack of a cloud assembly.

    Attributes:
        name: its name in the CDK CLI.
        environment: `aws://ACCOUNT/REGION`.
        file: its template.
    """

    name: str
    environment: str
    file: Path

    @cached_property
    def template(self) -> dict[str, Any]:
        """Content of the template."""
        template: dict[str, Any] = json.loads(self.file.read_text())
        return template

    @property
    def size(self) -> str:
        """Number of resources, in words."""
        count = len(self.template.get("Resources", {}))
        return f"{count} resource{'' if count == 1 else 's'}"


def run(command: list[str], *, cwd: Path = ROOT, timeout: float = COMMAND_TIMEOUT) -> str:
    """Run a command and return its standard output.

    Raises:
        DiffError: the command failed or did not end in time.
    """
    # In a git hook these variables would make git use the hook's index.
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
    """Return the id of the commit of a revision, or raise DiffError."""
    if shutil.which("git") is None:
        message = "git is not installed, and the base is read from it: apt-get install git"
        raise DiffError(message)
    try:
        run(["git", "rev-parse", "--git-dir"])
    except DiffError as error:
        message = f"{ROOT} is not a clone of a git repository, from which the base is read"
        raise DiffError(message) from error
    try:
        commit = f"{revision}^{{commit}}"
        return run(["git", "rev-parse", "--verify", "--quiet", "--end-of-options", commit]).strip()
    except DiffError as error:
        message = f"git does not know the revision {revision!r}; name another with BASE=REVISION"
        raise DiffError(message) from error


@contextmanager
def checked_out(commit: str, tree: Path) -> Iterator[None]:
    """Check out a commit into a new worktree, and remove the worktree after the block."""
    # The user's git hooks are meant for the user's own checkouts, so they do not run here.
    git = ["git", "-c", "core.hooksPath=/dev/null", "worktree"]
    run([*git, "add", "--quiet", "--detach", str(tree), commit])
    try:
        (tree / ".venv").symlink_to(ROOT / ".venv")
        yield
    finally:
        run([*git, "remove", "--force", str(tree)])


def as_seen_from_a_tree(config: str) -> str:
    """Return a configuration's name or path, valid in both trees.

    A path in this clone becomes relative to the clone's root.
    """
    path = Path(config).expanduser()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else config


def has_config(tree: Path, config: str) -> bool:
    """Return whether a tree contains a configuration, given by path or by name."""
    folders, suffixes = ("config", "config/examples"), (".yaml", ".yml")
    named = [Path(folder, config + suffix) for folder in folders for suffix in suffixes]
    return any((tree / path).is_file() for path in (Path(config).expanduser(), *named))


def synthesise(side: str, tree: Path, out: Path, config: str) -> dict[str, Stack]:
    """Synthesise a configuration in a tree, and return its stacks; `side` names the tree in errors.

    The CDK CLI synthesises both trees, because templates made without the CLI lack `aws:cdk:path`.
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
    """Return the difference between the old and the new template of a stack; empty if equal."""
    if old.environment != new.environment:
        move = f"Moves from {old.environment} to {new.environment}, where it is created again: "
        return f"Stack {new.name}\n{move}{new.size}"
    if old.template == new.template:
        return ""
    # Without --exclusively, the stacks that this stack depends on are compared with its template.
    # Without --ci, the differences are printed to stderr.
    comparison = ["--exclusively", "--template", str(old.file), "--method", "template", "--ci"]
    details = run([CDK, "diff", new.name, *comparison, "--app", str(new.file.parent)])
    # Notes precede the heading, and the number of stacks follows the body.
    _, heading, body = details.partition(f"Stack {new.name}\n")
    if not heading:
        message = f"`cdk diff {new.name}` did not show the stack:\n{details}"
        raise DiffError(message)
    return heading + body.partition("\n✨")[0].rstrip()


def changes(old: dict[str, Stack], new: dict[str, Stack]) -> Iterator[str]:
    """Yield the differences of each stack that is added, removed or changed."""
    for name, stack in new.items():
        if name not in old:
            yield f"Stack {name}\nNew: {stack.size} in {stack.environment}"
        elif details := change(old[name], stack):
            yield details
    for name, stack in old.items():
        if name not in new:
            yield f"Stack {name}\nGone: {stack.size} in {stack.environment}"


def report(base: str, config: str) -> Iterator[str]:
    """Yield the report in paragraphs."""
    commit = commit_of(base)
    with tempfile.TemporaryDirectory(prefix="denodo-ha-diff-") as name:
        folder = Path(name)
        tree = folder / "base"
        with checked_out(commit, tree), ThreadPoolExecutor() as pool:
            base_has_it = (tree / "app.py").is_file() and has_config(tree, config)
            after = pool.submit(synthesise, "the working tree", ROOT, folder / "new", config)
            old = synthesise(base, tree, folder / "old", config) if base_has_it else {}
            new = after.result()

        yield f"From {base} ({commit[:12]}) to the working tree, configuration {config}"
        if not base_has_it:
            yield f"{base} has no app.py or no configuration {config}: every stack is new"
        yield from list(changes(old, new)) or ["No stack differs"]


def stop(number: int, _frame: object) -> None:
    """Exit by an exception, so that every `finally` block runs."""
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
        for paragraph in report(arguments.base, as_seen_from_a_tree(arguments.config)):
            print(paragraph, end="\n\n", flush=True)
    except DiffError as error:
        print(f"make diff: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
