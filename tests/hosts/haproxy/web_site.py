"""A HAProxy with a configuration from the test, in front of web servers that count requests."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hosts.haproxy import next_states
from hosts.haproxy.inspection import verify
from hosts.haproxy.reloading import reload
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.servers import servers
from tests.hosts.haproxy import small_haproxy
from tests.hosts.haproxy.clients import visit
from tests.hosts.haproxy.ports import PROXY
from tests.hosts.haproxy.servers import web
from tests.support.servers.ports import free_port

_FILE = """\
global
    maxconn 2000
    stats socket {run}/admin.sock mode 600 level admin expose-fd listeners
    {state}
defaults
    mode http
    timeout connect 2s
    timeout client 20s
    timeout server 20s
    # A busy machine must not look like a node that is down.
    timeout check 30s
    load-server-state-from-file global
{more}
frontend web
    bind {bind}
    default_backend web
backend web
    option httpchk GET /ready
    default-server check inter 1s fastinter 100ms fall 2 rise 2
{servers}
"""
_SECONDS = 120


@dataclass
class Node:
    """A stand-in node: a web server whose name is its address.

    Attributes:
        ready: whether HAProxy's check of the node passes.
        status: HTTP status that checks get; None: 200 or 503, depending on `ready`.
        requests: number of requests of clients, by port.
        unready: number of requests of clients while the check did not pass.
    """

    address: str
    ready: bool = True
    status: int | None = None
    requests: Counter[int] = field(default_factory=Counter)
    unready: int = 0

    def answers(self, port: int) -> Callable[[str], tuple[int, str]]:
        """Return a function that answers requests at a port."""

        def answer(path: str) -> tuple[int, str]:
            if path == "/ready":
                return self.status or (200 if self.ready else 503), ""
            self.requests[port] += 1
            self.unready += not self.ready
            return 200, f"{self.address}:{port}"

        return answer


@dataclass
class WebSite:
    """HAProxy and the nodes behind it.

    Attributes:
        haproxy: the HAProxy; its state and sockets are in a folder with a short path.
        port: port that clients connect to.
        said: messages of the commands.
        made: the nodes behind HAProxy, if a test stores them in this attribute.
    """

    haproxy: LocalHaproxy
    port: int = field(default_factory=free_port)
    said: list[str] = field(default_factory=list)
    made: dict[str, Node] = field(default_factory=dict)

    def file(
        self, *lines: str, bind: str = "", more: str = "", state: str = "server-state-file STATE"
    ) -> str:
        """Return a configuration with these lines in the backend."""
        return _FILE.format(
            run=self.haproxy.run,
            state=state.replace("STATE", str(self.haproxy.state)),
            bind=bind or f"{PROXY}:{self.port}",
            more=more,
            servers="".join(f"    {line}\n" for line in lines),
        )

    def write(self, *lines: str, **more: str) -> None:
        """Write a configuration file with these lines in the backend, without a reload."""
        self.haproxy.config.write_text(self.file(*lines, **more))

    def reload(self, *lines: str, **more: str) -> None:
        """Reload HAProxy with these lines in the backend."""
        new = self.haproxy.config.with_name("new.cfg")
        new.write_text(self.file(*lines, **more))
        reload(self.haproxy, new, self.said.append)

    def visit(self) -> str:
        """Send a request as a new client; return address and port of the node that answers."""
        return visit(self.port)

    def states(self) -> dict[str, str]:
        """Return the state of each server, such as `up`, by `backend/node`."""
        return {server.id: server.state for server in servers(self.haproxy)}

    def wrong(self) -> list[str]:
        """Return the problems that `verify` reports."""
        return [finding.what for finding in verify(self.haproxy) if not finding.right]

    def differences(self) -> dict[str, str]:
        """Return how the running servers differ from the servers in the file."""
        content = self.haproxy.config.read_bytes()
        from_file = next_states.file_rows(self.haproxy, self.haproxy.config, content)
        return next_states.differences(from_file, next_states.running_rows(self.haproxy))

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < end, self.states()
            time.sleep(0.02)


@contextmanager
def web_site(program: str) -> Iterator[WebSite]:
    """Yield a HAProxy that is not started, with a port and a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="hx-") as name:
        folder = Path(name)
        yield WebSite(
            LocalHaproxy(folder, folder / "server-state", folder / "haproxy.cfg", program)
        )


@contextmanager
def started(site: WebSite) -> Iterator[WebSite]:
    """Run HAProxy with the current configuration file until the block ends."""
    process = small_haproxy.start(site.haproxy)
    try:
        yield site
    finally:
        process.terminate()
        process.wait(timeout=_SECONDS)


@contextmanager
def nodes(*addresses: str, ports: tuple[int, ...]) -> Iterator[dict[str, Node]]:
    """Run web servers as nodes at these addresses; each node listens on all `ports`."""
    made = {address: Node(address) for address in addresses}
    with ExitStack() as running:
        for node in made.values():
            for port in ports:
                running.enter_context(web(node.address, port, node.answers(port)))
        yield made
