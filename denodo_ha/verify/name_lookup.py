"""What names lead to, and which side the failover name is on."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from denodo_ha.verify.step import Fault


@dataclass(frozen=True)
class Answer:
    """What a name leads to.

    Attributes:
        canonical: the name at the end of the chain of CNAMEs, in lower case.
        addresses: in the resolver's order.
    """

    canonical: str
    addresses: tuple[str, ...]


Resolver = Callable[[str], Answer]


def resolve(name: str) -> Answer:
    """Ask this machine's resolver, as the programs on it do.

    Raises:
        Fault: there is no answer.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except socket.gaierror as error:
        raise Fault("dns-unknown", f"{name}: {error.strerror}") from None
    except (OSError, ValueError) as error:
        raise Fault("dns-unknown", f"{name}: {error}") from None
    canonical = next((one[3] for one in found if one[3]), name)
    return Answer(plain(canonical), tuple(dict.fromkeys(str(one[4][0]) for one in found)))


def plain(name: str) -> str:
    """A name as names are compared: no final dot, lower case."""
    return name.rstrip(".").lower()


@dataclass(frozen=True)
class Side:
    """Where a name leads.

    Attributes:
        cluster: the cluster; empty if it is neither, or unknown.
        unknown: balancers whose names do not resolve.
    """

    cluster: str
    unknown: tuple[str, ...]


def side(answer: Answer, balancers: Mapping[str, str], resolver: Resolver) -> Side:
    """The cluster that a name leads to: by its canonical name, else by its addresses.

    Args:
        answer: what the name leads to.
        balancers: names or addresses of the clusters' balancers, by cluster.
        resolver: asks for the balancers' addresses.
    """
    for cluster, name in balancers.items():
        if answer.canonical == plain(name):
            return Side(cluster, ())
    unknown: list[str] = []
    for cluster, name in balancers.items():
        try:
            known = resolver(name).addresses
        except Fault:
            unknown.append(cluster)
            continue
        # A balancer may answer with some of its addresses, and other ones a minute later.
        if set(known) & set(answer.addresses):
            return Side(cluster, ())
    return Side("", tuple(unknown))
