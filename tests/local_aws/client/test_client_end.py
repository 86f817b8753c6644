"""Programs in a client's network end with the process that relays their connections."""

import subprocess
import sys

import pytest

from tests.support.assembly import ROOT
from tests.support.waiting import until
from tools.local_aws.emulator.child_processes import start_time
from tools.local_aws.living import isolation

pytestmark = pytest.mark.skipif(
    not isolation.is_allowed(), reason="this system denies namespaces to users"
)
_SECONDS = 120
_RELAY = """\
import os
from tools.local_aws.client import client_network
shell = ["/bin/sh", "-c", "sleep 600 & echo $!; read answer; exit 7"]
raise SystemExit(client_network.run(shell, {**os.environ}, dns=("127.0.0.1", 9), ports=[]))
"""


@pytest.mark.parametrize("is_killed", [True, False])
def test_no_program_remains(*, is_killed: bool) -> None:
    """A program of the network that remained would run without DNS and connections."""
    with subprocess.Popen(
        [sys.executable, "-c", _RELAY],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        program = int(relay.stdout.readline())
        started = start_time(program)
        if is_killed:
            relay.kill()
        relay.stdin.close()
        code = relay.wait(_SECONDS)
    assert code == (-9 if is_killed else 7)
    assert started
    until(lambda: start_time(program) != started)
