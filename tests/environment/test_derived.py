"""Facts derived from a configuration: health checks of nodes, and the failover plan."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from denodo_ha.environment.derived import cookie_balancer, failover_plan
from denodo_ha.environment.derived.topology import (
    HealthCheck,
    haproxy_front_listeners,
    listeners,
    max_haproxy_instances,
    single_node_listeners,
)
from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.environment.haproxy.routes import haproxy_routes
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover
from denodo_ha.environment.model.pins import configured_machine
from tests.environment.rule_cases.failover import ENDPOINT, public_singles, singles
from tests.environment.rule_cases.haproxy import deployed
from tests.environment.rule_cases.nodes import exists
from tests.support.configurations import (
    ACCOUNT,
    OTHER_ACCOUNT,
    UUID,
    Data,
    changed,
    loaded,
    minimal,
    twins,
)

NO_PROGRAM = partial(changed, minimal(), {"denodo/program": False})


def mixed() -> Data:
    """Return a configuration of a cluster with one existing and one created node."""
    return changed(exists(), {"clusters/main/nodes/node2": {"zone": "eu-west-1b"}})


def checks(folder: Path, data: Data) -> dict[str, HealthCheck]:
    """Return the health check of each target group of cluster `main`, by service or node."""
    environment = loaded(folder, data).environment
    return {
        listener.key: listener.health
        for listener in listeners(environment, environment.clusters["main"])
    }


def failover(folder: Path, changes: Data) -> tuple[Environment, Failover]:
    """Return an environment with failover, and its failover settings."""
    environment = loaded(folder, changed(twins(), changes)).environment
    assert environment.failover is not None
    return environment, environment.failover


class TestHealthCheck:
    """A service's own settings apply first, then the load balancer's, then the defaults."""

    def test_default_is_fast_and_asks_the_node(self, tmp_path: Path) -> None:
        assert checks(tmp_path, minimal())["jdbc"] == HealthCheck(
            "http", 9191, "/ready/jdbc", 5, 4, 2, 2
        )

    def test_times_alone_change_nothing_else(self, tmp_path: Path) -> None:
        data = changed(minimal(), {"services/jdbc": {"port": 9999, "health": {"interval": 30}}})
        assert checks(tmp_path, data)["jdbc"] == HealthCheck(
            "http", 9191, "/ready/jdbc", 30, 4, 2, 2
        )

    @pytest.mark.parametrize("base", [NO_PROGRAM, exists, mixed], ids=["program", "all", "one"])
    def test_nodes_without_the_program_are_checked_by_connecting(
        self, tmp_path: Path, base: Callable[[], Data]
    ) -> None:
        assert checks(tmp_path, base())["jdbc"] == HealthCheck("tcp", 9999, None, 5, 4, 2, 2)

    def test_own_settings_come_first(self, tmp_path: Path) -> None:
        data = changed(
            minimal(),
            {
                "clusters/main/balancer/health": {
                    "protocol": "http",
                    "port": 9191,
                    "path": "/general",
                    "interval": 30,
                    "timeout": 20,
                    "healthy": 3,
                    "unhealthy": 4,
                },
                "services/plain": {"port": 80},
                "services/own": {
                    "port": 81,
                    "health": {
                        "protocol": "https",
                        "port": 82,
                        "path": "/own",
                        "interval": 60,
                        "timeout": 50,
                        "healthy": 5,
                        "unhealthy": 6,
                    },
                },
            },
        )
        found = checks(tmp_path, data)
        assert found["plain"] == HealthCheck("http", 9191, "/general", 30, 20, 3, 4)
        assert found["own"] == HealthCheck("https", 82, "/own", 60, 50, 5, 6)

    def test_node_port_is_checked(self, tmp_path: Path) -> None:
        web = {"port": 80, "node_port": 9090, "health": {"protocol": "tcp"}}
        data = changed(minimal(), {"services/web": web})
        assert checks(tmp_path, data)["web"] == HealthCheck("tcp", 9090, None, 5, 4, 2, 2)

    def test_http_asks_for_the_root_unless_told(self, tmp_path: Path) -> None:
        data = changed(minimal(), {"services/web": {"port": 80, "health": {"protocol": "http"}}})
        assert checks(tmp_path, data)["web"].path == "/"

    def test_tcp_asks_for_nothing_whatever_the_balancer_says(self, tmp_path: Path) -> None:
        health = {"protocol": "http", "path": "/ready"}
        data = changed(
            minimal(),
            {
                "clusters/main/balancer/health": health,
                "services/raw": {"port": 80, "health": {"protocol": "tcp"}},
            },
        )
        assert checks(tmp_path, data)["raw"].path is None

    def test_auxiliary_port_is_checked_by_connecting_to_it(self, tmp_path: Path) -> None:
        health = {"protocol": "http", "port": 9191, "interval": 30, "unhealthy": 9}
        data = changed(minimal("7.0"), {"clusters/main/balancer/health": health})
        assert checks(tmp_path, data)["node1"] == HealthCheck("tcp", 19997, None, 30, 4, 2, 9)


class TestCookies:
    """Health checks of nodes behind an Application Load Balancer, and of that balancer."""

    def found(self, folder: Path, web: Data, **more: object) -> tuple[HealthCheck, HealthCheck]:
        """Return the two checks of a service with cookies: of its nodes, and of the balancer."""
        service = {"port": 443, "node_port": 9090, "sticky": "cookie", **web}
        data = changed(minimal(), {"services/web": service, **more})
        environment = loaded(folder, data).environment
        served = listeners(environment, environment.clusters["main"])
        assert [service.alb_health for service in served if service.key != "web"] == [None]
        (one,) = (service for service in served if service.key == "web")
        assert one.alb_health is not None
        return one.health, one.alb_health

    def test_nodes_are_asked_and_an_answer_is_enough_of_the_balancer(self, tmp_path: Path) -> None:
        assert self.found(tmp_path, {}) == (
            HealthCheck("http", 9191, "/ready/web", 5, 4, 2, 2),
            HealthCheck("http", 443, "/", 5, 4, 2, 2),
        )

    def test_what_nodes_are_asked_on_the_service_s_port_the_balancer_is_too(
        self, tmp_path: Path
    ) -> None:
        health = {"protocol": "http", "path": "/up", "interval": 10}
        nodes, balancer = self.found(tmp_path, {"health": health})
        assert nodes == HealthCheck("http", 9090, "/up", 10, 4, 2, 2)
        assert balancer == HealthCheck("http", 443, "/up", 10, 4, 2, 2)

    def test_another_port_s_path_is_not_the_service_s(self, tmp_path: Path) -> None:
        health = {"port": 9098, "path": "/up"}
        nodes, balancer = self.found(tmp_path, {"health": health})
        assert (nodes.protocol, nodes.port, nodes.path) == ("http", 9098, "/up")
        assert balancer.path == "/"

    def test_tls_ends_at_the_balancer_and_may_begin_again(self, tmp_path: Path) -> None:
        tls = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/{UUID}"
        web = {"tls": tls, "node_port": 9443}
        nodes, balancer = self.found(tmp_path, web, **{"denodo/program": False})
        assert nodes == HealthCheck("https", 9443, "/", 5, 4, 2, 2)
        assert balancer.protocol == "https"

    def test_nodes_without_the_program_are_checked_by_http(self, tmp_path: Path) -> None:
        nodes, _ = self.found(tmp_path, {}, **{"denodo/program": False})
        assert nodes == HealthCheck("http", 9090, "/", 5, 4, 2, 2)

    @pytest.mark.parametrize(("timeouts", "expected"), [((60, 100), 350), ((None, 900), 900)])
    def test_one_idle_timeout_is_the_longest(
        self, tmp_path: Path, timeouts: tuple[int | None, int], expected: int
    ) -> None:
        """A service without `idle_timeout` counts as 350 s, the Network Load Balancer's default."""
        services = {
            f"services/s{number}": {
                "port": 8080 + number,
                "sticky": "cookie",
                **({"idle_timeout": one} if one else {}),
            }
            for number, one in enumerate((*timeouts, None))
        }
        environment = loaded(tmp_path, changed(minimal(), services)).environment
        assert cookie_balancer.idle_timeout(environment, environment.clusters["main"]) == expected


