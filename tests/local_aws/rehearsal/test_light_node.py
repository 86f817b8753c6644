"""A light node listens like a Denodo node, and fails by the commands that it reads as input."""

import http.client
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.support.servers.ports import free_port
from tests.support.waiting import until
from tools.local_aws.rehearsal.license_managers import LicenseManagers
from tools.local_aws.rehearsal.light_nodes import LightNodes, NodeSettings

_TIMEOUT_S = 30


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[LightNodes, int, int]]:
    """A node with two services, and their ports."""
    first, second = free_port(), free_port()
    ports = tuple((port, "vdp", 0) for port in (first, second))
    settings = NodeSettings("one/A", "node1", ports, {"a": (first,)}, 0, 0)
    nodes = LightNodes(tmp_path, 10)
    nodes.start(settings, "127.0.0.1")
    try:
        yield nodes, first, second
    finally:
        nodes.stop()


def answers(port: int, *, timeout: float = _TIMEOUT_S) -> bool:
    """Return whether a server answers a client that sends first."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        client.sendall(b"asyncrmi\x01")
        try:
            return bool(client.recv(1))
        except TimeoutError:
            return False


def test_servers_start_with_a_licence_only(tmp_path: Path) -> None:
    managers = LicenseManagers(["sm.example.com"])
    port, ready = free_port(), free_port()
    license_manager = managers.endpoint("sm.example.com")
    ports = ((port, "vdp", 0),)
    settings = NodeSettings("one/A", "node1", ports, {"a": (port,)}, ready, 0, license_manager)
    nodes = LightNodes(tmp_path, 10)
    try:
        nodes.start(settings, "127.0.0.1")
        managers.lose("sm.example.com")
        assert (accepts(port), is_ready(ready)) == (True, True)
        nodes.reboot("one/A")
        assert (accepts(port), is_ready(ready)) == (False, False)
        # A failure and a repair do not open the ports while the License Manager is down.
        nodes.close_ports("one/A", {port})
        nodes.repair()
        assert (accepts(port), is_ready(ready)) == (False, False)
        managers.repair()
        until(lambda: is_ready(ready))
        assert accepts(port)
    finally:
        nodes.stop()
        managers.stop()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S).close()
    except ConnectionRefusedError:
        return False
    return True


def is_ready(port: int) -> bool:
    """Return whether the readiness endpoint answers that the service `a` is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/ready/a")
        return connection.getresponse().status == HTTPStatus.OK
    finally:
        connection.close()


def test_ports_without_their_database_accept_and_do_not_answer(
    node: tuple[LightNodes, int, int],
) -> None:
    nodes, first, second = node
    nodes.silence("one/A", frozenset({second}))
    assert answers(first)
    assert not answers(second, timeout=0.2)
    nodes.repair()
    assert answers(second)
