"""Deployments of a simulated Solution Manager, with the real scripts and a denodo-ha stand-in.

The Solution Manager (Denodo, Solution Manager Administration Guide, Deployment Configuration) runs
the server scripts if one cluster of an environment is enabled, and only the cluster scripts if
several are. Parameters are literals, or variables of the cluster or of the server; there are no
variables of the environment. Only exit code 0 means success, and a script that takes too long is
killed.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.hosts.solution_manager.manager_host import HANGING, SCRIPTS, Manager
from tests.support.waiting import read_until

DEFAULT_TIMEOUT_S = 600
"""Default time limit of a script (com.denodo.solutionmanager.scripts.timeoutInSeconds)."""
UNDO_S = 60
"""Seconds that the scripts leave to denodo-ha for undoing a drain."""
SERVERS = {"active": ["node1", "node2"], "passive": ["node3", "node4"]}
LOGGING = """#!/bin/sh
echo "$@" >>"$ARGUMENTS"
case "$*" in *"$FAILS"*) exit 3 ;; esac
"""


@dataclass
class Environment:
    """An environment of the Solution Manager.

    Attributes:
        scripts: path of each script: `disable`, `enable`, `disable-cluster`, `enable-cluster`.
        parameters: literals, or variables such as `cluster.NAME` or `server.NAME`, by level.
        clusters: servers of each enabled cluster.
        timeout: seconds after which a script is killed.
        deployed: servers that were deployed to, in order.
    """

    host: Manager
    clusters: Mapping[str, Sequence[str]]
    scripts: Mapping[str, Path]
    parameters: Mapping[str, Sequence[str]]
    timeout: float = DEFAULT_TIMEOUT_S
    deployed: list[str] = field(default_factory=list)

    def deploy(self) -> bool:
        """Deploy to one server or cluster after another; return whether every step succeeded."""
        if len(self.clusters) == 1:
            return all(self._steps_of_servers())
        if not {"disable-cluster", "enable-cluster"} <= {*self.scripts}:
            return False
        return all(self._steps_of_clusters())

    def _steps_of_servers(self) -> Iterator[bool]:
        ((cluster, servers),) = self.clusters.items()
        for server in servers:
            variables = {"cluster.name": cluster, "server.name": server}
            yield self._run("disable", "server", variables)
            self.deployed.append(server)
            yield self._run("enable", "server", variables)

    def _steps_of_clusters(self) -> Iterator[bool]:
        for cluster, servers in self.clusters.items():
            variables = {"cluster.name": cluster}
            yield self._run("disable-cluster", "cluster", variables)
            self.deployed += servers
            yield self._run("enable-cluster", "cluster", variables)

    def _run(self, script: str, level: str, variables: Mapping[str, str]) -> bool:
        given = [variables.get(value, value) for value in self.parameters[level]]
        assert not [value for value in given if value.startswith(("cluster.", "server."))]
        with subprocess.Popen(
            [self.scripts[script], *given],
            env=self.host.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        ) as process:
            try:
                return process.wait(timeout=self.timeout) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                return False


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return an environment with two clusters and the parameters from the documentation."""
    host = Manager(tmp_path)
    host.put(LOGGING)
    host.environment["FAILS"] = "nothing"
    names = ("disable", "enable", "disable-cluster", "enable-cluster")
    return Environment(
        host,
        SERVERS,
        {name: SCRIPTS / name for name in names},
        {
            "server": ["prod", "cluster.name", "server.name", "-", "manager"],
            "cluster": ["prod", "cluster.name", "-", "manager"],
        },
    )


def _commands(environment: Environment) -> list[str]:
    return environment.host.arguments.read_text().splitlines()


def test_one_cluster_is_deployed_server_by_server(environment: Environment) -> None:
    environment.clusters = {"active": SERVERS["active"]}
    assert environment.deploy()
    options = "--cluster active -c prod --timeout 500"
    assert _commands(environment) == [
        line
        for node in ("node1", "node2")
        for line in (
            f"drain {node} {options} --why Solution Manager --profile manager",
            f"enable {node} {options} --profile manager",
        )
    ]


