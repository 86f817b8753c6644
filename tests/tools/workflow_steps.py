"""Workflows as data, and their steps as processes."""

import os
import subprocess
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.support.assembly import ROOT

TIMEOUT: Final = 120


def document(file: str) -> dict[str, Any]:
    """Return the content of a workflow's file."""
    content = YAML(typ="safe").load((ROOT / file).read_text())
    assert isinstance(content, dict)
    return content


def steps(file: str, job: str) -> list[dict[str, Any]]:
    """Return the steps of a job."""
    return list(document(file)["jobs"][job]["steps"])


def command(file: str, job: str, name: str) -> str:
    """Return the command of a step as the workflow's file has it."""
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
