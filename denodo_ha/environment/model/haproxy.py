"""HAProxy: its instances on AWS, timeouts, health checks and TLS."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from denodo_ha.environment.facts.limits import DISK_GIB, QUERY_TIMEOUT_DEFAULT_S, Range
from denodo_ha.environment.model.aws_field_types import (
    DeviceName,
    ImageId,
    InstanceType,
    KmsKeyArn,
    PolicyArn,
)
from denodo_ha.environment.model.field_types import (
    Cidr,
    Flag,
    Form,
    HostName,
    NodeName,
    Port,
    ServiceName,
    Whole,
)
from denodo_ha.environment.model.section import Section

COUNT: Final = Range(
    2,
    10,
    "this project: replacing a single instance would be an outage; more than ten are never needed",
)
DISK_DEFAULT_GIB: Final = 20
"""Project default: HAProxy stores only its own files and the journal."""


class HaproxyInstance(Section):
    """EC2 instances that run HAProxy."""

    type: InstanceType
    """Instance type; network and CPU determine the performance, memory does not."""
    image: ImageId
    """Id of a machine image with HAProxy, Python 3.9, the AWS CLI and the SSM agent \
(docs/how-to/haproxy-aws.md); selecting the latest image by name is not supported."""
    count: Annotated[Whole, Field(ge=COUNT.low, le=COUNT.high), COUNT] = COUNT.low
    """Number of instances, distributed over the zones."""
    disk_gib: Annotated[Whole, Field(ge=DISK_GIB.low, le=DISK_GIB.high), DISK_GIB] = (
        DISK_DEFAULT_GIB
    )
    """Size of the disk in GiB."""
    root_device: DeviceName = "/dev/xvda"
    """Root device of the image: /dev/xvda for Amazon Linux, /dev/sda1 for most others."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the disk; default: the account's key for EBS."""
    role_policies: tuple[PolicyArn, ...] = ()
    """Managed policies to attach to the role, in addition to the permissions that HAProxy needs."""


_TIMES: Final = "HAProxy, Configuration Manual, Time format"
SECONDS: Final = Range(1, 2_147_483, _TIMES)
"""Allowed times, in seconds: HAProxy stores times as milliseconds in 31 bits."""

_CHECKS: Final = "HAProxy, Configuration Manual, Server and default-server options"
CHECK_SECONDS: Final = Range(1, 30, _CHECKS)
FALL: Final = Range(2, 10, _CHECKS)
"""Allowed numbers of failed checks until a node is out of service. With 1, a single long garbage
collection would take a node out of service."""
RISE: Final = Range(1, 10, _CHECKS)
MAXCONN: Final = Range(1, 1_000_000, "HAProxy, Configuration Manual, maxconn")

HEALTH_PORT: Final = 9192
"""Port on which HAProxy reports whether it has a usable node, chosen by this project."""
METRICS_PORT: Final = 8404
"""Port of HAProxy's metrics (HAProxy, Configuration Manual, Prometheus exporter)."""

Seconds = Annotated[Whole, Field(ge=SECONDS.low, le=SECONDS.high), SECONDS]
CheckSeconds = Annotated[Whole, Field(ge=CHECK_SECONDS.low, le=CHECK_SECONDS.high), CHECK_SECONDS]
SecretArn = Annotated[
    str,
    Form(
        r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+",
        "is not the ARN of a secret",
        "the full ARN is required",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:denodo/tls-AbCdEf",
        "write an ARN like {example}",
    ),
]


class HaproxyTimeouts(Section):
    """Timeouts of HAProxy, in seconds."""

    connect: Seconds = 1
    """Seconds of one attempt to connect to a node; then HAProxy tries another node."""
    tcp: Seconds = 28_800
    """Seconds after which an idle TCP connection is closed, for services without `idle_timeout`. \
Unused connections in a pool and connections that wait for a long query are idle."""
    http: Seconds = QUERY_TIMEOUT_DEFAULT_S
    """Seconds within which a node must answer a web request; Denodo ends a query after 900 \
seconds."""
    http_request: Seconds = 10
    """Seconds within which a client must send the headers of a request."""
    keep_alive: Seconds = 30
    """Seconds for which a web client's connection is kept open for the next request."""
    old_worker: Seconds = 86_400
    """Seconds after a reload until HAProxy closes the sessions that began before the reload; must \
be longer than `tcp`."""


