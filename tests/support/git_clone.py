"""A git repository that is set up like a clone of this project, for commands that read git."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.assembly import ROOT

TIMEOUT = 600  # seconds

# Stand-in for the real app.py, whose run takes seconds: writes the stacks of stacks.json.
APP = """\
import json, os, pathlib, sys

out = pathlib.Path(os.environ["CDK_OUTDIR"])
artifacts = {}
for name, (environment, resources) in json.load(open("stacks.json")).items():
    (out / f"{name}.template.json").write_text(json.dumps({"Resources": resources}))
    artifacts[name] = {
        "type": "aws:cloudformation:stack",
        "environment": environment,
        "properties": {"templateFile": f"{name}.template.json"},
    }
(out / "manifest.json").write_text(json.dumps({"version": "36.0.0", "artifacts": artifacts}))
"""


def copy_sources(name: str, root: Path) -> None:
    """Copy a folder of the clone into a repository, without compiled modules."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / name, root / name, ignore=ignored, dirs_exist_ok=True)


class Repository:
    """A git repository with a small CDK app, set up like a clone of this project.

    Attributes:
        root: the repository's working tree.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tools").mkdir(parents=True, exist_ok=True)
        for name in ("__init__.py", "app", "cdk-offline", "diff.py"):
            shutil.copy(ROOT / "tools" / name, root / "tools")
        copy_sources("denodo_ha", root)
        for name in (".gitignore", "cdk.json"):
            shutil.copy(ROOT / name, root)
        for name in (".venv", "node_modules"):
            (root / name).symlink_to(ROOT / name)
        (root / "temporary").mkdir()
        (root / "config").mkdir()
        (root / "config/active-passive.yaml").touch()
        (root / "app.py").write_text(APP)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git in the repository, and return its output."""
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.root,
            env=os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        return done.stdout

    def commit(self) -> None:
        """Commit all files of the working tree."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=A revision")

    def use_real_app(self) -> Path:
        """Replace the stand-in by the real app, and return the default example."""
        for name in ("config", "hosts", "stacks"):
            copy_sources(name, self.root)
        shutil.copy(ROOT / "app.py", self.root)
        # The app would read the stand-in's empty configuration instead of the example of that name.
        (self.root / "config/active-passive.yaml").unlink(missing_ok=True)
        self.commit()
        return self.root / "config/examples/active-passive.yaml"

    def write(self, stacks: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        """Write the app's stacks: for each stack name, the stack's environment and resources."""
        (self.root / "stacks.json").write_text(json.dumps(stacks))

    @property
    def command(self) -> list[str]:
        """The command under test, `tools.diff`."""
        return [sys.executable, "-m", "tools.diff"]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the command under test."""
        return os.environ | {"TMPDIR": str(self.root / "temporary")}

    def diff(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command under test, `tools.diff`."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    @property
    def leftovers(self) -> list[str]:
        """Return files and worktrees that a diff must not leave."""
        others = self.git("worktree", "list").splitlines()[1:]
        return [*others, *(file.name for file in (self.root / "temporary").iterdir())]
