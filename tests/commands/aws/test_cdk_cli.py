"""The CDK CLI: a deploy that does not end is left to CloudFormation, and the CLI is ended."""

from pathlib import Path

import pytest

from denodo_ha.aws import cdk_cli, deadline
from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli.errors import Failed


def test_a_deploy_ends_with_its_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, pid = tmp_path / ".venv/node", tmp_path / "pid"
    node.parent.mkdir()
    node.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 600\n")
    node.chmod(0o755)
    monkeypatch.setattr(cdk_cli, "clone_folder", lambda: tmp_path)
    for name in ("POLL_S", "_INTERRUPTED_S"):
        monkeypatch.setattr(cdk_cli, name, 0.05)

    def now() -> float:
        """Return a time that jumps past the deploy's limit as soon as the CDK CLI runs."""
        is_running = pid.exists() and pid.read_text().endswith("\n")
        return 1000.0 + 2 * cdk_cli.DEPLOY_S * is_running

    monkeypatch.setattr(deadline, "_now", now)
    # A deploy has its own time limit: `limited(0)` means that the command's limit has expired.
    with (
        deadline.limited(0),
        pytest.raises(Failed, match=r"deploy` did not end within .*continues"),
    ):
        Cdk().deploy(tmp_path, "denodo70-active", RealClock())
    assert not Path(f"/proc/{pid.read_text().strip()}/fd").exists()
