"""The machines that HAProxy runs on, on AWS."""

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
    2, 10, "ours: with one, its replacement is an outage; ten are more than a balancer needs"
)
DISK_DEFAULT_GIB: Final = 20
"""Ours: HAProxy keeps nothing but its files and the journal."""


class HaproxyInstance(Section):
    """A machine that HAProxy runs on."""

    type: InstanceType
    """Instance type; network and processors count, memory does not."""
    image: ImageId
    """Machine image with HAProxy, Python 3.9, the AWS CLI and the SSM agent, pinned: never the \
latest of something (docs/haproxy-aws.md)."""
    count: Annotated[Whole, Field(ge=COUNT.low, le=COUNT.high), COUNT] = COUNT.low
    """How many there are, spread over the zones."""
    disk_gib: Annotated[Whole, Field(ge=DISK_GIB.low, le=DISK_GIB.high), DISK_GIB] = (
        DISK_DEFAULT_GIB
    )
    """Size of the disk in GiB."""
    root_device: DeviceName = "/dev/xvda"
    """The image's root device: /dev/xvda for Amazon Linux, /dev/sda1 for most others."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the disk; default: the account's key for EBS."""
    role_policies: tuple[PolicyArn, ...] = ()
    """Managed policies to attach to the role, beside what HAProxy itself needs."""


_TIMES: Final = "HAProxy, Configuration Manual, Time format"
SECONDS: Final = Range(1, 2_147_483, _TIMES)
"""HAProxy counts milliseconds in 31 bits."""

_CHECKS: Final = "HAProxy, Configuration Manual, Server and default-server options"
CHECK_SECONDS: Final = Range(1, 30, _CHECKS)
FALL: Final = Range(2, 10, _CHECKS)
"""From 2: with 1 a node is out for one long garbage collection."""
RISE: Final = Range(1, 10, _CHECKS)
MAXCONN: Final = Range(1, 1_000_000, "HAProxy, Configuration Manual, maxconn")

HEALTH_PORT: Final = 9192
"""Where HAProxy tells whether it has a usable node (ours)."""
METRICS_PORT: Final = 8404
"""Where Prometheus finds HAProxy's metrics (HAProxy, Configuration Manual, Prometheus exporter)."""

Seconds = Annotated[Whole, Field(ge=SECONDS.low, le=SECONDS.high), SECONDS]
CheckSeconds = Annotated[Whole, Field(ge=CHECK_SECONDS.low, le=CHECK_SECONDS.high), CHECK_SECONDS]
SecretArn = Annotated[
    str,
    Form(
        r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+",
        "is not the ARN of a secret",
        "Secrets Manager finds it by its full ARN only",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:denodo/tls-AbCdEf",
        "write an ARN like {example}",
    ),
]


class HaproxyTimeouts(Section):
    """How long HAProxy waits, in seconds."""

    connect: Seconds = 1
    """Seconds to connect to a node, once; another node is tried then."""
    tcp: Seconds = 28_800
    """Seconds until a silent TCP connection is closed, for services without `idle_timeout`: idle \
pools and long queries are silent."""
    http: Seconds = QUERY_TIMEOUT_DEFAULT_S
    """Seconds that a node may take to answer a web request; Denodo ends a query after 900."""
    http_request: Seconds = 10
    """Seconds that a client may take to send a request's headers."""
    keep_alive: Seconds = 30
    """Seconds that a web client's connection is kept for its next request."""
    old_worker: Seconds = 86_400
    """Seconds after a reload when sessions from before it are cut; longer than `tcp`."""


class HaproxyChecks(Section):
    """How HAProxy checks the nodes, for services that do not say otherwise in `health`."""

    interval: CheckSeconds = 1
    """Seconds between checks; a quarter of a second once one has failed."""
    timeout: CheckSeconds | None = None
    """Seconds that a node may take to answer; default: 1, with readiness 4."""
    fall: Annotated[Whole, Field(ge=FALL.low, le=FALL.high), FALL] = 2
    """Failed checks in a row that take a node out."""
    rise: Annotated[Whole, Field(ge=RISE.low, le=RISE.high), RISE] = 2
    """Passed checks in a row that bring a node in."""
    ready: Flag | None = None
    """Ask the program on the node as well (`GET /ready/SERVICE` on port 9191): it knows of \
promotions, of a node that is drained and of metadata that is not confirmed; default: where every \
node has it, for services that do not say in `health` what is asked."""
    tls: Flag = False
    """Whether the nodes speak TLS on their RMI ports (JDBC, Scheduler)."""


class HaproxyTls(Section):
    """TLS of the web services that clients reach by HTTPS."""

    mode: Literal["terminate", "reencrypt", "passthrough"]
    """terminate: plain HTTP to the nodes; reencrypt: TLS to the nodes, with their certificates \
verified; passthrough: the nodes end TLS, and no cookie is possible."""
    services: Annotated[tuple[ServiceName, ...], Field(min_length=1)] | None = None
    """The services; default: those with port 9443 on the balancer or the nodes."""
    certificate: SecretArn | None = None
    """Secret with certificate chain and key in PEM; compulsory on AWS, a file elsewhere."""
    authority: SecretArn | None = None
    """Secret with the PEM certificates that nodes' ones are verified by; compulsory on AWS for \
reencrypt, a file elsewhere."""
    node_name: HostName | None = None
    """Name in the nodes' certificates; default: each node's host name, its own name where `hosts` \
gives an address."""


class Haproxy(Section):
    """Settings of HAProxy."""

    instance: HaproxyInstance | None = None
    """The machines that it runs on; compulsory on AWS, not read elsewhere."""
    algorithm: Literal["leastconn", "roundrobin"] = "leastconn"
    """How a node is chosen. Services whose check only connects always take turns: leastconn \
would send everybody to a node that accepts connections and closes them."""
    maxconn: Annotated[Whole, Field(ge=MAXCONN.low, le=MAXCONN.high), MAXCONN] = 20_000
    """Connections at a time; one more waits without an error."""
    timeouts: HaproxyTimeouts = HaproxyTimeouts()
    """How long HAProxy waits."""
    checks: HaproxyChecks = HaproxyChecks()
    """How nodes are checked."""
    tls: HaproxyTls | None = None
    """TLS of the web services; without it HTTPS is passed through to the nodes."""
    hosts: Mapping[NodeName, HostName] = {}
    """Host name or address of a node, looked up when HAProxy starts or reloads; default: its name \
in the cluster's private zone, NODE.CLUSTER.NAME.internal, which is followed."""
    health_port: Port = HEALTH_PORT
    """Port that answers 503 when no node is usable."""
    metrics_port: Port = METRICS_PORT
    """Port of the metrics for Prometheus."""
    metrics_clients: tuple[Cidr, ...] = ()
    """Networks that may read the metrics; without any they are served on 127.0.0.1 only."""
