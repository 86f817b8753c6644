"""Synthesis of a git revision and of the working tree of this clone, without calls to AWS.

    with synthesised_since("main", "prod") as revisions:
        read_stacks([revisions.new])

Both syntheses use the installed packages of this clone, and each uses its own version of the
configuration file. The CDK CLI makes the synthesis, because templates made without the CDK CLI lack
the metadata `aws:cdk:path`.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.cli.configuration_choice import clone_folder
from denodo_ha.cli.errors import Failed, UsageError

SYNTH_TIMEOUT_S: Final = 600
"""Project default: seconds for a synthesis. A synthesis takes about four seconds, so the limit only
ends a synthesis that hangs."""
COMMAND_TIMEOUT_S: Final = 120
"""Project default: seconds for a command of git, or for `cdk diff` of one stack."""

_GIT_VARIABLES: Final = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
"""Environment variables that are removed for git: in a git hook, they name the repository
and index for which the hook runs."""


@dataclass(frozen=True)
class Revisions:
    """The stacks of a base and of a new revision.

    Attributes:
        title: the description of base and new revision.
        base: the stacks of the base; empty if the base does not have the configuration.
        new: the stacks of the new revision.
        note: the reason why the base has no stacks; empty if it has stacks.
    """

    title: str
    base: tuple[SynthesisedStack, ...]
    new: tuple[SynthesisedStack, ...]
    note: str = ""


@contextmanager
def synthesised_since(base: str, config: str) -> Iterator[Revisions]:
    """Synthesise a base and the working tree; the block can read the templates' files.

    Args:
        base: the git revision.
        config: path or name of the configuration.

    Raises:
        UsageError: There is no clone of this project, or git does not know the revision.
        Failed: The base or the working tree cannot be synthesised.
    """
    clone = required_clone()
    config = as_seen_from_a_tree(config, clone)
    commit = commit_of(base, clone)
    with tempfile.TemporaryDirectory(prefix="denodo-ha-diff-") as name:
        folder = Path(name)
        tree = folder / "base"
        with checked_out(commit, tree, clone), ThreadPoolExecutor() as pool:
            base_has_it = (tree / "app.py").is_file() and has_config(tree, config)
            after = pool.submit(synthesise, "the working tree", clone, folder / "new", config)
            before = synthesise(base, tree, folder / "old", config) if base_has_it else ()
            new = after.result()
        title = f"From {base} ({commit[:12]}) to the working tree, configuration {config}"
        note = (
            ""
            if base_has_it
            else f"{base} has no app.py or no configuration {config}: every stack is new"
        )
        yield Revisions(title, before, new, note)


def required_clone() -> Path:
    """Return the folder of the clone of this project.

    Raises:
        UsageError: The package was installed without a clone of this project.
    """
    clone = clone_folder()
    if clone is None:
        message = (
            "a git revision can be synthesised only in a clone of the project: run tools/denodo-ha "
            "in a clone, or give two folders of cdk synth: denodo-ha review BASE.out NEW.out"
        )
        raise UsageError(message)
    return clone


def cdk_offline(clone: Path) -> str:
    """Return the CDK CLI of a clone, which makes no call to AWS."""
    return str(clone / "tools" / "cdk-offline")


def run(command: list[str], *, cwd: Path, timeout: float = COMMAND_TIMEOUT_S) -> str:
    """Run a command and return its standard output.

    Raises:
        Failed: The command failed or did not end in time.
    """
    environment = {key: value for key, value in os.environ.items() if key not in _GIT_VARIABLES}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=timeout,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        output = (error.stderr or error.stdout).strip()
        message = f"`{' '.join(command)}` failed with status {error.returncode}\n{output}"
        raise Failed(message) from error
    except subprocess.TimeoutExpired as error:
        message = f"`{' '.join(command)}` did not end within {timeout:.0f} s: run it again"
        raise Failed(message) from error
    except OSError as error:
        message = f"`{command[0]}` cannot be run: {error.strerror}; run `make setup` first"
        raise Failed(message) from error
    return done.stdout


def commit_of(revision: str, clone: Path) -> str:
    """Return the id of the commit of a revision.

    Raises:
        UsageError: git is missing, the folder is not a clone, or git does not know the revision.
    """
    if shutil.which("git") is None:
        message = (
            "git is not installed, but the review reads the base from git: apt-get install git"
        )
        raise UsageError(message)
    try:
        run(["git", "rev-parse", "--git-dir"], cwd=clone)
    except Failed as error:
        message = (
            f"{clone} is not a clone of a git repository, which contains the base; give two "
            "folders of cdk synth instead: denodo-ha review BASE.out NEW.out"
        )
        raise UsageError(message) from error
    try:
        commit = f"{revision}^{{commit}}"
        verify = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", commit]
        return run(verify, cwd=clone).strip()
    except Failed as error:
        message = (
            f"git does not know the revision {revision!r}; name another revision "
            "(BASE=REVISION for make, --base REVISION for denodo-ha review)"
        )
        if run(["git", "rev-parse", "--is-shallow-repository"], cwd=clone).strip() == "true":
            message += "; the clone is shallow: `git fetch --unshallow` fetches all commits"
        raise UsageError(message) from error


@contextmanager
def checked_out(commit: str, tree: Path, clone: Path) -> Iterator[None]:
    """Check out a commit into a new worktree, and remove the worktree after the block."""
    # Do not run the user's git hooks, which are meant for the user's own checkouts.
    git = ["git", "-c", "core.hooksPath=/dev/null", "worktree"]
    run([*git, "add", "--quiet", "--detach", str(tree), commit], cwd=clone)
    try:
        (tree / ".venv").symlink_to(clone / ".venv")
        yield
    finally:
        run([*git, "remove", "--force", str(tree)], cwd=clone)


def as_seen_from_a_tree(config: str, clone: Path) -> str:
    """Return a configuration's name or path that is valid in the base and in the working tree.

    A path in the clone becomes relative to the clone's root.
    """
    path = Path(config).expanduser()
    return str(path.relative_to(clone)) if path.is_relative_to(clone) else config


def has_config(tree: Path, config: str) -> bool:
    """Return whether a tree contains a configuration, given by path or by name."""
    folders, suffixes = ("config", "config/examples"), (".yaml", ".yml")
    named = [Path(folder, config + suffix) for folder in folders for suffix in suffixes]
    return any((tree / path).is_file() for path in (Path(config).expanduser(), *named))


def synthesise(side: str, tree: Path, out: Path, config: str) -> tuple[SynthesisedStack, ...]:
    """Synthesise a configuration in a tree, and return its stacks; `side` names the tree in errors.

    Raises:
        Failed: The synthesis failed; the message has its reasons.
    """
    cdk = cdk_offline(required_clone())
    # Skip the CDK's validation of templates, which takes a third of the time. `make synth` and
    # `make deploy` run it.
    options = ["--quiet", "--no-validation", "--output", str(out)]
    command = [cdk, "synth", *options, "-c", f"config={config}"]
    try:
        run(command, cwd=tree, timeout=SYNTH_TIMEOUT_S)
    except Failed as error:
        message = f"{side} cannot be synthesised: {error}"
        raise Failed(message) from error
    return read_stacks([out])
