"""A real HAProxy with two backends whose nodes do not run, so that it starts quickly."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hosts.haproxy.errors import NoAnswer
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.workers import workers

SECONDS = 120

_CONFIG = """\
global
    log stdout format raw local0 info
    maxconn {maxconn}
    stats socket {run}/admin.sock mode 666 level admin expose-fd listeners
    server-state-file {state}
defaults
    mode tcp
    timeout connect 1s
    timeout client 1s
    timeout server 1s
    load-server-state-from-file global
{more}
backend jdbc
    server node1 127.0.0.1:1
    server node2 127.0.0.1:2
backend odbc
    server node1 127.0.0.1:3
    server node2 127.0.0.1:4
"""


def small_config(haproxy: LocalHaproxy, *, maxconn: int = 100, more: str = "") -> str:
    """Return a configuration; `maxconn` makes two configurations different."""
    return _CONFIG.format(run=haproxy.run, state=haproxy.state, maxconn=maxconn, more=more)


def start(haproxy: LocalHaproxy) -> subprocess.Popen[bytes]:
    """Start HAProxy with its current configuration file, and wait until HAProxy answers."""
    with (haproxy.run / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(haproxy.program, "-W", "-f", str(haproxy.config)),
                *("-S", f"{haproxy.run}/master.sock,mode,666"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + SECONDS
    while True:
        try:
            haproxy.query("show info")
            if workers(haproxy).serving is not None:
                return process
        except NoAnswer:
            ended = process.poll() is not None or time.monotonic() > end
            assert not ended, (haproxy.run / "log").read_text()


@contextmanager
def small_haproxy(haproxy: LocalHaproxy, *, more: str = "") -> Iterator[LocalHaproxy]:
    """Run a small HAProxy until the block ends."""
    haproxy.config.write_text(small_config(haproxy, more=more))
    process = start(haproxy)
    try:
        yield haproxy
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)
