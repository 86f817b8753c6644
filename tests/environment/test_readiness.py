"""Probes of services on a node, and clusters whose nodes report readiness."""

from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.derived.readiness import (
    Probe,
    nodes_report_readiness,
    overrides_check_target,
    ready_path,
    service_probe,
)
from denodo_ha.environment.model.service import HealthSettings
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import Data, changed, loaded, minimal

SERVERS = {
    "denodo/servers": ["vdp", "data-catalog", "scheduler"],
    "clusters/main/catalog": {},
}


@pytest.mark.parametrize(
    ("services", "name", "found"),
    [
        ({"jdbc": 9999}, "jdbc", Probe("vdp", 9999)),
        ({"odbc": 9996}, "odbc", Probe("odbc", 9996)),
        ({"web": 9090}, "web", Probe("web", 9090)),
        # The port on the nodes determines the probe, not the port for clients.
        ({"jdbc": {"port": 443, "node_port": 19999}}, "jdbc", Probe("vdp", 19999)),
        ({"web": {"port": 443, "node_port": 9443}}, "web", Probe("web", 9443, tls=True)),
        # The service b uses the same port of the nodes as the service jdbc.
        ({"jdbc": 9999, "b": {"port": 1, "node_port": 9999}}, "b", Probe("vdp", 9999)),
        ({"jdbc": 19999, "b": {"port": 1, "node_port": 19999}}, "b", Probe("vdp", 19999)),
        ({"client": 9999}, "client", Probe("vdp", 9999)),
        ({"bi": 9996}, "bi", Probe("odbc", 9996)),
        ({"portal": {"port": 80, "node_port": 9090}}, "portal", Probe("web", 9090)),
        ({"portal": 9443}, "portal", Probe("web", 9443, tls=True)),
        ({"jobs": 8000}, "jobs", Probe("scheduler", 8000)),
        # A port that Denodo does not use is only probed by a connection.
        ({"jdbc": 19999, "b": 9999}, "b", Probe("tcp", 9999)),
        ({"flight": 9994}, "flight", Probe("tcp", 9994)),
        ({"mine": 1234}, "mine", Probe("tcp", 1234)),
    ],
)
def test_kind_follows_name_and_port(
    tmp_path: Path, services: Data, name: str, found: Probe
) -> None:
    data = changed(minimal("9.0"), {"services": services, **SERVERS})
    environment = loaded(tmp_path, data).environment
    assert service_probe(environment, name, environment.services[name]) == found


def test_path_names_the_service() -> None:
    assert ready_path("jdbc") == "/ready/jdbc"


def test_nodes_are_asked_where_all_of_them_have_the_program(tmp_path: Path) -> None:
    mixed = changed(exists(), {"clusters/main/nodes/node2": {"zone": "eu-west-1b"}})
    asked = {
        name: nodes_report_readiness(
            environment := loaded(tmp_path, data).environment, environment.clusters["main"]
        )
        for name, data in {
            "all": minimal(),
            "none": exists(),
            "some": mixed,
            "off": changed(minimal(), {"denodo/program": False}),
        }.items()
    }
    assert asked == {"all": True, "none": False, "some": False, "off": False}


@pytest.mark.parametrize(
    ("settings", "overrules"),
    [
        ({}, False),
        ({"interval": 30, "timeout": 10, "healthy": 3, "unhealthy": 3}, False),
        ({"protocol": "tcp"}, True),
        ({"port": 9999}, True),
        ({"path": "/x"}, True),
    ],
)
def test_what_is_said_about_how_to_ask_wins(settings: dict[str, Any], *, overrules: bool) -> None:
    given, nothing = HealthSettings(**settings), HealthSettings()
    assert overrides_check_target(given, nothing) is overrules
    assert overrides_check_target(nothing, given) is overrules
