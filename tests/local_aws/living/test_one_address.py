"""Machines and load balancers where the system answers for one loopback address, as macOS does.

In place of macOS, a network namespace of Linux has a loopback interface with only 127.0.0.1. The
tests of machines and load balancers run in this namespace, except the tests that need addresses of
clients, or Java.
"""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.assembly import ROOT
from tests.support.combinations import WHOLE
from tools.local_aws.living import isolation

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not WHOLE, reason="part of `make test-whole`"),
    pytest.mark.skipif(
        not isolation.is_allowed() or not shutil.which("unshare") or not shutil.which("ip"),
        reason="needs namespaces, unshare (util-linux) and ip (iproute2)",
    ),
]

_ONE_ADDRESS = """\
set -e
ip link set lo up
ip addr flush dev lo
ip addr add 127.0.0.1/32 dev lo
exec "$@"
"""
_SECONDS = 600


@pytest.mark.parametrize(
    ("file", "chosen"),
    [
        ("test_balancer_deployed.py", "not elsewhere"),
        ("test_machines.py", "run_and_end or see_denodo or reach_managers"),
    ],
)
def test_ports_of_one_address_stand_in(file: str, chosen: str) -> None:
    done = subprocess.run(
        [
            *("unshare", "--map-root-user", "--net", "/bin/sh", "-c", _ONE_ADDRESS, "sh"),
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"),
            *(f"tests/local_aws/living/{file}", "-k", chosen),
        ],
        cwd=ROOT,
        env={**os.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
