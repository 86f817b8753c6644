"""Ports and other facts of each Denodo version match Denodo's manuals and its article on AWS."""

from pathlib import Path

import pytest

from denodo_ha.environment.derived.firewall import management_ports
from denodo_ha.environment.derived.topology import listeners, single_node_listeners
from denodo_ha.environment.facts.denodo_ports import FAMILIES, JDBC_URLS, PORTS, Family
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from tests.support.assembly import ROOT
from tests.support.configurations import Data, changed, loaded, minimal


def of(folder: Path, data: Data) -> set[int]:
    """Return the ports of the load balancer of cluster `main`."""
    environment = loaded(folder, data).environment
    return {listener.port for listener in listeners(environment, environment.clusters["main"])}


def test_article_has_these_ports() -> None:
    environment = load(ROOT / "config/examples/active-passive.yaml").environment
    assert environment.denodo.version == "7.0"
    for cluster in environment.clusters.values():
        served = {
            (listener.port, listener.target_port, listener.nodes)
            for listener in listeners(environment, cluster)
        }
        assert served == {
            (9999, 9999, ("node1", "node2")),
            (9996, 9996, ("node1", "node2")),
            (9090, 9090, ("node1", "node2")),
            (19997, 19997, ("node1",)),
            (29997, 29997, ("node2",)),
        }
        single = single_node_listeners(environment, cluster)
        assert [one.port for one in single] == [19997, 29997]


@pytest.mark.parametrize("version", FAMILIES)
def test_services_left_out_are_the_version_s(version: Family, tmp_path: Path) -> None:
    data = minimal(version)
    del data["services"]
    auxiliary = {19997, 29997} if version == "7.0" else set()
    assert of(tmp_path, data) == {9999, 9996, 9090} | auxiliary


def test_flight_is_served_where_it_is_named(tmp_path: Path) -> None:
    data = changed(minimal("9.0"), {"services/flight": 9994})
    assert of(tmp_path, data) == {9999, 9994}


def test_only_7_has_auxiliary_ports() -> None:
    assert {version: ports.auxiliary for version, ports in PORTS.items()} == {
        "7.0": True,
        "8.0": False,
        "9.0": False,
    }


def test_managers_reach_jmx_from_8_on() -> None:
    assert {version: set(ports.management) for version, ports in PORTS.items()} == {
        "7.0": {9999, 9090, 9443, 8000, 7998},
        "8.0": {9999, 9997, 9995, 9090, 9443, 8000, 7998},
        "9.0": {9999, 9997, 9995, 9090, 9443, 8000, 7998},
    }


def test_managers_follow_a_service_to_its_node_port(tmp_path: Path) -> None:
    data = changed(
        minimal("7.0"),
        {"services": {"jdbc": {"port": 443, "node_port": 19999}, "web": {"port": 80}}},
    )
    assert management_ports(loaded(tmp_path, data).environment) == (80, 7998, 8000, 9443, 19999)


@pytest.mark.parametrize("version", FAMILIES)
def test_what_manages_or_stops_a_node_is_private(version: Family) -> None:
    ports = PORTS[version]
    assert ports.private <= ports.occupied.keys()
    assert {9998, 9097, 9098, 9099} <= ports.private
    assert not ports.private & set(ports.services.values())
    # JMX ports of Virtual DataPort; in 7.0, auxiliary ports may use them instead.
    assert ({9997, 9995} <= ports.private) == (version != "7.0")
    assert ({9997, 9995} & ports.occupied.keys() == set()) == (version == "7.0")


def test_flight_is_occupied_in_9_only() -> None:
    assert [version for version in FAMILIES if 9994 in PORTS[version].occupied] == ["9.0"]


def test_7_forgets_the_node_between_connections() -> None:
    assert JDBC_URLS["7.0"].startswith("jdbc:vdb://")
    assert JDBC_URLS["7.0"].endswith("?reuseRegistrySocket=false")
    for version in ("8.0", "9.0"):
        assert JDBC_URLS[version].startswith("jdbc:denodo://")
        assert "?" not in JDBC_URLS[version]


@pytest.mark.parametrize(
    ("version", "family"),
    [
        ("7.0", "7.0"),
        ("8.0", "8.0"),
        ("8.1", "8.0"),
        ("9.1", "9.0"),
        ("9.4", "9.0"),
        ("9.10", "9.0"),
    ],
)
def test_every_version_has_the_ports_and_the_home_of_its_family(
    version: str, family: Family, tmp_path: Path
) -> None:
    data = changed(minimal(family), {"denodo/version": version})
    del data["services"]
    denodo = loaded(tmp_path, data).environment.denodo
    assert (denodo.version, denodo.family) == (version, family)
    assert denodo.platform_home() == f"/opt/denodo/denodo_platform_{family.replace('.', '_')}"
    assert of(tmp_path, data) == of(tmp_path, {**data, "denodo": {"version": family}})


@pytest.mark.parametrize("version", ["7.1", "10.0", "6.0", "9", "9.x", "9.1.2", "", 9.1])
def test_other_versions_are_refused(version: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="version"):
        loaded(tmp_path, changed(minimal(), {"denodo/version": version}))


def test_managers_reach_the_web_container_s_jmx_on_request(tmp_path: Path) -> None:
    ports = {
        shown: set(
            management_ports(
                loaded(tmp_path, changed(minimal(), {"denodo/web_jmx": shown})).environment
            )
        )
        for shown in (False, True)
    }
    assert ports[True] - ports[False] == {9098, 9097}
