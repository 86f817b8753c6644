"""Failover between two clusters by DNS."""

from typing import Annotated, Literal

from pydantic import Field

from denodo_ha.environment.facts.limits import FAILURE_THRESHOLD, RECORD_TTL_S
from denodo_ha.environment.model.aws_field_types import AccountId, Region, SwitchNamespace
from denodo_ha.environment.model.cluster import HostedZone
from denodo_ha.environment.model.field_types import ClusterName, Flag, RecordName, Whole
from denodo_ha.environment.model.section import Section

TtlSeconds = Annotated[Whole, Field(ge=RECORD_TTL_S.low, le=RECORD_TTL_S.high), RECORD_TTL_S]
FailureThreshold = Annotated[
    Whole, Field(ge=FAILURE_THRESHOLD.low, le=FAILURE_THRESHOLD.high), FAILURE_THRESHOLD
]


class Failover(Section):
    """One DNS name for two clusters: the primary's, or the secondary's if the primary is down."""

    primary: ClusterName
    """Cluster that the name resolves to as long as it is healthy."""
    secondary: ClusterName
    """Cluster that the name resolves to if the primary is not healthy."""
    zone: HostedZone
    """Existing hosted zone, public or private, in which the records are created."""
    record: RecordName
    """Name of the records, without the zone's name; @ is the zone's own name."""
    health: Literal["auto", "target-health", "endpoint", "alarm"] = "auto"
    """How Route 53 determines that a cluster is healthy; auto selects it by the clusters' \
settings."""
    control: Literal["automatic", "operator"] = "automatic"
    """automatic: unhealthy clusters and the operators' switch trigger a failover; operator: only \
the switch does."""
    secondary_health: Flag = True
    """Whether the secondary is checked too, so that there is no failover to an unhealthy \
cluster."""
    ttl: TtlSeconds | None = None
    """Seconds that resolvers cache a CNAME or IP record; default 10."""
    interval: Literal[10, 30] | None = None
    """Seconds between endpoint checks, 10 or 30; default 10."""
    threshold: FailureThreshold | None = None
    """Failed endpoint checks in a row, or minutes of an alarm, that make a cluster unhealthy; \
default 3 checks, 1 minute."""
    minutes_without_data: FailureThreshold | None = None
    """Minutes in which a balancer reports nothing, as if its region were lost, that make its \
cluster unhealthy (alarm); default 3."""
    account: AccountId | None = None
    """AWS account of the failover stack; default: the primary's."""
    region: Region | None = None
    """Region of the failover stack; default: the secondary's, so that it is available if the \
primary's region fails."""
    switch_namespace: SwitchNamespace | None = None
    """CloudWatch namespace of the operators' switch, for this environment alone; default: \
Denodo/Failover, which all environments of the account and region share."""
