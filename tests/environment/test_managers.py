"""A cluster's own License Manager and Solution Manager have precedence over the environment's."""

from pathlib import Path

import pytest

from denodo_ha.environment.derived.firewall import firewall
from denodo_ha.environment.derived.node_state import Deployed, desired_state
from denodo_ha.environment.derived.outbound_access import needed_access
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.manager_probe import managers_of
from tests.support.configurations import changed, twins, write

_SHARED = {
    "license_manager": {"host": "lm.example.com"},
    "solution_manager": {"host": "sm.example.com", "cidrs": ["10.8.0.0/24"]},
}
_OWN = {
    "clusters/spare/license_manager": {"host": "lm2.example.com", "port": 1234, "tls": True},
    "clusters/spare/solution_manager": {"host": "sm2.example.com", "cidrs": ["10.9.0.0/24"]},
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("managers")
    return load(write(folder, changed(twins(), {**_SHARED, **_OWN}))).environment


def test_nodes_ask_the_manager_of_their_cluster(environment: Environment) -> None:
    states = {}
    for name, cluster in environment.clusters.items():
        assert cluster.instance is not None
        deployed = Deployed(rmi_host="", stack="s", resource="r", program="p")
        states[name] = desired_state(
            environment, name, "node1", machine=cluster.instance, deployed=deployed
        )
    assert states["main"]["license_manager"] == {
        "host": "lm.example.com",
        "port": 10091,
        "tls": False,
    }
    assert states["spare"]["license_manager"] == {
        "host": "lm2.example.com",
        "port": 1234,
        "tls": True,
    }
    assert states["spare"]["solution_manager"] == {"host": "sm2.example.com", "port": 10090}


def test_each_cluster_admits_its_own_solution_manager(environment: Environment) -> None:
    for name, own, other in (("main", "10.8.", "10.9."), ("spare", "10.9.", "10.8.")):
        rules = str(firewall(environment, name))
        assert own in rules
        assert other not in rules


def test_nodes_need_access_to_their_own_managers(environment: Environment) -> None:
    needed = {name: str([*needed_access(environment, name)]) for name in environment.clusters}
    assert "lm.example.com" in needed["main"]
    assert "lm2.example.com" not in needed["main"]
    assert "sm2.example.com" in needed["spare"]
    assert "sm.example.com" not in needed["spare"]


def test_verify_asks_each_manager_once(environment: Environment, tmp_path: Path) -> None:
    hosts = [manager.host for manager in managers_of(environment, environment.clusters)]
    assert hosts == ["lm.example.com", "sm.example.com", "lm2.example.com", "sm2.example.com"]
    assert [manager.host for manager in managers_of(environment, ["spare"])] == hosts[2:]
    shared = load(write(tmp_path, changed(twins(), _SHARED))).environment
    assert len([*managers_of(shared, shared.clusters)]) == 2