class HaproxyChecks(Section):
    """Health checks of HAProxy, for services without their own settings in `health`."""

    interval: CheckSeconds = 1
    """Seconds between checks; after a failed check, the next check follows a quarter of a second \
later."""
    timeout: CheckSeconds | None = None
    """Seconds within which a node must answer; default: 1, or 4 with `ready`."""
    fall: Annotated[Whole, Field(ge=FALL.low, le=FALL.high), FALL] = 2
    """Number of consecutive failed checks after which a node is out of service."""
    rise: Annotated[Whole, Field(ge=RISE.low, le=RISE.high), RISE] = 2
    """Number of consecutive passed checks after which a node is back in service."""
    ready: Flag | None = None
    """Also request `GET /ready/SERVICE` from the node program (port 9191), which considers \
promotions, drained nodes and unconfirmed metadata; default: true if every node has the node \
program, for services whose `health` sets no port, path or protocol."""
    tls: Flag = False
    """Use TLS for checks of the nodes' ports of JDBC and the Scheduler."""


class HaproxyTls(Section):
    """TLS of the web services that clients access over HTTPS."""

    mode: Literal["terminate", "reencrypt", "passthrough"]
    """terminate: plain HTTP to the nodes; reencrypt: TLS to the nodes, whose certificates are \
verified; passthrough: the nodes terminate TLS, and stickiness by cookie is not possible."""
    services: Annotated[tuple[ServiceName, ...], Field(min_length=1)] | None = None
    """Services that clients access over HTTPS; default: services with port 9443 on the load \
balancer or the nodes."""
    certificate: SecretArn | None = None
    """Secret with the certificate chain and the key in PEM format. Required on AWS; elsewhere, a \
file is used instead."""
    authority: SecretArn | None = None
    """Secret with the certificates, in PEM format, of the authorities that issued the nodes' \
certificates. Required on AWS for mode reencrypt; elsewhere, a file is used instead."""
    node_name: HostName | None = None
    """Name in the nodes' certificates; default: each node's host name, or the node's name in this \
file if `hosts` has an address for the node."""


class Haproxy(Section):
    """Settings of HAProxy."""

    instance: HaproxyInstance | None = None
    """EC2 instances of HAProxy; required on AWS, ignored elsewhere."""
    algorithm: Literal["leastconn", "roundrobin"] = "leastconn"
    """Algorithm that selects a node. Services whose check only opens a TCP connection always use \
roundrobin: leastconn would send all clients to a node that accepts connections and closes \
them."""
    maxconn: Annotated[Whole, Field(ge=MAXCONN.low, le=MAXCONN.high), MAXCONN] = 20_000
    """Maximum number of concurrent connections; further connections wait without an error."""
    timeouts: HaproxyTimeouts = HaproxyTimeouts()
    """Timeouts of HAProxy."""
    checks: HaproxyChecks = HaproxyChecks()
    """Health checks of the nodes."""
    tls: HaproxyTls | None = None
    """TLS of the web services. Without this key, HAProxy passes HTTPS through to the nodes."""
    hosts: Mapping[NodeName, HostName] = {}
    """Map of node to host name or address. HAProxy resolves a host name when it starts or \
reloads; default: the node's name in the cluster's private zone, NODE.CLUSTER.NAME.internal, which \
HAProxy resolves continuously."""
    health_port: Port = HEALTH_PORT
    """Port of HAProxy's own health check, which returns 503 if no node is usable."""
    metrics_port: Port = METRICS_PORT
    """Port of the metrics for Prometheus."""
    metrics_clients: tuple[Cidr, ...] = ()
    """Networks that may read the metrics; default: only 127.0.0.1."""
