"""The site to verify: its DNS names, and the cluster that the verified name resolves to."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.findings import Fault, StepLog


@dataclass(frozen=True)
class DnsAnswer:
    """The DNS answer for a name.

    Attributes:
        canonical_name: the name at the end of the chain of CNAME records, in lower case without a
            final dot.
        addresses: the IP addresses, in the resolver's order.
    """

    canonical_name: str
    addresses: tuple[str, ...]


Resolver = Callable[[str], DnsAnswer]


def resolve(name: str) -> DnsAnswer:
    """Resolve a name with this machine's resolver, like other programs on this machine.

    Raises:
        Fault: The name does not resolve.
    """
    try:
        entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except socket.gaierror as error:
        raise Fault("dns-unknown", f"{name}: {error.strerror}") from None
    except (OSError, ValueError) as error:
        raise Fault("dns-unknown", f"{name}: {error}") from None
    canonical = next((entry[3] for entry in entries if entry[3]), name)
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
    return DnsAnswer(normalized(canonical), addresses)


def normalized(name: str) -> str:
    """Return a name in lower case and without a final dot, for comparisons."""
    return name.rstrip(".").lower()


@dataclass(frozen=True)
class Site:
    """The part of the environment to verify from this machine.

    Attributes:
        environment: the configuration.
        host: the DNS name or address to verify.
        clusters: the clusters to which the name may resolve.
        node: the node to verify without a load balancer; empty for a load balancer.
        failover_name: the name of the failover record; empty without failover.
        balancers: known names or addresses of the load balancers, by cluster.
        resolver: function that resolves a DNS name.
    """

    environment: Environment
    host: str
    clusters: tuple[str, ...]
    node: str
    failover_name: str
    balancers: Mapping[str, str]
    resolver: Resolver

    def rmi_host_finding(self, host: str) -> str:
        """Return the finding for a host that a Denodo 7.0 server names to clients, if it is wrong.

        The host must be the name of the load balancer of the server's cluster. The finding is a key
        of `findings.FINDINGS`; empty if the host is correct.
        """
        balancers = list(self.known_balancers().values())
        name = normalized(host)
        if name in {normalized(balancer) for balancer in balancers}:
            return ""
        has_balancer = any(
            self.environment.clusters[cluster].balancer.kind != "none" for cluster in self.clusters
        )
        if self.failover_name and name == normalized(self.failover_name) and has_balancer:
            return "rmi-host-failover"
        if not balancers:
            is_verified_host = not self.node and name == normalized(self.host)
            return "" if is_verified_host else "rmi-host-unsure"
        addresses = self._addresses(host)
        is_same = any(addresses & self._addresses(balancer) for balancer in balancers)
        return "" if is_same else "rmi-host"

    def known_balancers(self) -> dict[str, str]:
        """Return the known load balancers of the clusters to which the site's host may resolve."""
        return {
            cluster: self.balancers[cluster]
            for cluster in self.clusters
            if cluster in self.balancers
        }

    def _addresses(self, name: str) -> set[str]:
        try:
            return set(self.resolver(name).addresses)
        except Fault:
            return set()


def resolve_site(log: StepLog, site: Site) -> tuple[DnsAnswer, str]:
    """Resolve a site's host; return the DNS answer and its cluster, empty if not known.

    Raises:
        Fault: The name does not resolve.
    """
    with log.step(f"resolve {site.host}") as step:
        answer = site.resolver(site.host)
        is_alias = normalized(site.host) != answer.canonical_name
        via = f"{answer.canonical_name}, " if is_alias and answer.canonical_name else ""
        step.seen = via + ", ".join(answer.addresses)
    if len(site.clusters) == 1:
        return answer, site.clusters[0]
    return answer, _log_answering_cluster(log, site, answer)


def _log_answering_cluster(log: StepLog, site: Site, answer: DnsAnswer) -> str:
    balancers = site.known_balancers()
    if not balancers:
        return ""
    failover = site.environment.failover
    with log.step("which side") as step:
        cluster, unresolved = _answering_cluster(answer, balancers, site.resolver)
        unknown = {*unresolved, *(set(site.clusters) - set(balancers))}
        step.seen = cluster
        if failover is not None and cluster == failover.primary:
            step.seen += ", the primary"
        elif failover is not None and cluster == failover.secondary:
            step.note("dns-secondary", f"{cluster}, the secondary")
        elif not cluster and unknown:
            step.note("dns-unsure", f"not known: {', '.join(sorted(unknown))}")
        elif not cluster:
            known = ", ".join(f"{cluster} is {name}" for cluster, name in sorted(balancers.items()))
            step.fail("dns-neither", f"{', '.join(answer.addresses)}; {known}")
    return cluster


def _answering_cluster(
    answer: DnsAnswer, balancers: Mapping[str, str], resolver: Resolver
) -> tuple[str, list[str]]:
    """Return the cluster of a DNS answer, and the clusters whose load balancers do not resolve.

    A cluster matches by the canonical name, or otherwise by the addresses. The cluster is empty if
    none matches.
    """
    for cluster, name in balancers.items():
        if answer.canonical_name == normalized(name):
            return cluster, []
    unresolved = []
    for cluster, name in balancers.items():
        try:
            addresses = resolver(name).addresses
        except Fault:
            unresolved.append(cluster)
            continue
        # One common address is enough: DNS may return some of a load balancer's addresses now, and
        # others a minute later.
        if set(addresses) & set(answer.addresses):
            return cluster, []
    return "", unresolved
