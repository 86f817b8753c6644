"""What is known of the site that is verified, and which side of it answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify import name_lookup
from denodo_ha.verify.name_lookup import Answer, Resolver
from denodo_ha.verify.step import Fault, Log


@dataclass(frozen=True)
class Site:
    """The environment as it is seen from here.

    Attributes:
        environment: the configuration.
        host: the name or address that is verified.
        clusters: the clusters that may answer.
        node: the node that is asked directly; empty for a balancer.
        endpoint: the failover name; empty where there is none.
        balancers: names or addresses of balancers by cluster, as far as they are known.
        resolver: asks for names.
    """

    environment: Environment
    host: str
    clusters: tuple[str, ...]
    node: str
    endpoint: str
    balancers: Mapping[str, str]
    resolver: Resolver

    def judge_host(self, host: str) -> str:
        """Whether a 7.0 server may name this host to its clients: a finding's code, or empty.

        It must be the name of its cluster's balancer (rule 6 of the topology).
        """
        known = [self.balancers[one] for one in self.clusters if one in self.balancers]
        if name_lookup.plain(host) in {name_lookup.plain(one) for one in known}:
            return ""
        balanced = any(
            self.environment.clusters[one].balancer.kind != "none" for one in self.clusters
        )
        if (
            self.endpoint
            and name_lookup.plain(host) == name_lookup.plain(self.endpoint)
            and balanced
        ):
            return "rmi-host-failover"
        if not known and not self.node and name_lookup.plain(host) == name_lookup.plain(self.host):
            return ""
        if not known:
            return "rmi-host-unsure"
        there = self._addresses(host)
        same = any(there & self._addresses(one) for one in known)
        return "" if same else "rmi-host"

    def _addresses(self, name: str) -> set[str]:
        try:
            return set(self.resolver(name).addresses)
        except Fault:
            return set()


def locate(log: Log, site: Site) -> tuple[Answer, str]:
    """What the host leads to, and the cluster that answers; empty where that is unknown.

    Raises:
        Fault: the name does not resolve.
    """
    with log.step(f"resolve {site.host}") as step:
        answer = site.resolver(site.host)
        canonical = name_lookup.plain(site.host) != answer.canonical
        via = f"{answer.canonical}, " if canonical and answer.canonical else ""
        step.said = via + ", ".join(answer.addresses)
    if len(site.clusters) == 1:
        return answer, site.clusters[0]
    return answer, _side(log, site, answer)


def _side(log: Log, site: Site, answer: Answer) -> str:
    balancers = {one: site.balancers[one] for one in site.clusters if one in site.balancers}
    if not balancers:
        return ""
    failover = site.environment.failover
    with log.step("which side") as step:
        side = name_lookup.side(answer, balancers, site.resolver)
        lacking = set(site.clusters) - set(balancers)
        step.said = side.cluster
        if failover is not None and side.cluster == failover.primary:
            step.said += ", the primary"
        elif failover is not None and side.cluster == failover.secondary:
            step.note("dns-secondary", f"{side.cluster}, the secondary")
        elif not side.cluster and (side.unknown or lacking):
            unsure = ", ".join(sorted({*side.unknown, *lacking}))
            step.note("dns-unsure", f"not known: {unsure}")
        elif not side.cluster:
            known = ", ".join(f"{one} is {name}" for one, name in sorted(balancers.items()))
            step.wrong("dns-neither", f"{', '.join(answer.addresses)}; {known}")
    return side.cluster
