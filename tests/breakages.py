"""Ways to break a valid configuration: each must be said at its place, and bring nothing else.

A breakage changes the data and returns the paths that messages may name: the first must be named,
at it or within it. It returns None where it does not apply to the data.
"""

from collections.abc import Callable
from typing import Any

from tests.configurations import Data, Key, maps_by_cluster
from tests.shapes_catalog import share

Paths = tuple[Key, ...]
Breakage = Callable[[Data], Paths | None]

C0: Key = ("clusters", "c0")
NETWORK, BALANCER, INSTANCE, NODES = (
    (*C0, key) for key in ("network", "balancer", "instance", "nodes")
)
DENODO: Key = ("denodo",)
JDBC: Key = ("services", "jdbc")
FAILOVER: Key = ("failover",)


def _at(data: Data, path: Key) -> Any:
    found: Any = data
    for part in path:
        found = found[part]
    return found


def _is_bare(data: Data) -> bool:
    return bool(_at(data, BALANCER)["kind"] == "none")


def _first_node(data: Data) -> Key:
    return (*NODES, next(iter(_at(data, NODES))))


def _clusters(data: Data) -> list[Data]:
    return list(data["clusters"].values())


def _of(*path: str | int) -> Key:
    return path


class Put:
    """A value that is wrong, in it at a place; its parents are made unless they are needed."""

    def __init__(self, path: Key, value: Any, *others: Key, at: Key = (), needs: Key = ()) -> None:
        self.path, self.value, self.others, self.at, self.needs = path, value, others, at, needs

    def __call__(self, data: Data) -> Paths | None:
        if self.needs and self.needs[0] not in data:
            return None
        owner: Any = data
        for part in self.path[:-1]:
            owner = owner.setdefault(part, {})
        owner[self.path[-1]] = self.value
        return (*self.path, *self.at), *self.others

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} = {str(self.value)[:40]}"


class Remove:
    """A compulsory key that is missing."""

    def __init__(self, path: Key, needs: Key = ()) -> None:
        self.path, self.needs = path, needs

    def __call__(self, data: Data) -> Paths | None:
        if self.needs and self.needs[0] not in data:
            return None
        del _at(data, self.path[:-1])[self.path[-1]]
        return (self.path,)

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} removed"


class Misspell:
    """A key that is written wrong."""

    def __init__(self, path: Key, wrong: str) -> None:
        self.path, self.wrong = path, wrong

    def __call__(self, data: Data) -> Paths | None:
        owner = _at(data, self.path[:-1])
        if self.path[-1] not in owner:
            return None
        owner[self.wrong] = owner.pop(self.path[-1])
        return ((*self.path[:-1], self.wrong),)

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} as {self.wrong}"


def of_first_node(key: str, value: Any) -> Breakage:
    """A wrong value of a node."""

    def break_it(data: Data) -> Paths:
        path = _first_node(data)
        _at(data, path)[key] = value
        return ((*path, key),)

    break_it.__name__ = f"node.{key} = {value}"
    return break_it


def of_service(settings: Data, *keys: str) -> Put:
    """A service that is wrong in these keys."""
    return Put(("services", "wrong"), {"port": 60001, **settings}, at=keys)


def of_failover(key: str, value: Any) -> Put:
    """A wrong value of the failover, where there is one."""
    return Put((*FAILOVER, key), value, needs=FAILOVER)


def service_port_twice(data: Data) -> Paths:
    services = data.setdefault("services", {"jdbc": 9999})
    port = next(iter(services.values()))
    services["wrong"] = port if isinstance(port, int) else port["port"]
    return (("services", "wrong"),)


def service_name(data: Data) -> Paths:
    data.setdefault("services", {})["Wrong"] = 60001
    return (("services", "Wrong"),)


def cluster_name(data: Data) -> Paths | None:
    if "failover" in data or maps_by_cluster(data):
        return None
    data["clusters"]["Wrong"] = data["clusters"].pop("c0")
    return (("clusters", "Wrong"),)


def node_name(data: Data) -> Paths | None:
    if _is_bare(data):
        return None
    nodes = _at(data, NODES)
    nodes["wrong_"] = {**nodes[next(iter(nodes))], "auxiliary_port": 60002}
    nodes["wrong_"].pop("instance_id", None)
    nodes["wrong_"].pop("address", None)
    if data["denodo"]["version"] != "7.0":
        del nodes["wrong_"]["auxiliary_port"]
    return ((*NODES, "wrong_"),)


