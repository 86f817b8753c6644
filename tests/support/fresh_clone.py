"""A fresh clone of the working tree, in which documented commands run as a new user types them.

The packages are those of this clone: `make setup` in the new clone finds these packages and
installs nothing.
"""

import filecmp
import os
import re
import shutil
import signal
import subprocess
import threading
import uuid
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.assembly import ROOT

_GIT_S: Final = 300
_COMMAND_S: Final = 1800
_LOCAL_FOLDERS: Final = ("node_modules", "tools/local_aws/.venv")
_LOCKS: Final = {
    "requirements.lock": ".venv/.made-from",
    "requirements-dev.lock": ".venv/.dev-made-from",
    "package-lock.json": "node_modules/.made-from",
    "tools/local_aws/requirements.lock": "tools/local_aws/.venv/.made-from",
}
"""Each lock file, and its copy from the time when the packages of the lock file were installed."""


def make_clone(folder: Path) -> Path:
    """Copy the files that git would commit to a new repository, and link the installed packages.

    Raises:
        AssertionError: The packages are older than the lock files. The new clone's set-up would
            install the packages again, into the folders of this clone.
    """
    for lock, copy in _LOCKS.items():
        current = (ROOT / copy).exists() and filecmp.cmp(ROOT / lock, ROOT / copy, shallow=False)
        assert current, f"{copy} is older than {lock}: run `make dev` and `tools/local_aws/setup`"
    listed = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file() or source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    _git(folder, "init", "--quiet", "--initial-branch", "main")
    _git(folder, "add", "--all")
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    _git(folder, *identity, "commit", "--quiet", "--message", "Clone")
    for name in _LOCAL_FOLDERS:
        (folder / name).symlink_to(ROOT / name)
    _link_environment(folder / ".venv")
    return folder


def _link_environment(environment: Path) -> None:
    """Make a Python environment whose programs belong to the new clone."""
    (environment / "bin").mkdir(parents=True)
    for source in (ROOT / ".venv").iterdir():
        if source.name != "bin":
            (environment / source.name).symlink_to(source)
    for source in (ROOT / ".venv/bin").iterdir():
        target = environment / "bin" / source.name
        if source.name == "denodo-ha":
            target.symlink_to("../../tools/denodo-ha")
        elif source.name == "activate":
            # The file contains the folder in which this clone's environment was made. The clone may
            # have been moved or copied since then.
            text = source.read_text(encoding="utf-8")
            (made_in,) = re.findall(r'^ *VIRTUAL_ENV="?(/[^"\n]+)"?$', text, re.MULTILINE)
            target.write_text(text.replace(made_in, str(environment)), encoding="utf-8")
        else:
            target.symlink_to(source)


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", folder, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=_GIT_S,
    ).stdout


class Shell:
    """A shell of a new user in a clone: its settings remain from one command to the next."""

    def __init__(self, clone: Path, home: Path) -> None:
        """Start bash without the settings of this process.

        Args:
            clone: the working folder.
            home: an empty home folder.
        """
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=clone,
            env={
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "TERM": "dumb",
                "USER": "new",
                "COLUMNS": "300",
                "TMPDIR": str(home),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Return the shell."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the shell and the processes that the shell has started."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=120)
        self._process.stdout.close()

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, and return its exit status and its output on stdout and stderr."""
        end = f"end-{uuid.uuid4().hex}"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\necho {end} $?\n")
        self._process.stdin.flush()
        lines = []
        timer = threading.Timer(_COMMAND_S, os.killpg, (self._process.pid, signal.SIGKILL))
        timer.start()
        try:
            for line in self._process.stdout:
                before, found, status = line.partition(f"{end} ")
                lines.append(before)
                if found:
                    return int(status), "".join(lines)
        finally:
            timer.cancel()
            timer.join()
        message = f"the shell has ended during {command}: {''.join(lines)}"
        raise AssertionError(message)
