"""A cluster: its network, nodes and load balancer in one account and region."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from denodo_ha.environment.facts.limits import (
    CAPACITY_PLACES,
    DEREGISTRATION_DELAY_DEFAULT_S,
    DEREGISTRATION_DELAY_S,
    DISK_DEFAULT_GIB,
    DISK_GIB,
)
from denodo_ha.environment.model.aws_field_types import (
    AccountId,
    DeviceName,
    EndpointService,
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
    MountPath,
    NetworkPeer,
    NodeName,
    Port,
    PortRange,
    PrivateAddress,
    Whole,
    port_range,
    wrong,
)
from denodo_ha.environment.model.haproxy import Haproxy
from denodo_ha.environment.model.managers import LicenseManager, SolutionManager
from denodo_ha.environment.model.section import Section, short_form
from denodo_ha.environment.model.service import HealthSettings

DiskGib = Annotated[Whole, Field(ge=DISK_GIB.low, le=DISK_GIB.high), DISK_GIB]
DelaySeconds = Annotated[
    Whole,
    Field(ge=DEREGISTRATION_DELAY_S.low, le=DEREGISTRATION_DELAY_S.high),
    DEREGISTRATION_DELAY_S,
]


class Zone(Section):
    """An availability zone of the cluster. Its subnets are set only for an existing VPC."""

    nodes: SubnetId | None = None
    """Subnet of the zone's nodes."""
    balancer: SubnetId | None = None
    """Subnet of the load balancer in the zone."""


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
    """Region of the VPC; default: the cluster's region."""
    account: AccountId | None = None
    """Account of the VPC; default: the cluster's account, the only account that is allowed."""


def _zones_of_list(value: Any) -> Any:
    """Convert a list of zone names to a map of zones without subnets."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {item: {} for item in value}
    return value


ZoneMap = Annotated[
    dict[ZoneName, Zone],
    Field(min_length=1),
    BeforeValidator(
        _zones_of_list,
        json_schema_input_type=Annotated[dict[ZoneName, Zone], Field(min_length=1)]
        | Annotated[list[ZoneName], Field(min_length=1)],
    ),
]
PeerVpcEntry = Annotated[
    PeerVpc, BeforeValidator(short_form("vpc"), json_schema_input_type=VpcId | PeerVpc)
]


class Egress(Section):
    """A destination to which nodes may connect, and its ports."""

    to: NetworkPeer
    """Destination: a CIDR, a prefix list (pl-…), or a security group (sg-…) of the same or a \
peered VPC."""
    ports: Annotated[tuple[PortRange, ...], Field(min_length=1)] = ("1-65535",)
    """Ports of the destination, each a number or a range like 8020-8040; default: all ports."""
    protocol: Literal["tcp", "udp"] = "tcp"
    """Protocol of the ports."""

    @property
    def port_ranges(self) -> tuple[tuple[int, int], ...]:
        """The first and the last port of each range."""
        return tuple(port_range(ports) for ports in self.ports)


EgressEntry = Annotated[
    Egress, BeforeValidator(short_form("to"), json_schema_input_type=NetworkPeer | Egress)
]


class Network(Section):
    """The network of a cluster: an existing VPC, or a new VPC."""

    vpc: VpcId | None = None
    """Id of an existing VPC; default: a VPC is created from `cidr` and `zones`."""
    cidr: Cidr | None = None
    """Addresses of the VPC; required for a new VPC, from /16 to /24."""
    zones: ZoneMap
    """Zones of the cluster: in an existing VPC, a map of zone to subnets; otherwise a list of \
names."""
    nat: Literal["zone", "regional", "none"] = "zone"
    """Outbound internet access of nodes in a new VPC. zone: a NAT gateway in each zone; regional: \
one NAT gateway that AWS keeps available in all zones of the cluster; none: no internet access; \
nodes reach AWS services through VPC endpoints."""
    endpoints: tuple[EndpointService, ...] = ()
    """AWS services for which a new VPC gets interface endpoints, such as kms or athena, in \
addition to the services that `nat: none` needs."""
    egress: tuple[EgressEntry, ...] | None = None
    """Destinations to which nodes may connect; default: all."""
    flow_logs: Flag = False
    """Log the connections of a new VPC to CloudWatch Logs, for 30 days."""
    health_checkers: PrefixListId | None = None
    """Prefix list of the Route 53 health checkers in the region. The health checkers may connect \
