"""A real HAProxy accepts every variant of the generated file, without a warning."""

import grp
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings

from denodo_ha.environment.facts.denodo_ports import FAMILIES
from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.environment.model.environment import Environment
from hosts.haproxy.validation import validate
from tests.hosts.haproxy.certificates import Certificates
from tests.hosts.haproxy.running import BALANCER
from tests.strategies import environments
from tests.support.assembly import ROOT
from tests.support.configurations import Data, changed, loaded, minimal
from tests.support.servers.haproxy_program import PROGRAM

GROUP = grp.getgrgid(os.getgid()).gr_name
HTTPS_PORT = 9443
"""Port of the web container for which a service uses TLS by default."""
HAPROXY = f"{BALANCER}/haproxy"

MODES: dict[str, Data | None] = {
    "none": None,
    "passthrough": {"mode": "passthrough"},
    "terminate": {"mode": "terminate", "services": ["web-tls"]},
    "reencrypt": {"mode": "reencrypt"},
}
SERVICES: dict[str, Data] = {
    "usual": {"jdbc": 9999, "odbc": 9996, "web": 9090},
    "one": {"jdbc": 9999},
    "all": {
        "jdbc": {"port": 9999, "sticky": True, "idle_timeout": 350},
        "odbc": {"port": 5432, "node_port": 9996, "health": {"interval": 10, "timeout": 5}},
        "web": {"port": 80, "node_port": 9090, "sticky": True, "client_ip": False},
        "scheduler": 8000,
        "flight": {"port": 9994, "sticky": True},
        "portal": {"port": 8080, "sticky": "cookie", "health": {"protocol": "tcp"}},
        "rest": {"port": 8081, "health": {"protocol": "https", "path": "/it's?a=b", "port": 8443}},
    },
}
SETTINGS: dict[str, Data] = {
    "defaults": {},
    "all": {
        "algorithm": "roundrobin",
        "maxconn": 100,
        "timeouts": {"connect": 2, "tcp": 60, "http": 30, "http_request": 5, "old_worker": 61},
        "checks": {"ready": True, "tls": True, "interval": 2, "fall": 3, "rise": 1},
        "metrics_clients": ["10.0.0.0/8", "192.168.0.0/16"],
    },
}


