"""Breakages of a configuration: wrong settings of services."""

from tests.environment.breakages.breakage import Breakage, Paths, Put, of_service, path_of
from tests.support.configurations import Data


def service_port_twice(data: Data) -> Paths:
    services = data.setdefault("services", {"jdbc": 9999})
    port = next(iter(services.values()))
    services["wrong"] = port if isinstance(port, int) else port["port"]
    return (("services", "wrong"),)


def service_name(data: Data) -> Paths:
    data.setdefault("services", {})["Wrong"] = 60001
    return (("services", "Wrong"),)


BREAKAGES: tuple[Breakage, ...] = (
    of_service({"port": 0}, "port"),
    of_service({"port": 65_536}, "port"),
    of_service({"port": "80"}, "port"),
    of_service({"port": None}, "port"),
    of_service({"node_port": 70_000}, "node_port"),
    of_service({"sticky": "always"}, "sticky"),
    of_service({"client_ip": 0}, "client_ip"),
    of_service({"idle_timeout": 59}, "idle_timeout"),
    of_service({"idle_timeout": 6001}, "idle_timeout"),
    of_service({"tls": "certificate"}, "tls"),
    of_service({"tls": {}}, "tls"),
    of_service({"prot": 1}, "prot"),
    of_service({"health": {"interval": 10, "timeout": 10}}, "health", "timeout"),
    of_service({"health": {"protocol": "http", "path": "ready"}}, "health", "path"),
    Put(path_of("services"), {}),
    Put(path_of("services"), [9999]),
    Put(path_of("services", "wrong"), None),
    Put(path_of("services", "wrong"), "http"),
    Put(path_of("services", "wrong"), [80]),
    service_port_twice,
    service_name,
)