to the cluster if failover uses endpoint checks."""
    node_zone: HostedZone | None = None
    """Existing private hosted zone for the names of the nodes; default: a hosted zone is \
created."""
    node_zone_vpcs: tuple[PeerVpcEntry, ...] = ()
    """Other VPCs that resolve the names of the nodes, such as the VPC of the Solution Manager."""


class Instance(Section):
    """The EC2 instance of a node."""

    type: InstanceType
    """Instance type; 4 CPUs with 16 GiB, such as m7i.xlarge, are the least that Denodo recommends \
for production (m5.xlarge)."""
    image: ImageId
    """Id of a machine image with Denodo installed; selecting the latest image by name is not \
supported."""
    disk_gib: DiskGib = DISK_DEFAULT_GIB
    """Size of the root disk in GiB."""
    root_device: DeviceName = "/dev/xvda"
    """Root device of the image: /dev/xvda for Amazon Linux, /dev/sda1 for most others. With a \
wrong name, the instance gets an additional disk, and the root disk keeps the size of the \
image."""
    data_disk_gib: DiskGib | None = None
    """Size of a second disk in GiB, which is empty on each new instance; default: none."""
    data_disk_path: MountPath | None = None
    """Folder on which the node program mounts the second disk (a blank disk is first formatted \
with ext4); default: the disk is attached and not mounted."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the disks; default: the account's key for EBS."""
    key: KeyPairName | None = None
    """EC2 key pair; default: none, since Session Manager works without a key pair."""
    role_policies: tuple[PolicyArn, ...] = ()
    """Managed policies to attach to the roles of the nodes, in addition to the permissions that a \
node needs."""


class InstanceOverride(Section):
    """Keys of the cluster's `instance` that are different for one node."""

    type: InstanceType | None = None
    """Instance type of this node."""
    image: ImageId | None = None
    """Machine image of this node."""
    disk_gib: DiskGib | None = None
    """Size of this node's root disk in GiB."""
    root_device: DeviceName | None = None
    """Root device of this node's image."""
    data_disk_gib: DiskGib | None = None
    """Size of this node's second disk in GiB."""
    data_disk_path: MountPath | None = None
    """Folder on which this node's second disk is mounted."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts this node's disks."""
    key: KeyPairName | None = None
    """EC2 key pair of this node."""
    role_policies: tuple[PolicyArn, ...] | None = None
    """Managed policies of this node's role, instead of the cluster's policies."""


class Node(Section):
    """One node: a machine with Denodo servers."""

    zone: ZoneName
    """Availability zone of the node, one of `network.zones`."""
    auxiliary_port: Port | None = None
    """RMI auxiliary port: required for Denodo 7.0 and different on every node; later versions of \
Denodo have no auxiliary port."""
    scheduler_auxiliary_port: Port | None = None
    """Auxiliary port of this node's Scheduler, through which clients use the Scheduler over the \
load balancer (docs/how-to/scheduler.md). Either all nodes of a cluster have this key, each with a \
different port, or no node has the key; default: clients connect to the node itself."""
    instance_id: InstanceId | None = None
    """Id of an existing instance. The stack registers the instance with the load balancer, and \
does not change the instance otherwise."""
    address: PrivateAddress | None = None
    """Private address of an existing instance, for its DNS record in the hosted zone of the \
nodes."""
    instance: InstanceOverride | None = None
    """Keys of the cluster's `instance` that are different for this node."""