def node_name_twice(data: Data) -> Paths | None:
    if _is_bare(data):
        return None
    nodes, (*_, name) = _at(data, NODES), _first_node(data)
    twin = str(name).swapcase() if str(name).swapcase() != name else f"{name}-{name}"
    if twin in nodes or twin == f"{name}-{name}":
        return None
    nodes[twin] = {"zone": nodes[name]["zone"]}
    if data["denodo"]["version"] == "7.0":
        nodes[twin]["auxiliary_port"] = 60002
    # A cluster of two nodes has to share its catalogs.
    return (*NODES, twin), NODES, (*C0, "catalog")


def node_in_no_zone(data: Data) -> Paths:
    path = _first_node(data)
    zones = _at(data, NETWORK)["zones"]
    region = _at(data, C0)["region"]
    _at(data, path)["zone"] = next(
        f"{region}{letter}" for letter in "abcdefgh" if f"{region}{letter}" not in zones
    )
    return (*path, "zone"), NODES


def zone_elsewhere(data: Data) -> Paths:
    network = _at(data, NETWORK)
    if isinstance(network["zones"], list):
        network["zones"].append("sa-east-1a")
    else:
        subnets = {"nodes": "subnet-01234567", "balancer": "subnet-12345678"}
        network["zones"]["sa-east-1a"] = subnets if "vpc" in network else {}
    # Fixed addresses are for all zones.
    return (*NETWORK, "zones", "sa-east-1a"), (*BALANCER, "addresses")


def zone_that_is_none(data: Data) -> Paths:
    network = _at(data, NETWORK)
    if isinstance(network["zones"], list):
        network["zones"].append("wrong")
    else:
        network["zones"]["wrong"] = {}
    return ((*NETWORK, "zones", "wrong"),)


def zone_misspelt(data: Data) -> Paths:
    """A zone that nodes are in and the balancer has an address in."""
    network = _at(data, NETWORK)
    zone = _at(data, _first_node(data))["zone"]
    if isinstance(network["zones"], list):
        network["zones"][network["zones"].index(zone)] = "wrong"
    else:
        network["zones"]["wrong"] = network["zones"].pop(zone)
    return ((*NETWORK, "zones", "wrong"),)


def network_with_host_bits(data: Data) -> Paths:
    _at(data, NETWORK)["cidr"] = "10.0.0.1/16"
    return ((*NETWORK, "cidr"),)


def network_without_addresses(data: Data) -> Paths | None:
    network = _at(data, NETWORK)
    adopts = any("instance_id" in node for node in _at(data, NODES).values())
    if "vpc" in network and not adopts:
        return None
    del network["cidr"]
    return ((*NETWORK, "cidr"),)


def network_of_the_wrong_size(data: Data) -> Paths | None:
    if "vpc" in _at(data, NETWORK):
        return None
    _at(data, NETWORK)["cidr"] = "10.0.0.0/28"
    return ((*NETWORK, "cidr"),)


def no_subnet_for_nodes(data: Data) -> Paths | None:
    network, name = _at(data, NETWORK), _first_node(data)
    node = _at(data, name)
    if "vpc" not in network or "instance_id" in node:
        return None
    del network["zones"][node["zone"]]["nodes"]
    # A database would be in the subnets of the nodes.
    return (*NETWORK, "zones", node["zone"], "nodes"), (*C0, "catalog")


def region_without_its_zones(data: Data) -> Paths:
    _at(data, C0)["region"] = "sa-east-1"
    # What belongs to the region is wrong with it.
    metadata = ((*C0, "catalog"), (*C0, "exports"))
    haproxy = (*BALANCER, "haproxy")
    return (*NETWORK, "zones"), (*INSTANCE, "kms_key"), haproxy, ("services",), DENODO, *metadata


def auxiliary_port(data: Data) -> Paths:
    path = _first_node(data)
    if data["denodo"]["version"] == "7.0":
        del _at(data, path)["auxiliary_port"]
    else:
        _at(data, path)["auxiliary_port"] = 19997
    return ((*path, "auxiliary_port"),)


def auxiliary_port_twice(data: Data) -> Paths | None:
    nodes = _at(data, NODES)
    if data["denodo"]["version"] != "7.0" or len(nodes) == 1:
        return None
    first, second = list(nodes)[:2]
    nodes[second]["auxiliary_port"] = nodes[first]["auxiliary_port"]
    return ((*NODES, second, "auxiliary_port"),)