def test_haproxy_is_behind_a_listener_for_each_port(tmp_path: Path) -> None:
    """HAProxy answers the health checks; an auxiliary port is healthy if any service is healthy."""
    environment = loaded(tmp_path, deployed("7.0")).environment
    cluster = environment.clusters["main"]
    front = haproxy_front_listeners(environment, cluster)
    assert {one.port: one.target_port for one in front} == {
        9999: 9999,
        19997: 19997,
        29997: 29997,
    }
    port = cluster.balancer.proxy.health_port
    assert {one.key: one.health for one in front} == {
        "jdbc": HealthCheck("http", port, "/health/jdbc", 5, 4, 2, 2),
        "node1": HealthCheck("http", port, "/health", 5, 4, 2, 2),
        "node2": HealthCheck("http", port, "/health", 5, 4, 2, 2),
    }
    assert single_node_listeners(environment, cluster) == ()
    instance = cluster.balancer.proxy.instance
    assert instance is not None
    assert max_haproxy_instances(cluster) == instance.count + 1
    plain = loaded(tmp_path, minimal()).environment.clusters["main"]
    assert max_haproxy_instances(plain) == 0


class TestFailover:
    """The failover stack is in the secondary's region, to survive the loss of the primary's."""

    def test_region_is_the_secondary_s_unless_given(self, tmp_path: Path) -> None:
        assert failover_plan.stack_region(*failover(tmp_path, {})) == "us-east-1"
        assert (
            failover_plan.stack_region(*failover(tmp_path, {"failover/region": "sa-east-1"}))
            == "sa-east-1"
        )

    def test_account_is_the_primary_s_unless_given(self, tmp_path: Path) -> None:
        apart = {"clusters/main/account": OTHER_ACCOUNT, "failover/health": "target-health"}
        assert failover_plan.stack_account(*failover(tmp_path, apart)) == OTHER_ACCOUNT
        given = {**apart, "failover/account": "000000000001"}
        assert failover_plan.stack_account(*failover(tmp_path, given)) == "000000000001"

    @pytest.mark.parametrize(
        ("record", "name"),
        [("denodo", "denodo.example.com"), ("a.b", "a.b.example.com"), ("@", "example.com")],
    )
    def test_name_is_the_record_s_and_the_zone_s(
        self, tmp_path: Path, record: str, name: str
    ) -> None:
        _, settings = failover(tmp_path, {"failover/record": record})
        assert failover_plan.dns_name(settings) == name


