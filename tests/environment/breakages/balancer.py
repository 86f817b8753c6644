"""Breakages of a configuration: wrong settings of a load balancer."""

from tests.environment.breakages.breakage import (
    BALANCER,
    C0,
    FAILOVER,
    NODES,
    Breakage,
    Paths,
    Put,
    at,
    is_bare,
)
from tests.support.configurations import Data


def client_twice(data: Data) -> Paths:
    clients = at(data, BALANCER)["clients"]
    clients.append(clients[0])
    return ((*BALANCER, "clients", len(clients) - 1),)


def client_that_is_none(data: Data) -> Paths:
    at(data, BALANCER)["clients"].insert(0, "10.0.0.0/33")
    return ((*BALANCER, "clients", 0),)


def without_balancer_but_many(data: Data) -> Paths | None:
    if is_bare(data) or len(at(data, NODES)) == 1:
        return None
    at(data, BALANCER)["kind"] = "none"
    at(data, BALANCER).pop("haproxy", None)
    # Without a load balancer, keys that require a load balancer are refused.
    return (*BALANCER, "kind"), NODES, ("services",), FAILOVER, (*C0, "catalog")


BREAKAGES: tuple[Breakage, ...] = (
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
    client_twice,
    client_that_is_none,
    without_balancer_but_many,
)