def auxiliary_port_of_a_service(data: Data) -> Paths | None:
    if data["denodo"]["version"] != "7.0":
        return None
    path = _first_node(data)
    data.setdefault("services", {})["wrong"] = _at(data, path)["auxiliary_port"]
    # It is so in every cluster whose node has this port.
    others = ((*C0[:1], name) for name in data["clusters"])
    return (*path, "auxiliary_port"), *others


def client_twice(data: Data) -> Paths:
    clients = _at(data, BALANCER)["clients"]
    clients.append(clients[0])
    return ((*BALANCER, "clients", len(clients) - 1),)


def client_that_is_none(data: Data) -> Paths:
    _at(data, BALANCER)["clients"].insert(0, "10.0.0.0/33")
    return ((*BALANCER, "clients", 0),)


def instance_that_is_none(data: Data) -> Paths:
    node = _at(data, _first_node(data))
    node.pop("instance", None)
    node["instance_id"] = "i-1"
    return ((*_first_node(data), "instance_id"),)


def address_of_nobody(data: Data) -> Paths | None:
    node = _at(data, _first_node(data))
    if "instance_id" in node:
        return None
    node["address"] = "10.0.0.1"
    return ((*_first_node(data), "address"),)


def address_elsewhere(data: Data) -> Paths | None:
    node = _at(data, _first_node(data))
    if "instance_id" not in node:
        return None
    node["address"] = "172.16.0.1"
    return ((*_first_node(data), "address"),)


def servers_that_serve_nobody(data: Data) -> Paths | None:
    """Every service that needs them says so, but for those that are checked by themselves."""
    if not data["denodo"].get("program", True) or _is_bare(data):
        return None
    if any("health" in of["balancer"] for of in _clusters(data)):
        return None
    if any("instance_id" in node for of in _clusters(data) for node in of["nodes"].values()):
        return None
    data.setdefault("services", {})["jdbc"] = 9999
    data["denodo"]["servers"] = ["scheduler"]
    data["denodo"].pop("metadata", None)
    share(data, "scheduler")
    return JDBC, ("services",)


def export_from_nowhere(data: Data) -> Paths:
    data["denodo"]["metadata"] = {"source": "export"}
    return ((*DENODO, "metadata"),)


def secret_elsewhere(data: Data) -> Paths | None:
    nodes = _at(data, NODES).values()
    if data["denodo"]["version"] == "7.0" or all("instance_id" in node for node in nodes):
        return None
    arn = "arn:aws:secretsmanager:sa-east-1:111122223333:secret:x-AbCdEf"
    data["denodo"]["security_token"] = arn
    return ((*DENODO, "security_token"),)


def port_of_another_server(data: Data) -> Paths | None:
    nodes = [node for of in _clusters(data) for node in of["nodes"].values()]
    if not data["denodo"].get("program", True) or all("instance_id" in node for node in nodes):
        return None
    data.setdefault("services", {})["jdbc"] = {"port": 9999, "node_port": 9191}
    return (*JDBC, "node_port"), *(() if not _is_bare(data) else (JDBC,))


def no_machine(data: Data) -> Paths | None:
    path = _first_node(data)
    if "instance_id" in _at(data, path):
        return None
    del _at(data, C0)["instance"]
    return path, NODES


def policy_twice(data: Data) -> Paths:
    policy = f"arn:aws:iam::{_at(data, C0)['account']}:policy/one"
    _at(data, INSTANCE)["role_policies"] = [policy, policy]
    return ((*INSTANCE, "role_policies", 1),)


def failover_to_nobody(data: Data) -> Paths | None:
    if "failover" not in data:
        return None
    data["failover"]["secondary"] = "nobody"
    return ((*FAILOVER, "secondary"),)


def failover_from_nobody(data: Data) -> Paths | None:
    if "failover" not in data:
        return None
    data["failover"]["primary"] = "nobody"
    return ((*FAILOVER, "primary"),)


def failover_to_itself(data: Data) -> Paths | None:
    if "failover" not in data:
        return None
    data["failover"]["secondary"] = data["failover"]["primary"]
    return ((*FAILOVER, "secondary"),)


