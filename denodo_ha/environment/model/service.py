"""Services that clients connect to, on every node of every cluster."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from denodo_ha.environment.facts.limits import (
    HEALTH_INTERVAL_S,
    HEALTH_THRESHOLD,
    HEALTH_TIMEOUT_S,
    IDLE_TIMEOUT_S,
)
from denodo_ha.environment.model.aws_field_types import CertificateArn
from denodo_ha.environment.model.field_types import ClusterName, Flag, Form, HealthPath, Port, Whole
from denodo_ha.environment.model.section import Section, short_form

Interval = Annotated[
    Whole, Field(ge=HEALTH_INTERVAL_S.low, le=HEALTH_INTERVAL_S.high), HEALTH_INTERVAL_S
]
Timeout = Annotated[
    Whole, Field(ge=HEALTH_TIMEOUT_S.low, le=HEALTH_TIMEOUT_S.high), HEALTH_TIMEOUT_S
]
Threshold = Annotated[
    Whole, Field(ge=HEALTH_THRESHOLD.low, le=HEALTH_THRESHOLD.high), HEALTH_THRESHOLD
]
IdleTimeout = Annotated[Whole, Field(ge=IDLE_TIMEOUT_S.low, le=IDLE_TIMEOUT_S.high), IDLE_TIMEOUT_S]


EVERY = "*"
"""Key that stands for every cluster in a map from cluster to the ARN of a certificate or secret. In
the file, a single ARN replaces a map with only this key."""

Certificates = Annotated[
    Mapping[
        Annotated[
            str,
            Form(
                r"\*|[a-z][a-z0-9-]{0,15}",
                "is not a name for a cluster",
                "each key must be the name of a cluster, and each value the ARN of the cluster's "
                "certificate",
                "active",
                "write a cluster's name",
            ),
        ],
        CertificateArn,
    ],
    Field(min_length=1),
    BeforeValidator(
        lambda value: {EVERY: value} if isinstance(value, str) else value,
        json_schema_input_type=CertificateArn
        | Annotated[Mapping[ClusterName, CertificateArn], Field(min_length=1)],
    ),
]


class HealthSettings(Section):
    """Health check of a node; for keys that a service does not set, `balancer.health` applies."""

    protocol: Literal["tcp", "http", "https"] | None = None
    """Protocol of the check: tcp only connects, http and https request `path`. Without protocol, \
port and path, the check asks the node program (port 9191) whether the service is ready \
(docs/reference/node.md)."""
    port: Port | None = None
    """Port of the check on the node; default: the service's node port."""
    path: HealthPath | None = None
    """Path that http and https checks request; status codes 200 to 399 are healthy."""
    interval: Interval | None = None
    """Seconds between checks, 5 to 300; default 5."""
    timeout: Timeout | None = None
    """Seconds after which a check without an answer fails, less than `interval`; default 4."""
    healthy: Threshold | None = None
    """Number of consecutive passed checks after which a node is back in service, 2 to 10; default \
2."""
    unhealthy: Threshold | None = None
    """Number of consecutive failed checks after which a node is out of service, 2 to 10; default \
2."""


class Service(Section):
    """One service: a listener and a target group with every node of the cluster."""

    port: Port
    """Port that clients connect to on the load balancer."""
    node_port: Port | None = None
    """Port of the service on the nodes; default: the same as `port`."""
    sticky: Literal[True, False, "cookie"] = False
    """Keep a client on the same node. true: by source address, or by cookie for web services on \
HAProxy; cookie: by cookie for web services, which adds an ALB behind an NLB."""
    client_ip: Flag = True
    """Pass the client's address to the nodes; behind an ALB, the header X-Forwarded-For contains \
the address."""
    tls: Certificates | None = None
    """ACM certificate with which the load balancer terminates TLS. One ARN, or a map of cluster \
to ARN if clusters are in different regions or accounts."""
    health: HealthSettings = HealthSettings()
    """Health check of this service on a node."""
    idle_timeout: IdleTimeout | None = None
    """Seconds after which an idle connection is removed, 60 to 6000, or 60 to 4000 behind an ALB; \
AWS's default is 350."""
    unhealthy_termination: Flag | None = None
    """End the connections of a node that becomes unhealthy, so that the node's clients detect the \
failure at once. false: existing connections continue, and only new connections go to other nodes \
(docs/explanation/failover.md). Default: true; false with `balancer.zonal_shift`."""

    @property
    def target_port(self) -> int:
        """Port of the service on the nodes."""
        return self.node_port or self.port

    def certificate(self, cluster: str) -> str | None:
        """Return the ARN of the certificate of a cluster's listener."""
        certificates = self.tls or {}
        return certificates.get(cluster, certificates.get(EVERY))


ServiceEntry = Annotated[
    Service,
    BeforeValidator(short_form("port"), json_schema_input_type=Port | Service),
]
