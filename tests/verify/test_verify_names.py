"""The cluster that a name resolves to, the correct RMI host, and the services to verify."""

from pathlib import Path
from typing import Any

import pytest

from denodo_ha.verify.findings import Fault, StepState
from denodo_ha.verify.site import resolve
from denodo_ha.verify.verification import VerifiedPort, ports_to_verify
from tests.support.configurations import GONE, changed, loaded, minimal
from tests.support.servers.ports import free_port
from tests.verify.sites import ENDPOINT, NOBODY, Names, at, one_cluster, two_clusters, verify

MAIN, SPARE = "main.elb.example.com", "spare.elb.example.com"
BALANCERS = {"main": MAIN, "spare": SPARE}
KNOWN: dict[str, tuple[str, ...]] = {
    MAIN: ("127.0.7.11", "127.0.7.12"),
    SPARE: ("127.0.7.21", "127.0.7.22"),
}
CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"


def side(folder: Path, names: Names, **more: Any) -> tuple[StepState, str, str]:
    """Verify two clusters; return state, finding and text of the step `which side`."""
    environment = two_clusters(folder, "8.0", {"services/jdbc": free_port()})
    site = at(
        environment,
        ENDPOINT,
        failover_name=ENDPOINT,
        **{"balancers": BALANCERS, **more},
        resolver=names,
    )
    step = verify(site, timeout=0.1).step("names", "which side")
    return step.state, step.finding, step.seen


@pytest.mark.parametrize(
    ("addresses", "canonical", "told"),
    [
        # The target of a CNAME determines the cluster, even if its addresses are unknown.
        (("127.0.7.99",), MAIN, (StepState.OK, "", "main, the primary")),
        (("127.0.7.99",), SPARE, (StepState.NOTE, "dns-secondary", "spare, the secondary")),
        # An answer from an alias record has no canonical name. The cluster is known by the
        # addresses, of which the answer may have only some.
        (("127.0.7.12",), ENDPOINT, (StepState.OK, "", "main, the primary")),
        (("127.0.7.21",), ENDPOINT, (StepState.NOTE, "dns-secondary", "spare, the secondary")),
    ],
)
def test_side(
    addresses: tuple[str, ...], canonical: str, told: tuple[StepState, str, str], tmp_path: Path
) -> None:
    names = Names({**KNOWN, ENDPOINT: addresses}, {ENDPOINT: canonical})
    assert side(tmp_path, names) == told


def test_neither_side(tmp_path: Path) -> None:
    state, code, said = side(tmp_path, Names({**KNOWN, ENDPOINT: (NOBODY,)}))
    assert (state, code) == (StepState.WRONG, "dns-neither")
    assert MAIN in said
    assert NOBODY in said


@pytest.mark.parametrize("lacks", ["name", "address"])
def test_side_cannot_be_told(lacks: str, tmp_path: Path) -> None:
    names = Names({MAIN: KNOWN[MAIN], ENDPOINT: (NOBODY,)})
    more = {"balancers": {"main": MAIN}} if lacks == "name" else {}
    assert side(tmp_path, names, **more) == (StepState.NOTE, "dns-unsure", "not known: spare")


def test_no_such_name(tmp_path: Path) -> None:
    environment = two_clusters(tmp_path, "8.0", {})
    found = verify(at(environment, ENDPOINT, failover_name=ENDPOINT))
    assert found.codes() == {("names", "dns-unknown")}
    assert set(found.logs) == {"names"}


@pytest.mark.parametrize("name", ["nobody.invalid", "a" * 300, "a\0b", "..", "x" * 64 + ".com"])
def test_this_machines_resolver_refuses(name: str) -> None:
    with pytest.raises(Fault, match="dns-unknown"):
        resolve(name)


def test_this_machines_resolver() -> None:
    assert resolve("127.0.0.1").addresses == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("host", "balancers", "code"),
    [
        (MAIN.upper() + ".", BALANCERS, ""),
        ("other.example.com", BALANCERS, ""),
        ("127.0.7.11", BALANCERS, ""),
        (ENDPOINT, BALANCERS, "rmi-host-failover"),
        (SPARE, BALANCERS, "rmi-host"),
        ("node1.internal", BALANCERS, "rmi-host"),
        ("node1.internal", {}, "rmi-host-unsure"),
    ],
)
def test_rmi_host(host: str, balancers: dict[str, str], code: str, tmp_path: Path) -> None:
    """The RMI host is the load balancer's name, or a name that resolves to the same addresses."""
    names = Names({**KNOWN, "other.example.com": KNOWN[MAIN], "node1.internal": ("10.0.0.5",)})
    environment = two_clusters(tmp_path, "7.0", {})
    site = at(
        environment,
        ENDPOINT,
        failover_name=ENDPOINT,
        clusters=("main",),
        balancers=balancers,
        resolver=names,
    )
    assert site.rmi_host_finding(host) == code


