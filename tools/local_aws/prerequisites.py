"""What a configuration takes as given, for the local AWS to have it.

A configuration names things that exist: VPCs, subnets, images, zones, certificates, prefix
lists, key pairs, policies, addresses, instances. In the local AWS they are made before the
first deploy, under exactly those ids. What it does not name stays unknown there, so that a
wrong reference fails as it would in AWS.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import wanted

_CIDR = "10.0.0.0/16"
"""Of a VPC whose addresses the configuration does not tell."""
_AWS_OWN = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True)
class Given:
    """One thing that exists, with what the configuration tells of it."""

    account: str
    region: str
    kind: str
    id: str
    told: tuple[tuple[str, Any], ...] = ()

    @property
    def wanted(self) -> dict[str, Any]:
        """As the server takes it."""
        return {"kind": self.kind, "id": self.id, **dict(self.told)}


def given(loaded: Loaded) -> list[Given]:
    """Everything that a configuration takes as given, each before what is in it."""
    environment = loaded.environment
    found: dict[tuple[str, str, str, str], Given] = {}
    for name, cluster in sorted(environment.clusters.items()):
        for one in _of_cluster(loaded, name, cluster):
            found.setdefault((one.account, one.region, one.kind, one.id), one)
    failover = environment.failover
    if failover is not None:
        account = failover_plan.stack_account(environment, failover)
        region = failover_plan.stack_region(environment, failover)
        told = (("name", failover.zone.name),)
        zone = Given(account, region, "hosted-zone", failover.zone.id, told)
        found.setdefault((account, region, "hosted-zone", failover.zone.id), zone)
    return sorted(found.values(), key=lambda one: _ORDER.index(one.kind))


_ORDER = (
    "vpc",
    "subnet",
    "image",
    "key-pair",
    "policy",
    "prefix-list",
    "certificate",
    "address",
    "hosted-zone",
    "instance",
)


def _of_cluster(loaded: Loaded, name: str, cluster: Cluster) -> Iterator[Given]:
    def one(kind: str, id_: str, **told: Any) -> Given:
        return Given(cluster.account, cluster.region, kind, id_, tuple(told.items()))

    for kind, id_, told in (
        *_network(cluster),
        *_machines(loaded, name, cluster),
        *_proxies(cluster),
        *_balancer(loaded.environment, name, cluster),
        *_adopted(cluster),
    ):
        yield one(kind, id_, **told)
    for peer in cluster.network.node_zone_vpcs:
        if peer.region and peer.region != cluster.region:
            yield Given(cluster.account, peer.region, "vpc", peer.vpc, (("cidr", _CIDR),))
        else:
            yield one("vpc", peer.vpc, cidr=_CIDR)
    if cluster.network.node_zone is not None:
        vpcs = [
            {"vpc": peer.vpc, "region": peer.region or cluster.region}
            for peer in cluster.network.node_zone_vpcs
        ]
        if cluster.network.vpc:
            vpcs.insert(0, {"vpc": cluster.network.vpc, "region": cluster.region})
        zone = cluster.network.node_zone
        yield one("hosted-zone", zone.id, name=zone.name, vpcs=vpcs)


Told = tuple[str, str, dict[str, Any]]


def _network(cluster: Cluster) -> Iterator[Told]:
    """The VPC and its subnets, public where the internet must get in."""
    network, balancer = cluster.network, cluster.balancer
    if network.health_checkers:
        yield "prefix-list", network.health_checkers, {}
    if network.vpc is None:
        return
    yield "vpc", network.vpc, {"cidr": network.cidr or _CIDR}
    public = balancer.scheme == "internet-facing"
    for zone, of in sorted(network.zones.items()):
        fixed = balancer.addresses.get(zone, "")
        holds = [] if not fixed or fixed.startswith("eipalloc-") else [fixed]
        outside = of.balancer or of.nodes
        for id_ in dict.fromkeys((of.balancer, of.nodes)):
            if id_ is not None:
                inside = {"vpc": network.vpc, "zone": zone}
                faces = public and (id_ == outside or balancer.kind == "none")
                yield (
                    "subnet",
                    id_,
                    {**inside, "public": faces, "holds": _if(id_ == outside, holds)},
                )


def _if(condition: object, values: list[str]) -> list[str]:
    return values if condition else []


def _machines(loaded: Loaded, name: str, cluster: Cluster) -> Iterator[Told]:
    """Images, key pairs and policies, of the configuration and of the pins."""
    for node_name, node in sorted(cluster.nodes.items()):
        machine = wanted(cluster.instance, node)
        if machine is not None and node.instance_id is None:
            yield "image", machine.image, {"root_device": machine.root_device}
            if machine.key:
                yield "key-pair", machine.key, {}
            for arn in machine.role_policies:
                if not arn.startswith(_AWS_OWN):
                    yield "policy", arn, {}
        pin = loaded.pins.of(name, node_name)
        if pin is not None:
            yield "image", pin.image, {"root_device": pin.root_device}
            if pin.key:
                yield "key-pair", pin.key, {}
    boundary = loaded.environment.permissions_boundary
    if boundary and not boundary.startswith(_AWS_OWN):
        yield "policy", boundary, {}


def _proxies(cluster: Cluster) -> Iterator[Told]:
    """What HAProxy's machines need."""
    machine = cluster.balancer.proxy.instance
    if machine is not None:
        yield "image", machine.image, {"root_device": machine.root_device}
        for arn in machine.role_policies:
            if not arn.startswith(_AWS_OWN):
                yield "policy", arn, {}


def _balancer(environment: Environment, name: str, cluster: Cluster) -> Iterator[Told]:
    """Certificates and Elastic IPs."""
    for _, service in sorted(environment.services.items()):
        certificate = service.certificate(name)
        if certificate is not None:
            yield "certificate", certificate, {}
    for _, address in sorted(cluster.balancer.addresses.items()):
        if address.startswith("eipalloc-"):
            yield "address", address, {}


def _adopted(cluster: Cluster) -> Iterator[Told]:
    """Instances that exist already, in the subnets of their zones."""
    for _, node in sorted(cluster.nodes.items()):
        zone = cluster.network.zones.get(node.zone)
        if node.instance_id is not None and zone is not None and zone.nodes is not None:
            yield "instance", node.instance_id, {"subnet": zone.nodes}