class TestMethod:
    """`auto` chooses a method by which losing one node triggers no site failover."""

    @pytest.mark.parametrize(
        ("version", "scheme", "nodes", "method"),
        [
            ("8.0", "internal", 2, "target-health"),
            ("8.0", "internet-facing", 2, "target-health"),
            ("8.0", "internal", 1, "alarm"),
            ("8.0", "internet-facing", 1, "endpoint"),
            ("7.0", "internal", 2, "alarm"),
            ("7.0", "internet-facing", 2, "endpoint"),
        ],
    )
    def test_of_two_like_clusters(
        self, tmp_path: Path, version: str, scheme: str, nodes: int, method: str
    ) -> None:
        data = twins(version)
        for cluster in data["clusters"].values():
            cluster["balancer"]["scheme"] = scheme
            cluster["network"]["health_checkers"] = "pl-01234567"
            cluster["nodes"] = dict([*cluster["nodes"].items()][:nodes])
        environment = loaded(tmp_path, data).environment
        assert failover_plan.check_methods(environment) == {"main": method, "spare": method}

    def test_single_node_of_one_cluster_decides_for_both(self, tmp_path: Path) -> None:
        data = twins()
        del data["clusters"]["spare"]["nodes"]["node2"]
        environment = loaded(tmp_path, data).environment
        assert failover_plan.check_methods(environment) == {"main": "alarm", "spare": "alarm"}

    @pytest.mark.parametrize("health", ["target-health", "alarm"])
    def test_given_method_is_used(self, tmp_path: Path, health: str) -> None:
        environment, settings = failover(tmp_path, {"failover/health": health})
        assert failover_plan.check_methods(environment) == {"main": health, "spare": health}
        assert settings.health == health

    def test_given_endpoint_is_used(self, tmp_path: Path) -> None:
        environment, _ = failover(tmp_path, ENDPOINT)
        assert set(failover_plan.check_methods(environment).values()) == {"endpoint"}

    def test_single_nodes_are_checked_by_their_address_or_not_at_all(self, tmp_path: Path) -> None:
        public = loaded(tmp_path, public_singles()).environment
        assert failover_plan.check_methods(public) == {"main": "endpoint", "spare": "endpoint"}
        assert failover_plan.health_checks(public) == {"main": "endpoint", "spare": "endpoint"}
        private = loaded(tmp_path, singles()).environment
        assert failover_plan.check_methods(private) == {"main": "none", "spare": "none"}
        assert failover_plan.health_checks(private) == {}

    def test_without_failover_there_is_none(self, tmp_path: Path) -> None:
        environment = loaded(tmp_path, minimal()).environment
        assert (
            failover_plan.check_methods(environment)
            == failover_plan.health_checks(environment)
            == {}
        )
        assert failover_plan.cluster_pair(environment) == ()

    @pytest.mark.parametrize(
        ("changes", "checked"),
        [
            ({}, {"main", "spare"}),
            ({"failover/secondary_health": False}, {"main"}),
            ({"failover/control": "operator"}, {"spare"}),
            ({"failover/control": "operator", "failover/secondary_health": False}, set()),
        ],
    )
    def test_clusters_with_an_automatic_check(
        self, tmp_path: Path, changes: Data, checked: set[str]
    ) -> None:
        data = changed(twins("7.0"), changes)
        assert set(failover_plan.health_checks(loaded(tmp_path, data).environment)) == checked