def without_balancer_but_many(data: Data) -> Paths | None:
    if _is_bare(data) or len(_at(data, NODES)) == 1:
        return None
    _at(data, BALANCER)["kind"] = "none"
    _at(data, BALANCER).pop("haproxy", None)
    # What only balancers do is refused, too.
    return (*BALANCER, "kind"), NODES, ("services",), FAILOVER, (*C0, "catalog")


BREAKAGES: tuple[Breakage, ...] = (
    Put(_of("colour"), "green"),
    Put(_of("clusters", "c0", "colour"), "green"),
    Put((*NETWORK, "subnets"), []),
    Put((*BALANCER, "listeners"), 5),
    Put((*BALANCER, "health", "retries"), 5),
    Misspell(_of("name"), "nmae"),
    Misspell(_of("denodo"), "denod"),
    Misspell(_of("clusters"), "cluster"),
    Misspell((*C0, "region"), "regoin"),
    Misspell((*C0, "account"), "acount"),
    Misspell(NETWORK, "networks"),
    Misspell(BALANCER, "balanser"),
    Misspell(NODES, "node"),
    Misspell((*INSTANCE, "type"), "typ"),
    Misspell((*BALANCER, "clients"), "client"),
    Remove(_of("name")),
    Remove(_of("denodo")),
    Remove(_of("denodo", "version")),
    Remove(_of("clusters")),
    Remove((*C0, "account")),
    Remove((*C0, "region")),
    Remove(NETWORK),
    Remove((*NETWORK, "zones")),
    Remove(NODES),
    Remove(BALANCER),
    Remove((*BALANCER, "kind")),
    Remove((*BALANCER, "clients")),
    Remove((*INSTANCE, "type")),
    Remove((*INSTANCE, "image")),
    Remove((*FAILOVER, "primary"), needs=FAILOVER),
    Remove((*FAILOVER, "zone"), needs=FAILOVER),
    Remove((*FAILOVER, "record"), needs=FAILOVER),
    Put(_of("name"), []),
    Put(_of("name"), None),
    Put(_of("name"), "Upper"),
    Put(_of("name"), "x" * 25),
    Put(_of("denodo"), "8.0"),
    Put(_of("denodo", "version"), "9.1"),
    Put(_of("denodo", "version"), 9),
    Put(_of("denodo", "version"), None),
    Put((*DENODO, "colour"), "green"),
    Put((*DENODO, "program"), "no"),
    Put((*DENODO, "home"), "opt/denodo"),
    Put((*DENODO, "home"), "/opt/denodo/"),
    Put((*DENODO, "user"), "root"),
    Put((*DENODO, "user"), "a b"),
    Put((*DENODO, "servers"), []),
    Put((*DENODO, "servers"), ["vdp", "vdp"]),
    Put((*DENODO, "servers"), ["vql"]),
    Put((*DENODO, "heap_gib"), 0),
    Put((*DENODO, "heap_gib"), 8192),
    Put((*DENODO, "heap_gib"), "8"),
    Put((*DENODO, "jvm"), "-Xmx8g"),
    Put((*DENODO, "jvm"), {"web": " -Xmx2g"}),
    Put((*DENODO, "tls"), {}),
    Put((*DENODO, "tls"), {"secret": "denodo/tls"}),
    Put((*DENODO, "security_token"), "token"),
    Put((*DENODO, "metadata"), "image"),
    Put((*DENODO, "metadata"), {"source": "export", "uri": "s3://bucket/*", "login": "admin"}),
    Put((*DENODO, "signal"), "later"),
    Put((*DENODO, "start_limit"), 299),
    Put((*DENODO, "start_limit"), 43_201),
    Put((*DENODO, "stop_limit"), 9),
    Put((*NETWORK, "node_zone"), {"id": "1", "name": "example.com"}, (*NETWORK, "node_zone_vpcs")),
    Put((*NETWORK, "node_zone"), "example.com"),
    Put((*NETWORK, "node_zone_vpcs"), ["vpc"]),
    export_from_nowhere,
    secret_elsewhere,
    servers_that_serve_nobody,
    port_of_another_server,
    Put(_of("clusters"), {}),
    Put(_of("clusters"), []),
    Put(C0, None),
    Put(C0, "here"),
    Put((*C0, "account"), 5),
    Put((*C0, "account"), "11112222333"),
    Put((*C0, "region"), "Ireland"),
    Put((*C0, "allow_single_zone"), "yes"),
    Put(NETWORK, "10.0.0.0/16"),
    Put((*NETWORK, "zones"), {}),
    Put((*NETWORK, "zones"), [[]]),
    Put((*NETWORK, "vpc"), "vpc-1", NETWORK),
    Put((*NETWORK, "health_checkers"), "all"),
    Put(INSTANCE, "m5.xlarge"),
    Put((*INSTANCE, "type"), "big"),
    Put((*INSTANCE, "type"), 5),
    Put((*INSTANCE, "image"), "latest"),
    Put((*INSTANCE, "disk_gib"), 0),
    Put((*INSTANCE, "disk_gib"), 65_537),
    Put((*INSTANCE, "disk_gib"), "100"),
    Put((*INSTANCE, "disk_gib"), 1.5),
    Put((*INSTANCE, "root_device"), "sda"),
    Put((*INSTANCE, "kms_key"), "alias/aws/ebs"),
    Put((*INSTANCE, "role_policies"), ["Admin"]),
    Put(NODES, {}),
    Put(NODES, 3),
    of_first_node("zone", None),
    of_first_node("zone", "a"),
    instance_that_is_none,
    of_first_node("address", "10.0.0"),
    of_first_node("adress", "10.0.0.1"),
    address_of_nobody,
    address_elsewhere,
    Put((*BALANCER, "kind"), "alb"),
    Put((*BALANCER, "scheme"), "public"),
    Put((*BALANCER, "clients"), []),
    Put((*BALANCER, "clients"), "10.0.0.0/8"),
    Put((*BALANCER, "clients"), ["10.0.0.1/8"]),
    Put((*BALANCER, "cross_zone"), 1),
    Put((*BALANCER, "deregistration_delay"), 3601),
    Put((*BALANCER, "deregistration_delay"), -1),
    Put((*BALANCER, "deletion_protection"), "true"),
    Put((*BALANCER, "health"), {"interval": 4}),
    Put((*BALANCER, "health"), {"interval": 301}),
    Put((*BALANCER, "health"), {"timeout": 1}),
    Put((*BALANCER, "health"), {"healthy": 11}),
    Put((*BALANCER, "health"), {"protocol": "udp"}),
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
    Put(_of("services"), {}),
    Put(_of("services"), [9999]),
    Put(_of("services", "wrong"), None),
    Put(_of("services", "wrong"), "http"),
    Put(_of("services", "wrong"), [80]),
    Put(_of("tags"), {"aws:x": "y"}),
    Put(_of("tags"), {"x": 5}),
    Put(_of("tags"), {"x" * 129: "y"}),
    Put(_of("tags"), {"x": "y" * 257}),
    Put(_of("tags"), {f"x{number}": "y" for number in range(47)}),
    Put(_of("solution_manager"), {"cidrs": ["10.0.0.0"]}),
    Put(_of("solution_manager"), {"host": "http://sm.example.com"}),
    Put(_of("license_manager"), {"port": 10091}),
    Put(_of("permissions_boundary"), "PowerUserAccess"),
    of_failover("record", "de nodo"),
    of_failover("record", "denodo.example.com"),
    of_failover("zone", {"id": "/hostedzone/Z1", "name": "example.com"}),
    of_failover("zone", {"id": "Z1", "name": "example.com."}),
    of_failover("health", "always"),
    of_failover("control", "auto"),
    of_failover("ttl", -1),
    of_failover("interval", 20),
    of_failover("threshold", 11),
    of_failover("secondary_health", "no"),
    of_failover("region", "Europe"),
    of_failover("account", 1),
    service_port_twice,
    service_name,
    cluster_name,
    node_name,
    node_name_twice,
    node_in_no_zone,
    zone_elsewhere,
    zone_that_is_none,
    zone_misspelt,
    network_with_host_bits,
    network_without_addresses,
    network_of_the_wrong_size,
    no_subnet_for_nodes,
    region_without_its_zones,
    auxiliary_port,
    auxiliary_port_twice,
    auxiliary_port_of_a_service,
    client_twice,
    client_that_is_none,
    no_machine,
    policy_twice,
    failover_to_nobody,
    failover_from_nobody,
    failover_to_itself,
    without_balancer_but_many,
)


def name_of(breakage: Breakage) -> str:
    """How a test shows a breakage."""
    return getattr(breakage, "__name__", str(breakage))
