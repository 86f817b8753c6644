"""Breakages of a configuration: wrong nodes, machines and auxiliary ports."""

from tests.environment.breakages.breakage import (
    C0,
    INSTANCE,
    NODES,
    Breakage,
    Paths,
    Put,
    at,
    first_node,
    is_bare,
    of_first_node,
)
from tests.support.configurations import Data


def node_name(data: Data) -> Paths | None:
    if is_bare(data):
        return None
    nodes = at(data, NODES)
    nodes["wrong_"] = {**nodes[next(iter(nodes))], "auxiliary_port": 60002}
    nodes["wrong_"].pop("instance_id", None)
    nodes["wrong_"].pop("address", None)
    if data["denodo"]["version"] != "7.0":
        del nodes["wrong_"]["auxiliary_port"]
    return ((*NODES, "wrong_"),)


def node_name_twice(data: Data) -> Paths | None:
    if is_bare(data):
        return None
    nodes, (*_, name) = at(data, NODES), first_node(data)
    twin = str(name).swapcase() if str(name).swapcase() != name else f"{name}-{name}"
    if twin in nodes or twin == f"{name}-{name}":
        return None
    nodes[twin] = {"zone": nodes[name]["zone"]}
    if data["denodo"]["version"] == "7.0":
        nodes[twin]["auxiliary_port"] = 60002
    # With two nodes, a metadata database must be shared, so `catalog` may have an error, too.
    return (*NODES, twin), NODES, (*C0, "catalog")


def auxiliary_port(data: Data) -> Paths:
    path = first_node(data)
    if data["denodo"]["version"] == "7.0":
        del at(data, path)["auxiliary_port"]
    else:
        at(data, path)["auxiliary_port"] = 19997
    return ((*path, "auxiliary_port"),)


def auxiliary_port_twice(data: Data) -> Paths | None:
    nodes = at(data, NODES)
    if data["denodo"]["version"] != "7.0" or len(nodes) == 1:
        return None
    first, second = list(nodes)[:2]
    nodes[second]["auxiliary_port"] = nodes[first]["auxiliary_port"]
    return ((*NODES, second, "auxiliary_port"),)


def auxiliary_port_of_a_service(data: Data) -> Paths | None:
    if data["denodo"]["version"] != "7.0":
        return None
    path = first_node(data)
    data.setdefault("services", {})["wrong"] = at(data, path)["auxiliary_port"]
    # The error occurs in every cluster that has a node with this port.
    others = ((*C0[:1], name) for name in data["clusters"])
    return (*path, "auxiliary_port"), *others


def instance_that_is_none(data: Data) -> Paths:
    node = at(data, first_node(data))
    node.pop("instance", None)
    node["instance_id"] = "i-1"
    return ((*first_node(data), "instance_id"),)


def address_of_nobody(data: Data) -> Paths | None:
    node = at(data, first_node(data))
    if "instance_id" in node:
        return None
    node["address"] = "10.0.0.1"
    return ((*first_node(data), "address"),)


def address_elsewhere(data: Data) -> Paths | None:
    node = at(data, first_node(data))
    if "instance_id" not in node:
        return None
    node["address"] = "172.16.0.1"
    return ((*first_node(data), "address"),)


def no_machine(data: Data) -> Paths | None:
    path = first_node(data)
    if "instance_id" in at(data, path):
        return None
    del at(data, C0)["instance"]
    return path, NODES


def policy_twice(data: Data) -> Paths:
    policy = f"arn:aws:iam::{at(data, C0)['account']}:policy/one"
    at(data, INSTANCE)["role_policies"] = [policy, policy]
    return ((*INSTANCE, "role_policies", 1),)


BREAKAGES: tuple[Breakage, ...] = (
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
    node_name,
    node_name_twice,
    auxiliary_port,
    auxiliary_port_twice,
    auxiliary_port_of_a_service,
    no_machine,
    policy_twice,
)