def test_machine_is_the_cluster_s_or_the_node_s_own(tmp_path: Path) -> None:
    own = {"type": "m5.large", "image": "ami-01234567"}
    data = changed(minimal(), {"clusters/main/nodes/node1/instance": own})
    cluster = loaded(tmp_path, data).environment.clusters["main"]
    assert configured_machine(cluster.instance, cluster.nodes["node2"]) == cluster.instance
    machine = configured_machine(None, cluster.nodes["node1"])
    assert machine is not None
    assert (machine.type, machine.image, machine.disk_gib) == ("m5.large", "ami-01234567", 100)
    assert configured_machine(None, cluster.nodes["node2"]) is None


def test_haproxy_asks_only_web_services_by_https(tmp_path: Path) -> None:
    """`tls.services` may name jdbc in passthrough, whose port never answers HTTPS."""
    changes: Data = {
        "services/web": 9443,
        "clusters/main/balancer/haproxy/tls": {
            "mode": "passthrough",
            "services": ["jdbc", "odbc", "web"],
        },
        "services/odbc": 9996,
    }
    environment = loaded(tmp_path, changed(deployed("8.0"), changes)).environment
    checks = {route.name: route.check for route in haproxy_routes(environment, "main")}
    assert {name: check.speaks for name, check in checks.items() if check} == {
        "jdbc": "tcp",
        "odbc": "postgresql",
        "web": "https",
    }


SCHEDULER: Data = {
    "services/jobs": 8000,
    "denodo/servers": ["vdp", "scheduler"],
    "clusters/main/catalog": {"components": ["scheduler"]},
    "clusters/main/balancer/kind": "haproxy",
    **{
        f"clusters/main/nodes/node{number}/scheduler_auxiliary_port": 7998 + number * 10_000
        for number in (1, 2)
    },
}


@pytest.mark.parametrize("version", ["7.0", "8.0"])
def test_haproxy_leads_each_auxiliary_port_to_its_node(version: str, tmp_path: Path) -> None:
    data = changed(minimal(version), SCHEDULER)
    environment = loaded(tmp_path, data, deploying=False).environment
    routes = {route.name: route for route in haproxy_routes(environment, "main")}
    own = {name: route for name, route in routes.items() if name.startswith("auxiliary.")}
    expected = {"auxiliary.node1_scheduler": 17998, "auxiliary.node2_scheduler": 27998}
    if version == "7.0":
        expected |= {"auxiliary.node1": 19997, "auxiliary.node2": 29997}
    assert {name: route.port for name, route in own.items()} == expected
    for name, route in own.items():
        (server,) = route.servers
        assert (server.name, server.port, route.check) == (name[10:15], route.port, None)
    assert single_node_listeners(environment, environment.clusters["main"]) == ()


def test_haproxy_s_check_of_the_scheduler_follows_the_nodes_tls(tmp_path: Path) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls-AbCdEf"
    for tls in ({}, {"denodo/tls": {"secret": arn}}):
        data = changed(minimal(), {**SCHEDULER, **tls})
        environment = loaded(tmp_path, data, deploying=False).environment
        checks = {route.name: route.check for route in haproxy_routes(environment, "main")}
        jobs, jdbc = checks["jobs"], checks["jdbc"]
        assert jobs is not None
        assert jdbc is not None
        assert (jobs.speaks, jobs.tls, jdbc.tls) == ("rmi", bool(tls), False)


@pytest.mark.parametrize("ends", [None, True, False])
def test_haproxy_ends_the_connections_of_unhealthy_nodes(
    tmp_path: Path, *, ends: bool | None
) -> None:
    service = {"port": 9999} if ends is None else {"port": 9999, "unhealthy_termination": ends}
    data = changed(minimal(), {"services/jdbc": service, "clusters/main/balancer/kind": "haproxy"})
    environment = loaded(tmp_path, data, deploying=False).environment
    text = render_config(environment, "main", Host())
    assert ("on-marked-down shutdown-sessions" in text) == (ends is not False)


def test_haproxy_keeps_sessions_of_7_0_as_long_as_jdbc(tmp_path: Path) -> None:
    """Auxiliary ports have the idle timeout of jdbc, as they carry the sessions of 7.0."""
    changes: Data = {"services/jdbc": {"port": 9999, "idle_timeout": 1200}}
    environment = loaded(tmp_path, changed(deployed("7.0"), changes)).environment
    idle = {route.name: route.idle for route in haproxy_routes(environment, "main")}
    assert set(idle) == {"jdbc", "auxiliary.node1", "auxiliary.node2"}
    assert set(idle.values()) == {1200}