def test_two_clusters_are_deployed_cluster_by_cluster(environment: Environment) -> None:
    assert environment.deploy()
    options = "-c prod --timeout 500 --profile manager"
    assert _commands(environment) == [
        f"failover from active {options}",
        f"failover restore active {options}",
        f"failover from passive {options}",
        f"failover restore passive {options}",
    ]
    assert environment.deployed == ["node1", "node2", "node3", "node4"]


def test_two_clusters_without_cluster_scripts_are_refused(environment: Environment) -> None:
    environment.scripts = {name: environment.scripts[name] for name in ("disable", "enable")}
    assert not environment.deploy()
    assert environment.deployed == []


@pytest.mark.parametrize("clusters", [{"active": SERVERS["active"]}, SERVERS])
def test_nothing_is_deployed_to_what_was_not_taken_out(
    environment: Environment, clusters: Mapping[str, Sequence[str]]
) -> None:
    environment.clusters = clusters
    environment.host.environment["FAILS"] = "active"
    assert not environment.deploy()
    assert environment.deployed == []


@pytest.mark.parametrize("script", ["disable", "disable-cluster"])
def test_the_default_limit_leaves_time_to_undo(environment: Environment, script: str) -> None:
    """The Solution Manager kills a script at its limit, so the script must have undone by then."""
    given = ["prod", "active", "node1"] if script == "disable" else ["prod", "active"]
    assert environment.host.run(script, *given)[0] == 0
    words = _commands(environment)[0].split()
    limit = int(words[words.index("--timeout") + 1])
    assert limit + UNDO_S < DEFAULT_TIMEOUT_S


@pytest.mark.parametrize("clusters", [{"active": SERVERS["active"]}, SERVERS])
def test_a_drain_that_takes_too_long_undoes_itself(
    environment: Environment, clusters: Mapping[str, Sequence[str]]
) -> None:
    environment.host.put(HANGING)
    environment.host.environment["SECOND_IS_OVER"] = str(environment.host.hold_time())
    environment.clusters = clusters
    for parameters in (["prod", "cluster.name", "server.name", "1"], ["prod", "cluster.name", "1"]):
        level = "server" if "server.name" in parameters else "cluster"
        environment.parameters = {**environment.parameters, level: parameters}
    assert not environment.deploy()
    assert environment.deployed == []
    assert "undone" in environment.host.log.read_text()


@pytest.mark.parametrize("script", ["disable", "disable-cluster"])
def test_a_script_that_is_killed_leaves_the_command_running(
    environment: Environment, script: str
) -> None:
    """After the kill, denodo-ha continues until it is done or out of time, and writes its log."""
    environment.host.put(HANGING)
    over = environment.host.hold_time()
    given = ["prod", "active", "node1", "1"] if script == "disable" else ["prod", "active", "1"]
    with environment.host.start(script, *given) as process:
        read_until(process.stdout, "ready")
        process.kill()
        over.touch()
        # The output is complete when the last process that writes to it has ended.
        assert "undone" in process.communicate(timeout=DEFAULT_TIMEOUT_S)[0]
    assert "undone" in environment.host.log.read_text()


@pytest.mark.parametrize(
    "arguments",
    [[], ["prod"], ["prod", ""], ["prod", "-"], ["-c", "active"], ["prod", "active", "ten"]],
)
@pytest.mark.parametrize("script", ["disable-cluster", "enable-cluster"])
def test_parameters_of_a_cluster_in_the_wrong_place(
    environment: Environment, script: str, arguments: list[str]
) -> None:
    code, said = environment.host.run(script, *arguments)
    assert code == 2
    assert "CONFIG CLUSTER [LIMIT] [PROFILE]" in said
    assert not environment.host.arguments.exists()
