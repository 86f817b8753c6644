"""A cluster: its network, nodes and balancer in one account and region."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from denodo_ha.environment.facts.limits import (
    DEREGISTRATION_DELAY_DEFAULT_S,
    DEREGISTRATION_DELAY_S,
    DISK_DEFAULT_GIB,
    DISK_GIB,
)
from denodo_ha.environment.model.aws_field_types import (
    AccountId,
    DeviceName,
    HostedZoneId,
    ImageId,
    InstanceId,
    InstanceType,
    KeyPairName,
    KmsKeyArn,
    PolicyArn,
    PrefixListId,
    Region,
    SubnetId,
    VpcId,
    ZoneName,
)
from denodo_ha.environment.model.catalog import Catalog, Exports
from denodo_ha.environment.model.field_types import (
    Address,
    Cidr,
    DomainName,
    Flag,
    NodeName,
    Port,
    PrivateAddress,
    Whole,
)
from denodo_ha.environment.model.haproxy import Haproxy
from denodo_ha.environment.model.section import Section, short_form
from denodo_ha.environment.model.service import HealthSettings

Disk = Annotated[Whole, Field(ge=DISK_GIB.low, le=DISK_GIB.high), DISK_GIB]
Delay = Annotated[
    Whole,
    Field(ge=DEREGISTRATION_DELAY_S.low, le=DEREGISTRATION_DELAY_S.high),
    DEREGISTRATION_DELAY_S,
]


class Zone(Section):
    """An availability zone of the cluster, with its subnets where the VPC is given."""

    nodes: SubnetId | None = None
    """Subnet of the zone's nodes."""
    balancer: SubnetId | None = None
    """Subnet of the balancer's address in the zone."""


class HostedZone(Section):
    """An existing hosted zone."""

    id: HostedZoneId
    """Id of the hosted zone, without /hostedzone/."""
    name: DomainName
    """Domain name of the hosted zone."""


class PeerVpc(Section):
    """Another VPC that resolves the names of the nodes."""

    vpc: VpcId
    """Id of the VPC."""
    region: Region | None = None
    """Region of the VPC; default: the cluster's."""


def _listed(value: Any) -> Any:
    """A list of zone names is a map of zones without subnets."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {item: {} for item in value}
    return value


ZoneMap = Annotated[
    dict[ZoneName, Zone],
    Field(min_length=1),
    BeforeValidator(
        _listed,
        json_schema_input_type=Annotated[dict[ZoneName, Zone], Field(min_length=1)]
        | Annotated[list[ZoneName], Field(min_length=1)],
    ),
]
PeerVpcEntry = Annotated[
    PeerVpc, BeforeValidator(short_form("vpc"), json_schema_input_type=VpcId | PeerVpc)
]


class Network(Section):
    """The network of a cluster: an existing VPC, or one that is created."""

    vpc: VpcId | None = None
    """Id of an existing VPC. Without it a VPC is created from `cidr` and `zones`."""
    cidr: Cidr | None = None
    """Addresses of the VPC; compulsory where it is created, from /16 to /24 then."""
    zones: ZoneMap
    """Zones of the cluster: with their subnets in an existing VPC, a list of names otherwise."""
    health_checkers: PrefixListId | None = None
    """The region's prefix list of Route 53 health checkers, admitted where endpoint checks must \
get in."""
    node_zone: HostedZone | None = None
    """Private hosted zone for the nodes' names; default: one is created."""
    node_zone_vpcs: tuple[PeerVpcEntry, ...] = ()
    """Other VPCs that resolve the nodes' names, such as the Solution Manager's."""


