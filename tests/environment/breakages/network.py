"""Breakages of a configuration: wrong settings of a network and its zones."""

from tests.environment.breakages.breakage import (
    BALANCER,
    C0,
    DENODO,
    INSTANCE,
    NETWORK,
    NODES,
    Breakage,
    Paths,
    Put,
    at,
    first_node,
)
from tests.support.configurations import Data


def node_in_no_zone(data: Data) -> Paths:
    path = first_node(data)
    zones = at(data, NETWORK)["zones"]
    region = at(data, C0)["region"]
    at(data, path)["zone"] = next(
        f"{region}{letter}" for letter in "abcdefgh" if f"{region}{letter}" not in zones
    )
    return (*path, "zone"), NODES


def zone_elsewhere(data: Data) -> Paths:
    network = at(data, NETWORK)
    if isinstance(network["zones"], list):
        network["zones"].append("sa-east-1a")
    else:
        subnets = {"nodes": "subnet-01234567", "balancer": "subnet-12345678"}
        network["zones"]["sa-east-1a"] = subnets if "vpc" in network else {}
    # A load balancer with fixed addresses has no address in the new zone, which is a second error.
    return (*NETWORK, "zones", "sa-east-1a"), (*BALANCER, "addresses")


def zone_that_is_none(data: Data) -> Paths:
    network = at(data, NETWORK)
    if isinstance(network["zones"], list):
        network["zones"].append("wrong")
    else:
        network["zones"]["wrong"] = {}
    return ((*NETWORK, "zones", "wrong"),)


def zone_misspelt(data: Data) -> Paths:
    """Misspell the zone of the first node in the network's list of zones."""
    network = at(data, NETWORK)
    zone = at(data, first_node(data))["zone"]
    if isinstance(network["zones"], list):
        network["zones"][network["zones"].index(zone)] = "wrong"
    else:
        network["zones"]["wrong"] = network["zones"].pop(zone)
    return ((*NETWORK, "zones", "wrong"),)


def network_with_host_bits(data: Data) -> Paths:
    at(data, NETWORK)["cidr"] = "10.0.0.1/16"
    return ((*NETWORK, "cidr"),)


def network_without_addresses(data: Data) -> Paths | None:
    network = at(data, NETWORK)
    adopts = any("instance_id" in node for node in at(data, NODES).values())
    if "vpc" in network and not adopts:
        return None
    del network["cidr"]
    return ((*NETWORK, "cidr"),)


def network_of_the_wrong_size(data: Data) -> Paths | None:
    if "vpc" in at(data, NETWORK):
        return None
    at(data, NETWORK)["cidr"] = "10.0.0.0/28"
    return ((*NETWORK, "cidr"),)


def no_subnet_for_nodes(data: Data) -> Paths | None:
    network, name = at(data, NETWORK), first_node(data)
    node = at(data, name)
    if "vpc" not in network or "instance_id" in node:
        return None
    del network["zones"][node["zone"]]["nodes"]
    # A metadata database of the cluster also uses the nodes' subnets, so `catalog` may have an
    # error, too.
    return (*NETWORK, "zones", node["zone"], "nodes"), (*C0, "catalog")


def region_without_its_zones(data: Data) -> Paths:
    at(data, C0)["region"] = "sa-east-1"
    # Values that contain the name of the previous region are wrong as well.
    metadata = ((*C0, "catalog"), (*C0, "exports"))
    haproxy = (*BALANCER, "haproxy")
    return (*NETWORK, "zones"), (*INSTANCE, "kms_key"), haproxy, ("services",), DENODO, *metadata


BREAKAGES: tuple[Breakage, ...] = (
    Put((*NETWORK, "node_zone"), {"id": "1", "name": "example.com"}, (*NETWORK, "node_zone_vpcs")),
    Put((*NETWORK, "node_zone"), "example.com", (*NETWORK, "node_zone_vpcs")),
    Put((*NETWORK, "node_zone_vpcs"), ["vpc"]),
    Put(NETWORK, "10.0.0.0/16"),
    Put((*NETWORK, "zones"), {}),
    Put((*NETWORK, "zones"), [[]]),
    Put((*NETWORK, "vpc"), "vpc-1", NETWORK),
    Put((*NETWORK, "health_checkers"), "all"),
    node_in_no_zone,
    zone_elsewhere,
    zone_that_is_none,
    zone_misspelt,
    network_with_host_bits,
    network_without_addresses,
    network_of_the_wrong_size,
    no_subnet_for_nodes,
    region_without_its_zones,
)
