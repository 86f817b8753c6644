"""HAProxy terminates, re-encrypts or passes through TLS, with real certificates."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.haproxy.certificates import Certificates
from tests.hosts.haproxy.certificates import certificates as make_certificates
from tests.hosts.haproxy.ports import NODES, PROXY
from tests.hosts.haproxy.running import BALANCER, Running, configuration, running
from tests.hosts.haproxy.servers import web
from tests.hosts.haproxy.stand_ins import Site
from tests.support.configurations import Data, changed
from tests.support.servers.ports import free_port


def _get(
    port: int, authority: Path, name: str, cookie: str = ""
) -> tuple[int, str, dict[str, str]]:
    """Return a page over TLS; the server's certificate must be valid for this name."""
    context = ssl.create_default_context(cafile=authority)
    connection = http.client.HTTPSConnection(name, port, timeout=120, context=context)
    # Connect to this machine instead of resolving the name, as if DNS returned this machine.
    connection._create_connection = (  # type: ignore[attr-defined]  # noqa: SLF001
        lambda _to, *rest: __import__("socket").create_connection((PROXY, port), *rest)
    )
    try:
        connection.request("GET", "/name", headers={"Cookie": cookie})
        answer = connection.getresponse()
        headers = {key.lower(): value for key, value in answer.getheaders()}
        return answer.status, answer.read().decode(), headers
    finally:
        connection.close()


def _data(site: Site, node_port: int, tls: Data | None, sticky: object) -> Data:
    service = {"port": free_port(), "node_port": node_port, "sticky": sticky}
    more = {} if tls is None else {f"{BALANCER}/haproxy/tls": {**tls, "services": ["secure"]}}
    return changed(configuration(site.ports), {"services/secure": service, **more})


@contextmanager
def _nodes(chains: dict[str, Path], port: int) -> Iterator[None]:
    """Run an HTTPS server on each node."""
    with ExitStack() as stack:
        for name, chain in chains.items():
            answer: Any = lambda _path, name=name: (200, name)  # noqa: E731 - a function for each node
            stack.enter_context(web(NODES[name], port, answer, chain))
        yield


@contextmanager
def _proxy(data: Data, certificates: Certificates) -> Iterator[Running]:
    with running(
        data,
        certificate=str(certificates.balancer),
        authority=str(certificates.authority),
    ) as proxy:
        yield proxy


def test_terminated(site: Site, certificates: Certificates) -> None:
    data = _data(site, site.ports.web, {"mode": "terminate"}, sticky=True)
    with _proxy(data, certificates) as proxy:
        port = proxy.port("secure")
        status, first, headers = _get(port, certificates.authority, "balancer")
        assert status == 200
        assert "Secure" in headers["set-cookie"]
        cookie = headers["set-cookie"].split(";")[0]
        pages = [_get(port, certificates.authority, "balancer", cookie) for _ in range(4)]
        assert {page[1] for page in pages} == {first}
        with pytest.raises(ssl.SSLError, match="certificate is not valid for 'node1'"):
            _get(port, certificates.authority, "node1")


def test_encrypted_again(site: Site, certificates: Certificates) -> None:
    port = free_port()
    data = _data(site, port, {"mode": "reencrypt"}, sticky=False)
    with (
        _nodes(dict.fromkeys(NODES, certificates.nodes), port),
        _proxy(data, certificates) as proxy,
    ):
        pages = [_get(proxy.port("secure"), certificates.authority, "balancer") for _ in range(6)]
    assert {page[0] for page in pages} == {200}
    assert {page[1] for page in pages} == set(NODES)


def test_a_node_with_a_stranger_s_certificate_gets_nothing(
    site: Site, certificates: Certificates, tmp_path: Path
) -> None:
    port = free_port()
    stranger = make_certificates(tmp_path)
    chains = {"node1": stranger.nodes, "node2": certificates.nodes}
    data = _data(site, port, {"mode": "reencrypt"}, sticky=False)
    with _nodes(chains, port), _proxy(data, certificates) as proxy:
        proxy.until(lambda: proxy.states()["secure/node1"] == "down")
        pages = [_get(proxy.port("secure"), certificates.authority, "balancer") for _ in range(4)]
        assert {page[1] for page in pages} == {"node2"}
        assert "SSL handshake failure" in proxy.log


def test_a_node_of_another_name_gets_nothing(site: Site, certificates: Certificates) -> None:
    port = free_port()
    tls = {"mode": "reencrypt", "node_name": "other.example.com"}
    data = _data(site, port, tls, sticky=False)
    with (
        _nodes(dict.fromkeys(NODES, certificates.nodes), port),
        _proxy(data, certificates) as proxy,
    ):
        proxy.until(lambda: proxy.states()["secure/node1"] == "down")
        proxy.until(lambda: proxy.states()["secure/node2"] == "down")
        assert _get(proxy.port("secure"), certificates.authority, "balancer")[0] == 503


def test_passed_through(site: Site, certificates: Certificates) -> None:
    """The node terminates TLS, and HAProxy's check of the node still uses HTTPS."""
    port = free_port()
    data = _data(site, port, {"mode": "passthrough"}, sticky=True)
    with (
        _nodes(dict.fromkeys(NODES, certificates.nodes), port),
        _proxy(data, certificates) as proxy,
    ):
        pages = [_get(proxy.port("secure"), certificates.authority, "node1") for _ in range(4)]
        proxy.until(lambda: proxy.statistic("secure", "node1", "check_code") == 200)
    # With TLS passed through, HAProxy cannot use cookies and selects the node by source address.
    assert len({page[1] for page in pages}) == 1
