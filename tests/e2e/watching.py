"""Observation of HAProxy instances during a roll, and a roll that is killed."""

import socket
import subprocess
import sys
import threading

from denodo_ha.environment.haproxy.config_file import RMI_HELLO
from hosts.haproxy.errors import NoAnswer
from tests.e2e.balancing import Balancing
from tests.e2e.deployment import Deployment
from tests.hosts.haproxy.ports import NODES
from tests.support import local_aws_server
from tests.support.assembly import ROOT

_SECONDS = 600


class Watch:
    """Observation of every HAProxy instance: connections of clients, and states of nodes.

    Attributes:
        refused: for each jdbc connection without an answer, the HAProxy instance's address.
        together: each set of nodes that were out of service at the same time.
    """

    def __init__(self, fronts: tuple[Balancing, ...], port: int) -> None:
        self._fronts, self._port = fronts, port
        self.refused: list[str] = []
        self.together: set[frozenset[str]] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(timeout=120)

    def _look(self) -> None:
        while not self._end.wait(0.1):
            try:
                states = [(node, item.states(node)) for node in NODES for item in self._fronts]
            except NoAnswer:
                continue  # HAProxy does not answer for a moment during a reload
            out = {node for node, found in states if found != {"up"}}
            self.together.add(frozenset(out))
            self.refused += [str(item.address) for item in self._fronts if not self._served(item)]

    def _served(self, front: Balancing) -> bool:
        try:
            with socket.create_connection((front.address, self._port), 60) as client:
                client.sendall(bytes.fromhex(RMI_HELLO))
                return client.recv(1) == b"\x4e"
        except OSError:
            return False


_ROLL = """
import sys
from denodo_ha.aws import deadline, ssm_command
from denodo_ha.deployed.rotation import rotation
for module in (ssm_command, rotation):
    module.EVERY_S = 0.1
deadline.left = lambda limit: limit  # as in the tests' process
from denodo_ha.__main__ import main
sys.argv = ["denodo-ha", *sys.argv[1:]]
main()
"""


def roll_until(begun: threading.Event, deployment: Deployment, file: str) -> None:
    """Run `roll` in a separate process, and kill the process as soon as the event is set."""
    rolling = subprocess.Popen(
        [sys.executable, "-c", _ROLL, "roll", "-c", file],
        cwd=ROOT,
        env=deployment.access.environment(local_aws_server.paths()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert begun.wait(_SECONDS)
    finally:
        rolling.kill()
        rolling.wait(timeout=120)
