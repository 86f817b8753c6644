"""A light node listens as a Denodo node does, and fails as its input says."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers.ports import free_port
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
    """Return whether a server answers a client that speaks first."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        client.sendall(b"asyncrmi\x01")
        try:
            return bool(client.recv(1))
        except TimeoutError:
            return False


def test_ports_without_their_database_accept_and_do_not_answer(
    node: tuple[LightNodes, int, int],
) -> None:
    nodes, first, second = node
    nodes.silence("one/A", frozenset({second}))
    assert answers(first)
    assert not answers(second, timeout=0.2)
    nodes.repair()
    assert answers(second)
