"""Rules about HAProxy as our stacks deploy it; a file for HAProxy elsewhere needs none of them."""

from collections.abc import Iterator

from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.rules.haproxy import haproxies


def haproxy_machines(environment: Environment) -> Iterator[Problem]:
    """HAProxy runs on machines that the configuration describes."""
    for name, cluster in haproxies(environment):
        path: Path = ("clusters", name, "balancer", "haproxy", "instance")
        machine = cluster.balancer.proxy.instance
        if machine is None:
            yield Problem(
                path,
                "is missing",
                "HAProxy runs on machines of its own, with an image that has it",
                "add instance: {type: c6i.large, image: ami-…} (docs/haproxy-aws.md says what the "
                "image holds)",
            )
        elif machine.type.split(".", 1)[0] in limits.NO_NLB_TARGETS:
            yield Problem(
                (*path, "type"),
                "can't be the target of a Network Load Balancer",
                "instances of old types can't be registered by their id (AWS, Elastic Load "
                "Balancing API, RegisterTargets)",
                "write a type like c6i.large",
                value=machine.type,
            )


def haproxy_certificates(environment: Environment) -> Iterator[Problem]:
    """HAProxy gets its certificates from the Secrets Manager of its own account and region."""
    for name, cluster in haproxies(environment):
        tls = cluster.balancer.proxy.tls
        if tls is None:
            continue
        path: Path = ("clusters", name, "balancer", "haproxy", "tls")
        place = [cluster.region, cluster.account]
        wanted = {"terminate": ["certificate"], "reencrypt": ["certificate", "authority"]}
        for key in wanted.get(tls.mode, []):
            arn = getattr(tls, key)
            if arn is None:
                yield Problem(
                    (*path, key),
                    "is missing",
                    "HAProxy on AWS has no other place to get it from",
                    "add the ARN of a secret",
                )
            elif arn.split(":")[3:5] != place:
                yield Problem(
                    (*path, key),
                    f"is not of {place[1]} in {place[0]}, where {name} is",
                    "HAProxy asks the Secrets Manager of its own account and region",
                    f"write the ARN of {name}'s own secret, which may be a replica",
                    value=arn,
                )


def haproxy_finds_nodes(environment: Environment) -> Iterator[Problem]:
    """HAProxy has to find an instance that exists already, which has no name of ours."""
    for name, cluster in haproxies(environment):
        for node, of in cluster.nodes.items():
            known = of.address or node in cluster.balancer.proxy.hosts
            if of.instance_id is not None and not known:
                path: Path = ("clusters", name, "nodes", node)
                yield Problem(
                    (*path, "address"),
                    "is missing",
                    "HAProxy connects to the node, and nothing tells where an instance is that "
                    "exists already",
                    "add its private address, or a name in balancer.haproxy.hosts",
                )


def haproxy_cross_zone(environment: Environment) -> Iterator[Problem]:
    """While an HAProxy is replaced its zone may have none."""
    for name, cluster in haproxies(environment):
        if not cluster.balancer.cross_zone:
            yield Problem(
                ("clusters", name, "balancer", "cross_zone"),
                "can't be off with HAProxy",
                "a zone whose HAProxy is lost or replaced would leave the balancer's DNS (AWS, "
                "Cross-zone load balancing for target groups)",
                "remove cross_zone: false",
                value="false",
            )


def haproxy_zones(environment: Environment) -> Iterator[Problem]:
    """HAProxies in one zone go down with it."""
    for name, cluster in haproxies(environment):
        if len(cluster.network.zones) == 1:
            yield Problem(
                ("clusters", name, "network", "zones"),
                "is one zone, and every HAProxy is in it",
                "with the zone the cluster is lost",
                "add a zone",
                severity=Severity.WARNING,
                rule="haproxy-one-zone",
            )


RULES = (
    haproxy_machines,
    haproxy_certificates,
    haproxy_finds_nodes,
    haproxy_cross_zone,
    haproxy_zones,
)