class Balancer(Section):
    """The access of clients to a cluster: through a load balancer, or directly to a single node."""

    kind: Literal["nlb", "haproxy", "none"]
    """nlb: a Network Load Balancer; haproxy: HAProxy behind a Network Load Balancer; none: \
clients connect to the single node."""
    scheme: Literal["internal", "internet-facing"] = "internal"
    """Type of addresses of the load balancer or, without a load balancer, of the node. internal: \
private; internet-facing: public."""
    clients: Annotated[tuple[NetworkPeer, ...], Field(min_length=1)]
    """Networks that may connect: CIDRs, prefix lists (pl-…) and, for clients in the same or a \
peered VPC, security groups (sg-…); 0.0.0.0/0 is allowed with a warning."""
    cross_zone: Flag = True
    """Let the load balancer's address in one zone send clients to nodes in other zones."""
    deregistration_delay: DelaySeconds = DEREGISTRATION_DELAY_DEFAULT_S
    """Seconds for which a node keeps its connections after it is deregistered."""
    zonal_shift: Flag = False
    """Let operators shift traffic away from a zone (`denodo-ha shift`). Clients of a dead node \
then wait for their own timeouts, since AWS ends no connections of unhealthy nodes."""
    deletion_protection: Flag = False
    """Refuse to delete the load balancer; set this key after the first deploy has succeeded."""
    health: HealthSettings = HealthSettings()
    """Health check of the nodes, for services without their own settings in `health`."""
    addresses: Mapping[ZoneName, Address] = {}
    """Fixed address in each zone: a private address, or an Elastic IP allocation for an \
internet-facing load balancer."""
    haproxy: Haproxy | None = None
    """Settings of HAProxy, only for kind haproxy; default: the defaults of these settings."""

    @property
    def proxy(self) -> Haproxy:
        """Settings of HAProxy; the default settings if the section is missing."""
        return self.haproxy or Haproxy()


def _places(value: Any) -> Any:
    """Check `capacity.reserve` before pydantic, which would report two errors for a union."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if value == "running" or (is_count and CAPACITY_PLACES.low <= value <= CAPACITY_PLACES.high):
        return value
    what = "is neither running nor a number of instances"
    why = (
        "running reserves a place for each configured node, and a number reserves as many places "
        f"in each zone, for each instance type in that zone ({CAPACITY_PLACES.source})"
    )
    instead = f"write running, or a number from {CAPACITY_PLACES.low} to {CAPACITY_PLACES.high}"
    raise wrong(what, why, instead)


Platform = Literal["Linux/UNIX", "Red Hat Enterprise Linux", "SUSE Linux"]


class Capacity(Section):
    """EC2 capacity that is reserved for the nodes which the stack creates."""

    reserve: Annotated[
        Literal["running"]
        | Annotated[int, Field(ge=CAPACITY_PLACES.low, le=CAPACITY_PLACES.high), CAPACITY_PLACES],
        BeforeValidator(_places),
    ]
    """Number of instances for which capacity is reserved. running: one place for each configured \
node, which costs nothing more while the nodes run; a number: this number of places in each zone \
with nodes, for each instance type in the zone. Places that no instance uses cost as much as \
running instances (docs/how-to/capacity.md)."""
    platform: Platform | None = None
    """Platform of the images, which a reservation must match; required for images whose root \
device is not /dev/xvda; default: Linux/UNIX."""
    tenancy: Literal["default", "dedicated"] = "default"
    """Tenancy of the reserved capacity, which must match the instances: write dedicated if the \
cluster is in an existing VPC with dedicated tenancy."""


class Cluster(Section):
    """Nodes in one account and region, and their load balancer."""

    account: AccountId
    """AWS account of the cluster: 12 digits in quotes."""
    region: Region
    """AWS region of the cluster."""
    network: Network
    """The network of the cluster."""
    instance: Instance | None = None
    """EC2 instance of a node; not needed if all nodes are existing instances."""
    nodes: Annotated[dict[NodeName, Node], Field(min_length=1)]
    """Nodes of the cluster by name."""
    balancer: Balancer
    """The load balancer that clients connect to."""
    catalog: Catalog | None = None
    """The metadata database that the nodes share."""
    exports: Exports | None = None
    """Scheduled exports of Virtual DataPort's metadata, for nodes that do not share this \
metadata."""
    solution_manager: SolutionManager | None = None
    """The Solution Manager of this cluster, instead of the environment's Solution Manager and its \
`cidrs`."""
    license_manager: LicenseManager | None = None
    """The License Manager of this cluster's nodes, instead of the environment's License Manager."""
    capacity: Capacity | None = None
    """Reserved EC2 capacity of the nodes; default: none."""
    allow_single_zone: Flag = False
    """Accept a cluster whose nodes are all in one zone. If this zone fails, the cluster fails."""
