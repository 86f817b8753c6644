"""Fixtures of the tests of `verify`: Java nodes, started once, since each start takes a second."""

from collections.abc import Iterator

import pytest

from tests.support.servers.certificates import authority
from tests.support.servers.java_rmi import JavaNode, java_nodes
from tests.support.servers.ports import free_port
from tests.verify.sites import BALANCER, NOBODY, NODES


class Nodes:
    """Java nodes of a 7.0 cluster, correct and faulty ones.

    Attributes:
        right: node1 and node2, both correct.
        same_port: node2 with node1's auxiliary port.
        encrypted: a node with TLS on both ports.
        wrong_host: node1, which redirects clients to an RMI host where no server listens.
    """

    def __init__(self, nodes: tuple[JavaNode, ...]) -> None:
        self.right = nodes[:2]
        self.same_port, self.wrong_host, self.encrypted = nodes[2:]
        self.registry = nodes[0].registry


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("java")
    registry, first, second = free_port(), free_port(), free_port()
    variants = (
        JavaNode(NODES[0], BALANCER, registry, first, free_port()),
        JavaNode(NODES[1], BALANCER, registry, second, free_port()),
        JavaNode("127.0.7.3", BALANCER, registry, first, free_port()),
        JavaNode("127.0.7.4", NOBODY, registry, first, free_port()),
        JavaNode(
            "127.0.7.5",
            "127.0.7.5",
            registry,
            first,
            free_port(),
            identity=authority().issue("127.0.7.5"),
        ),
    )
    with java_nodes(folder, *variants) as started:
        yield Nodes(started)
