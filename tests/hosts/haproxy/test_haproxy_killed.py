"""HAProxy's host program is killed at some steps, and the next command succeeds."""

import json
import subprocess
import sys
from pathlib import Path


def test_a_sample_of_the_kill_matrix() -> None:
    """One step of each command, chosen with a fixed seed; `make kill-matrix` tries all steps."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hosts.haproxy.kill_matrix", "--sample=1", "--seed=16"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert set(found["kills"].values()) == {1}
