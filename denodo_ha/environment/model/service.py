"""A service: what clients connect to, on every node of every cluster."""

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
"""The key of a certificate that serves every cluster; in the file it is the bare ARN."""

Certificates = Annotated[
    Mapping[
        Annotated[
            str,
            Form(
                r"\*|[a-z][a-z0-9-]{0,15}",
                "is not a name for a cluster",
                "each cluster has its certificate",
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
    """How the balancer checks a node. What is left out is the balancer's, then the default."""

    protocol: Literal["tcp", "http", "https"] | None = None
    """What the check speaks: tcp connects only, http and https ask for `path`. Without protocol, \
port and path the node is asked whether the service is ready, on port 9191 (docs/node.md)."""
    port: Port | None = None
    """Port of the check on the node; default: the service's node port."""
    path: HealthPath | None = None
    """Path that http and https checks ask for; answers from 200 to 399 are healthy."""
    interval: Interval | None = None
    """Seconds between checks, 5 to 300; default 5."""
    timeout: Timeout | None = None
    """Seconds until a check without an answer fails, less than `interval`; default 4."""
    healthy: Threshold | None = None
    """Passed checks in a row that bring a node in, 2 to 10; default 2."""
    unhealthy: Threshold | None = None
    """Failed checks in a row that take a node out, 2 to 10; default 2."""


class Service(Section):
    """One listener and one target group with every node of the cluster."""

    port: Port
    """Port that clients connect to on the balancer."""
    node_port: Port | None = None
    """Port of the service on the nodes; default: the same as `port`."""
    sticky: Literal[True, False, "cookie"] = False
    """Keep a client on its node: true is by source address on an NLB and by cookie on HAProxy; \
cookie on an NLB puts an ALB behind it, for web services."""
    client_ip: Flag = True
    """Whether nodes see the client's own address; behind an ALB it is in X-Forwarded-For."""
    tls: Certificates | None = None
    """ACM certificate: the balancer ends TLS. One ARN, or a map of cluster to ARN where clusters \
are in different regions or accounts."""
    health: HealthSettings = HealthSettings()
    """How the balancer checks this service on a node."""
    idle_timeout: IdleTimeout | None = None
    """Seconds until a silent connection is forgotten, 60 to 6000, behind an ALB 4000; AWS's \
default is 350."""

    @property
    def target_port(self) -> int:
        """Port of the service on the nodes."""
        return self.node_port or self.port

    def certificate(self, cluster: str) -> str | None:
        """ARN of the certificate for a cluster's listener."""
        certificates = self.tls or {}
        return certificates.get(cluster, certificates.get(EVERY))


ServiceEntry = Annotated[
    Service,
    BeforeValidator(short_form("port"), json_schema_input_type=Port | Service),
]