def test_rmi_host_is_what_was_asked(tmp_path: Path) -> None:
    site = at(one_cluster(tmp_path, "7.0", {}), MAIN, resolver=Names(KNOWN))
    assert site.rmi_host_finding(MAIN) == ""


SERVICES = {
    "jdbc": 9999,
    "odbc": 9996,
    "web": {"port": 443, "node_port": 9443, "tls": CERTIFICATE},
    "portal": {"port": 80, "node_port": 9090, "sticky": True},
    "scheduler": 8000,
    "flight": 9994,
    "other": 7777,
}
SERVERS = {
    "denodo/servers": ["vdp", "data-catalog", "scheduler"],
    "clusters/main/catalog": {},
}


def test_subjects(tmp_path: Path) -> None:
    environment = one_cluster(tmp_path, "9.0", {"services": SERVICES, **SERVERS})
    assert ports_to_verify(environment, ["main"], tls=["flight"]) == (
        VerifiedPort("flight", "flight", 9994, tls=True),
        VerifiedPort("jdbc", "tcp", 9999),
        VerifiedPort("odbc", "odbc", 9996),
        VerifiedPort("other", "tcp", 7777),
        VerifiedPort("portal", "web", 80, sticky="source", sticky_source=True),
        VerifiedPort("scheduler", "scheduler", 8000),
        VerifiedPort("web", "web", 443, tls=True),
    )


def test_subjects_of_a_node(tmp_path: Path) -> None:
    """For a node, its own ports are verified.

    They have no TLS and no cookies of a load balancer.
    """
    services = {**SERVICES, "flight": {"port": 9994, "tls": CERTIFICATE}}
    environment = one_cluster(tmp_path, "9.0", {"services": services, **SERVERS})
    found = {one.name: one for one in ports_to_verify(environment, ["main"], node="node1")}
    assert found["portal"] == VerifiedPort("portal", "web", 9090)
    assert found["web"] == VerifiedPort("web", "web", 9443, tls=True)
    assert found["flight"] == VerifiedPort("flight", "flight", 9994)


def test_auxiliary_ports_of_both_sides(tmp_path: Path) -> None:
    """If the cluster is unknown, only services that both clusters have are verified."""
    changes = {"clusters/spare/nodes/node2/auxiliary_port": 39997}
    environment = two_clusters(tmp_path, "7.0", changes)
    both = ports_to_verify(environment, ["main", "spare"])
    assert [one.name for one in both] == ["jdbc", "auxiliary node1"]
    assert both[0].protocol == "rmi"
    spare = ports_to_verify(environment, ["spare"])
    assert [(one.name, one.port) for one in spare[1:]] == [
        ("auxiliary node1", 19997),
        ("auxiliary node2", 39997),
    ]
    node = ports_to_verify(environment, ["spare"], node="node2")
    assert [(one.name, one.port) for one in node[1:]] == [("auxiliary node2", 39997)]


def test_every_address_is_tried(tmp_path: Path) -> None:
    """If the address of one zone does not answer, the service's next address is tried."""
    environment = one_cluster(tmp_path, "8.0", {"services": {"other": free_port()}})
    names = Names({MAIN: (NOBODY, "127.0.7.201")})
    found = verify(at(environment, MAIN, resolver=names))
    assert [step.name.split(":")[0] for step in found.logs["other"].steps] == [
        f"connect {NOBODY}",
        "connect 127.0.7.201",
    ]
    assert found.codes() == {("other", "refused")}


def test_a_version_has_its_services(tmp_path: Path) -> None:
    data = changed(minimal("8.0"), {"services": GONE})
    found = ports_to_verify(loaded(tmp_path, data).environment, ["main"])
    assert [(one.name, one.protocol) for one in found] == [
        ("jdbc", "tcp"),
        ("odbc", "odbc"),
        ("web", "web"),
    ]