@pytest.fixture(scope="module")
def host(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Return a host with all files and users that the configuration names."""
    return Host(
        user=None,
        group=GROUP,
        monitor_group=GROUP,
        chroot=False,
        run=str(tmp_path_factory.mktemp("run")),
        certificate=str(certificates.balancer),
        authority=str(certificates.authority),
    )


def _variants(version: str, mode: str) -> Iterator[tuple[str, Data]]:
    tls = MODES[mode]
    for (services, served), nodes, (chosen, given_) in product(
        SERVICES.items(), (1, 3), SETTINGS.items()
    ):
        node_port = 9090 if mode == "terminate" else 9443
        secure = {"web-tls": {"port": 9443, "node_port": node_port, "sticky": True}} if tls else {}
        named: Data = {
            f"node{number}": {"zone": f"eu-west-1{'ab'[number % 2]}"}
            for number in range(1, nodes + 1)
        }
        if version == "7.0":
            for number, node in enumerate(named.values()):
                node["auxiliary_port"] = 20001 + number
        yield (
            f"{services}-{nodes}-{chosen}",
            changed(
                minimal(version),
                {
                    "services": {**served, **secure},
                    "clusters/main/nodes": named,
                    "denodo/program": False,
                    f"{BALANCER}/kind": "haproxy",
                    HAPROXY: {**given_, **({"tls": tls} if tls else {})},
                    **({f"{HAPROXY}/hosts": {"node1": "10.0.0.1"}} if chosen == "all" else {}),
                },
            ),
        )


def _refused(environment: Environment, host: Host, folder: Path, cluster: str = "main") -> str:
    file = folder / "haproxy.cfg"
    file.write_text(render_config(environment, cluster, host))
    return validate(PROGRAM, file)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", FAMILIES)
def test_haproxy_takes_every_variant(version: str, mode: str, host: Host, tmp_path: Path) -> None:
    for number, (name, data) in enumerate(_variants(version, mode)):
        environment = loaded(tmp_path, data, deploying=False).environment
        proxied = replace(host, behind_proxy=number % 2 == 1)
        assert _refused(environment, proxied, tmp_path) == "", name


def _behind_haproxy(data: Data) -> Data:
    """Return the configuration with HAProxy in front of every cluster, and without TLS settings.

    HAProxy then passes TLS through, so services with TLS on the node cannot use cookies.
    """
    result: Data = {key: value for key, value in data.items() if key != "failover"}
    result["clusters"] = {
        name: {
            **cluster,
            "balancer": {"kind": "haproxy", "clients": cluster["balancer"]["clients"]},
        }
        for name, cluster in data["clusters"].items()
    }
    if "services" in data:
        result["services"] = {
            name: _without_tls(service) if isinstance(service, dict) else service
            for name, service in data["services"].items()
        }
    return result


def _without_tls(service: Data) -> Data:
    # `unhealthy_termination` is left out, too: HAProxy always ends connections to unhealthy nodes,
    # and some services refuse the key.
    left_out = {"tls", "unhealthy_termination"}
    result = {key: value for key, value in service.items() if key not in left_out}
    is_tls = result.get("node_port", result["port"]) == HTTPS_PORT
    is_tls |= result.get("health", {}).get("protocol") == "https"
    if is_tls and result.get("sticky") == "cookie":
        result["sticky"] = True
    return result


@settings(
    max_examples=20,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=environments.environments())
def test_haproxy_takes_what_any_configuration_gives(data: Data, host: Host, tmp_path: Path) -> None:
    assume(all(cluster["balancer"]["kind"] == "nlb" for cluster in data["clusters"].values()))
    wanted = _behind_haproxy(data)
    environment = loaded(tmp_path, wanted, deploying=False).environment
    for name in environment.clusters:
        assert _refused(environment, host, tmp_path, name) == ""
    # The order of keys has no effect on the file.
    again = {**wanted, "clusters": dict(reversed(wanted["clusters"].items()))}
    if "services" in wanted:
        again["services"] = dict(reversed(wanted["services"].items()))
    other = loaded(tmp_path, again, deploying=False).environment
    assert render_config(other, "c0", host) == render_config(environment, "c0", host)


def test_readiness_is_asked_where_the_program_is(tmp_path: Path) -> None:
    """HAProxy checks the readiness endpoint, as an NLB does, unless a service has its own check."""
    services = {"jdbc": 9999, "odbc": {"port": 9996, "health": {"protocol": "tcp"}}}
    data = changed(minimal(), {f"{BALANCER}/kind": "haproxy", "services": services})
    for changes, asked in (
        ({}, ["GET /ready/jdbc"]),
        ({"denodo/program": False}, []),
        ({f"{HAPROXY}/checks": {"ready": False}}, []),
        ({f"{HAPROXY}/checks": {"ready": True}}, ["GET /ready/jdbc", "GET /ready/odbc"]),
    ):
        environment = loaded(tmp_path, changed(data, changes), deploying=False).environment
        written = render_config(environment, "main", Host())
        assert re.findall(r"GET /ready/\w+", written) == asked


def test_haproxy_takes_the_article_s_file(tmp_path: Path) -> None:
    """HAProxy accepts the article's file, which a benchmark uses, and `-dW` prints no warning."""
    file = tmp_path / "haproxy.cfg"
    ports = {"jdbc": 9999, "web": 9090, "node_jdbc": 9999, "node_web": 9090}
    file.write_text((ROOT / "tools/bench/article.cfg").read_text().format(run=tmp_path, **ports))
    assert validate(PROGRAM, file) == ""