class Instance(Section):
    """The machine that a node is."""

    type: InstanceType
    """Instance type; m5.xlarge is Denodo's smallest for production."""
    image: ImageId
    """Machine image with Denodo installed, pinned: never the latest of something."""
    disk_gib: Disk = DISK_DEFAULT_GIB
    """Size of the root disk in GiB."""
    root_device: DeviceName = "/dev/xvda"
    """The image's root device: /dev/xvda for Amazon Linux, /dev/sda1 for most others. With \
a wrong name the disk is an extra one, and the root disk stays as the image has it."""
    data_disk_gib: Disk | None = None
    """Size of a second disk in GiB; default: none."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the disks; default: the account's key for EBS."""
    key: KeyPairName | None = None
    """EC2 key pair; default: none, since Session Manager needs none."""
    role_policies: tuple[PolicyArn, ...] = ()
    """Managed policies to attach to the nodes' roles, beside what the node itself needs."""


class InstanceOverride(Section):
    """What of the cluster's `instance` is different for one node."""

    type: InstanceType | None = None
    """Instance type of this node."""
    image: ImageId | None = None
    """Machine image of this node."""
    disk_gib: Disk | None = None
    """Size of this node's root disk in GiB."""
    root_device: DeviceName | None = None
    """Root device of this node's image."""
    data_disk_gib: Disk | None = None
    """Size of this node's second disk in GiB."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts this node's disks."""
    key: KeyPairName | None = None
    """EC2 key pair of this node."""
    role_policies: tuple[PolicyArn, ...] | None = None
    """Managed policies of this node's role, instead of the cluster's."""


class Node(Section):
    """One Denodo server."""

    zone: ZoneName
    """Availability zone of the node, one of the network's."""
    auxiliary_port: Port | None = None
    """RMI auxiliary port: compulsory for Denodo 7.0 and different on every node, refused later."""
    instance_id: InstanceId | None = None
    """An instance that exists already: it is registered and otherwise left alone."""
    address: PrivateAddress | None = None
    """Private address of an instance that exists already, for its name in the nodes' zone."""
    instance: InstanceOverride | None = None
    """What of the cluster's `instance` is different for this node."""


class Balancer(Section):
    """The balancer of a cluster, or the lack of one."""

    kind: Literal["nlb", "haproxy", "none"]
    """nlb: a Network Load Balancer; haproxy: HAProxy behind one; none: the single node itself."""
    scheme: Literal["internal", "internet-facing"] = "internal"
    """Whether the balancer (the node, where there is none) has private or public addresses."""
    clients: Annotated[tuple[Cidr, ...], Field(min_length=1)]
    """Networks that may connect; 0.0.0.0/0 is allowed and warned about."""
    cross_zone: Flag = True
    """Whether an address in one zone sends clients to nodes in another."""
    deregistration_delay: Delay = DEREGISTRATION_DELAY_DEFAULT_S
    """Seconds that a node taken out keeps its connections."""
    deletion_protection: Flag = False
    """Refuse to delete the balancer; turn it on once the first deploy has succeeded."""
    health: HealthSettings = HealthSettings()
    """How nodes are checked, for services that do not say otherwise."""
    addresses: Mapping[ZoneName, Address] = {}
    """Fixed address per zone: a private address, or an Elastic IP allocation if internet-facing."""
    haproxy: Haproxy | None = None
    """Settings of HAProxy, for kind haproxy only; default: the measured ones."""

    @property
    def proxy(self) -> Haproxy:
        """The settings of HAProxy, where it is one."""
        return self.haproxy or Haproxy()


class Cluster(Section):
    """Nodes in one account and region, and their balancer."""

    account: AccountId
    """AWS account of the cluster: 12 digits in quotes."""
    region: Region
    """AWS region of the cluster."""
    network: Network
    """Where the cluster lives."""
    instance: Instance | None = None
    """The machine that a node is; not needed where every node exists already."""
    nodes: Annotated[dict[NodeName, Node], Field(min_length=1)]
    """The cluster's Denodo servers by name."""
    balancer: Balancer
    """What clients connect to."""
    catalog: Catalog | None = None
    """The database that the nodes share for their metadata."""
    exports: Exports | None = None
    """Scheduled exports of Virtual DataPort's metadata, for nodes that do not share it."""
    allow_single_zone: Flag = False
    """Accept a cluster whose nodes are all in one zone, and go down with it."""
