"""The CDK CLI, and the programs that it has started, end with the `make local` that runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.assembly import ROOT
from tests.support.waiting import until
from tools.local_aws.emulator.child_processes import start_time

_CLI = '#!/bin/sh\nsleep 600 &\necho "$$ $!" >{pids}.new; mv {pids}.new {pids}\nwait\n'
_LOCAL = """\
import sys
from pathlib import Path
from tools.local_aws import cdk
from tools.local_aws.credentials import Access
from tools.local_aws.paths import Paths

cdk.require_local_aws = lambda _access: None
cdk.run_cdk.__globals__["cdk_command"] = cdk.cdk_command = lambda *_: [sys.argv[1]]
folder = Path(sys.argv[2])
cli = cdk.Cdk(Access("http://127.0.0.1:1", "111122223333", "eu-west-1"), Paths(folder=folder))
quiet = {"run_quietly": (folder / "log", print)}
getattr(cli, sys.argv[3])(*quiet.get(sys.argv[3], ()), "deploy")
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc of Linux")
@pytest.mark.parametrize("how", ["run_quietly", "captured"])
def test_a_killed_command_leaves_no_process(tmp_path: Path, how: str) -> None:
    """The CDK CLI and its child processes end with the command that has started the CLI.

    Otherwise they would work in the same folders as the next `make local`, which would fail.
    """
    pids, cli = tmp_path / "pids", tmp_path / "cli"
    cli.write_text(_CLI.format(pids=pids))
    cli.chmod(0o755)
    local = subprocess.Popen(
        [sys.executable, "-c", _LOCAL, str(cli), str(tmp_path / "local"), how],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env={**os.environ},
    )
    until(pids.exists)
    started = {int(pid): start_time(int(pid)) for pid in pids.read_text().split()}
    until(lambda: _has_guard(local.pid))
    local.kill()
    local.wait(120)
    assert all(started.values())
    until(lambda: not any(start_time(pid) == time for pid, time in started.items()))


def _has_guard(pid: int) -> bool:
    """Return whether a process has the guard that kills its programs if the process is killed."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return any(b"command_end" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)
