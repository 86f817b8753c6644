"""Loopback addresses of instances and load balancers."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.local_aws.emulator import loopback


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Give each test the state of a server that starts without a checkpoint."""
    monkeypatch.setattr(loopback, "STORE", {})
    claims = loopback.Claims()
    monkeypatch.setattr(loopback, "_claims", claims)
    loopback.start(tmp_path)
    yield
    for claim in claims.sockets.values():
        claim.close()


def _only_one_address(monkeypatch: pytest.MonkeyPatch, forbidden: tuple[int, ...] = ()) -> None:
    """Behave as a system that answers for 127.0.0.1 only."""

    def bind_error(host: str, port: int) -> int | None:
        if host != loopback.SHARED:
            return errno.EADDRNOTAVAIL
        return errno.EACCES if port in forbidden else None

    monkeypatch.setattr(loopback, "_bind_error", bind_error)
    loopback.STORE.clear()


def test_owners_have_stable_addresses_of_their_own() -> None:
    owners = [("instance", f"i-{number}", "") for number in range(600)]
    owners += [("balancer", "arn", zone) for zone in ("a", "b")]
    first = [loopback.address(*owner) for owner in owners]
    assert len(set(first)) == len(owners)
    assert [loopback.address(*owner) for owner in owners] == first
    assert all(item.startswith(f"{loopback.STORE['network']}.") for item in first)


def test_two_servers_take_two_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = loopback.STORE["network"]
    other = loopback.Claims()
    monkeypatch.setattr(loopback, "_claims", other)
    monkeypatch.setattr(loopback, "STORE", {"network": mine, "addresses": {"instance i-1": "x"}})
    # The checkpoint of this server names the network that the other server uses now.
    loopback.start(tmp_path)
    assert loopback.STORE["network"] != mine
    assert loopback.address("instance", "i-1").startswith(loopback.STORE["network"])
    for claim in other.sockets.values():
        claim.close()


def test_a_port_keeps_its_number_where_it_may_be_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        loopback, "_bind_error", lambda _host, port: errno.EACCES if port < 1024 else None
    )
    own = loopback.address("instance", "i-1")
    assert loopback.endpoint("instance", "i-1", 9999) == (own, 9999)
    assert loopback.endpoint("instance", "i-1", 443) == (own, 10443)


def test_a_port_in_use_may_be_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "_bind_error", lambda *_: errno.EADDRINUSE)
    assert loopback.may_bind(443)


def test_a_shared_address_has_a_port_for_each_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 21_001
    _only_one_address(monkeypatch, forbidden=(taken,))
    assert loopback.is_shared()
    wanted = [("instance", "i-1", 9999), ("instance", "i-2", 9999), ("instance", "i-2", 443)]
    found = [loopback.endpoint(*item) for item in wanted]
    assert [host for host, _ in found] == [loopback.SHARED] * 3
    ports = [port for _, port in found]
    assert len(set(ports)) == 3
    assert taken not in ports
    assert [loopback.endpoint(*item) for item in wanted] == found
