"""Prerequisites of a configuration: resources that its stacks need but do not create.

These are VPCs, subnets, images, hosted zones, certificates, prefix lists, key pairs, policies,
Elastic IPs, secrets with certificates, and instances. The local AWS makes them before the first
deploy, with the ids in the configuration. No other resources exist then, so that a reference to a
missing resource fails as in AWS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from denodo_ha.environment.derived import failover_plan, node_names
from denodo_ha.environment.facts.denodo_ports import (
    FLIGHT_PORT,
    NODE_TLS_PORTS,
    SCHEDULER_PORT,
)
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.denodo import cluster_secret
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import configured_machine

_CIDR = "10.0.0.0/16"
"""Project default: CIDR block of a VPC for which the configuration has no block."""
_AWS_MANAGED_POLICY = "arn:aws:iam::aws:policy/"

_ORDER = (
    "vpc",
    "subnet",
    "image",
    "key-pair",
    "policy",
    "prefix-list",
    "certificate",
    "secret",
    "address",
    "hosted-zone",
    "instance",
)
"""Kinds of resources; each kind comes after the kinds that its resources refer to."""

Resource = tuple[str, str, dict[str, Any]]
"""Kind, id and properties of a resource."""


@dataclass(frozen=True)
class Prerequisite:
    """A resource that must exist, with its properties according to the configuration."""

    account: str
    region: str
    kind: str
    id: str
    properties: tuple[tuple[str, Any], ...] = ()

    @property
    def request(self) -> dict[str, Any]:
        """The resource in the form that the control API accepts."""
        return {"kind": self.kind, "id": self.id, **dict(self.properties)}


def prerequisites_of(loaded: Loaded) -> list[Prerequisite]:
    """Return all prerequisites, each after the prerequisites that it refers to."""
    environment = loaded.environment
    first: dict[tuple[str, str, str, str], Prerequisite] = {}
    for name, cluster in sorted(environment.clusters.items()):
        for item in _of_cluster(loaded, name, cluster):
            first.setdefault((item.account, item.region, item.kind, item.id), item)
    failover = environment.failover
    if failover is not None:
        account = failover_plan.stack_account(environment, failover)
        region = failover_plan.stack_region(environment, failover)
        properties = (("name", failover.zone.name),)
        zone = Prerequisite(account, region, "hosted-zone", failover.zone.id, properties)
        first.setdefault((account, region, zone.kind, zone.id), zone)
    return sorted(first.values(), key=lambda item: _ORDER.index(item.kind))


def _of_cluster(loaded: Loaded, name: str, cluster: Cluster) -> Iterator[Prerequisite]:
    for kind, id_, properties in (
        *_network(cluster),
        *_node_instances(loaded, name, cluster),
        *_haproxy_instances(loaded.environment, cluster),
        *_node_secrets(loaded.environment, name),
        *_balancer(loaded.environment, name, cluster),
        *_adopted_instances(loaded.environment, name, cluster),
        *_node_zone(cluster),
    ):
        region = properties.pop("region", cluster.region)
        yield Prerequisite(cluster.account, region, kind, id_, tuple(properties.items()))


def _network(cluster: Cluster) -> Iterator[Resource]:
    """Yield the VPC and its subnets; subnets for clients from the internet are public."""
    network, balancer = cluster.network, cluster.balancer
    if network.health_checkers:
        yield "prefix-list", network.health_checkers, {}
    if network.vpc is None:
        return
    yield "vpc", network.vpc, {"cidr": network.cidr or _CIDR}
    internet_facing = balancer.scheme == "internet-facing"
    for zone, subnets in sorted(network.zones.items()):
        fixed = balancer.addresses.get(zone, "")
        addresses = [] if not fixed or fixed.startswith("eipalloc-") else [fixed]
        client_subnet = subnets.balancer or subnets.nodes
        for id_ in dict.fromkeys((subnets.balancer, subnets.nodes)):
            if id_ is not None:
                takes_clients = id_ == client_subnet
                yield (
                    "subnet",
                    id_,
                    {
                        "vpc": network.vpc,
                        "zone": zone,
                        "public": internet_facing and (takes_clients or balancer.kind == "none"),
                        "holds": addresses if takes_clients else [],
                    },
                )


def _node_zone(cluster: Cluster) -> Iterator[Resource]:
    """Yield the private hosted zone of the node names, and the other VPCs that use the zone."""
    network = cluster.network
    vpcs = [
        {"vpc": peer.vpc, "region": peer.region or cluster.region}
        for peer in network.node_zone_vpcs
    ]
    for peer in vpcs:
        yield "vpc", peer["vpc"], {"cidr": _CIDR, "region": peer["region"]}
    if network.node_zone is not None:
        if network.vpc:
            vpcs.insert(0, {"vpc": network.vpc, "region": cluster.region})
        yield "hosted-zone", network.node_zone.id, {"name": network.node_zone.name, "vpcs": vpcs}


def _node_instances(loaded: Loaded, name: str, cluster: Cluster) -> Iterator[Resource]:
    """Yield images, key pairs and policies that the configuration or a pin sets for the nodes."""
    contents = image_contents(loaded.environment, name)
    for node_name, node in sorted(cluster.nodes.items()):
        instance = configured_machine(cluster.instance, node)
        if instance is not None and node.instance_id is None:
            yield "image", instance.image, {"root_device": instance.root_device, **contents}
            if instance.key:
                yield "key-pair", instance.key, {}
            yield from _policies(instance.role_policies)
        pin = loaded.pins.of(name, node_name)
        if pin is not None:
            yield "image", pin.image, {"root_device": pin.root_device, **contents}
            if pin.key:
                yield "key-pair", pin.key, {}
    boundary = loaded.environment.permissions_boundary
    yield from _policies([boundary] if boundary else [])


def _haproxy_instances(environment: Environment, cluster: Cluster) -> Iterator[Resource]:
    """Yield the image, the policies and the secrets of the HAProxy instances."""
    instance = cluster.balancer.proxy.instance
    if instance is not None:
        contents = {"haproxy": True}
        tls = cluster.balancer.proxy.tls
        if tls is not None and tls.certificate:
            names = certificate_names(environment)
            yield "secret", tls.certificate, {"use": "clients", "names": names}
        if tls is not None and tls.authority:
            yield "secret", tls.authority, {"use": "authority"}
        yield "image", instance.image, {"root_device": instance.root_device, "contents": contents}
        yield from _policies(instance.role_policies)


def image_contents(environment: Environment, cluster: str) -> dict[str, Any]:
    """Return the contents of the image of a node, as the configuration describes them.

    The contents also name the License Manager and Solution Manager, because a real image is
    configured to reach them.
    """
    denodo = environment.denodo
    ports = {service.target_port for service in environment.services.values()}
    extras: dict[str, Any] = {}
    if FLIGHT_PORT in ports:
        extras["flight_port"] = FLIGHT_PORT
    if ports & NODE_TLS_PORTS and denodo.tls is None:
        extras["certificate_names"] = certificate_names(environment)
    if SCHEDULER_PORT in ports and "scheduler" not in denodo.servers:
        extras["starts"] = ["scheduler_startup.sh"]
    shared = environment.clusters[cluster].catalog
    if shared is not None and "scheduler" in shared.components:
        extras["shares_scheduler"] = True
    contents = {"version": denodo.version, "home": denodo.platform_home(), "user": denodo.user}
    managers: dict[str, set[int]] = {}
    licences = environment.license_manager_of(cluster)
    if licences is not None:
        managers.setdefault(licences.host, set()).add(licences.port)
    solutions = environment.solution_manager_of(cluster)
    if solutions is not None and solutions.host is not None:
        managers.setdefault(solutions.host, set()).add(solutions.port)
    hosts = {host: sorted(numbers) for host, numbers in managers.items()}
    return {"contents": {"denodo": contents, "managers": hosts, **extras}}


def certificate_names(environment: Environment) -> list[str]:
    """Return the names in the nodes' certificate: names that clients use, and each node's names."""
    failover = environment.failover
    names = [failover_plan.dns_name(failover)] if failover is not None else []
    for name, cluster in sorted(environment.clusters.items()):
        tls = cluster.balancer.proxy.tls
        if tls is not None and tls.node_name:
            names.append(tls.node_name)
        for node in sorted(cluster.nodes):
            names += [node.lower(), node_names.host_name(environment, name, node)]
    return [*dict.fromkeys((*names, "localhost"))]


def _node_secrets(environment: Environment, cluster: str) -> Iterator[Resource]:
    """Yield the secrets that nodes and `catalog init` read: key stores, tokens and logins."""
    denodo, of = environment.denodo, environment.clusters[cluster]
    tls = denodo.tls
    arn = cluster_secret(tls.secret, cluster) if tls is not None else None
    if tls is not None and arn is not None:
        names = certificate_names(environment)
        yield "secret", arn, {"use": "nodes", "names": names, "version": tls.version}
    token = cluster_secret(denodo.security_token, cluster)
    if token is not None:
        yield "secret", token, {"use": "token"}
    logins = [cluster_secret(denodo.metadata.login, cluster)]
    if of.exports is not None:
        logins.append(of.exports.login)
    if of.catalog is not None and of.catalog.existing is not None:
        logins.append(of.catalog.existing.secret)
    for login in logins:
        if login is not None:
            yield "secret", login, {"use": "login"}


def _policies(arns: list[str] | tuple[str, ...]) -> Iterator[Resource]:
    for arn in arns:
        if not arn.startswith(_AWS_MANAGED_POLICY):
            yield "policy", arn, {}


def _balancer(environment: Environment, name: str, cluster: Cluster) -> Iterator[Resource]:
    """Yield the certificates and Elastic IPs of the load balancer."""
    for _, service in sorted(environment.services.items()):
        certificate = service.certificate(name)
        if certificate is not None:
            yield "certificate", certificate, {}
    for _, address in sorted(cluster.balancer.addresses.items()):
        if address.startswith("eipalloc-"):
            yield "address", address, {}


def _adopted_instances(environment: Environment, name: str, cluster: Cluster) -> Iterator[Resource]:
    """Yield the adopted instances of the configuration, in the subnets of their zones.

    An environment changes nothing on adopted instances, so an operator must have opened the ports
    of the instances: to the clients, and to the load balancer, whose health checks come from
    addresses of the VPC. The operator must also have set the auxiliary port of each instance, so
    each instance has an image of its own.
    """
    contents = image_contents(environment, name)["contents"]
    clients = [peer for peer in cluster.balancer.clients if "/" in peer]
    admits = [*dict.fromkeys((cluster.network.cidr or _CIDR, *clients))]
    for _, node in sorted(cluster.nodes.items()):
        zone = cluster.network.zones.get(node.zone)
        if node.instance_id is not None and zone is not None and zone.nodes is not None:
            settings = {"subnet": zone.nodes, "admits": admits}
            image = node.instance_id.replace("i-", "ami-", 1)
            own = contents | {"auxiliary_port": node.auxiliary_port or 0}
            yield "instance", node.instance_id, {**settings, "image": image, "contents": own}
