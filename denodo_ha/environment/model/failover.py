"""Failover between two clusters by DNS."""

from typing import Annotated, Literal

from pydantic import Field

from denodo_ha.environment.facts.limits import CHECK_EVERY_H, FAILURE_THRESHOLD, RECORD_TTL_S
from denodo_ha.environment.model.aws_field_types import AccountId, Region, SwitchNamespace
from denodo_ha.environment.model.cluster import HostedZone
from denodo_ha.environment.model.field_types import ClusterName, Flag, RecordName, Whole
from denodo_ha.environment.model.section import Section

TtlSeconds = Annotated[Whole, Field(ge=RECORD_TTL_S.low, le=RECORD_TTL_S.high), RECORD_TTL_S]
FailureThreshold = Annotated[
    Whole, Field(ge=FAILURE_THRESHOLD.low, le=FAILURE_THRESHOLD.high), FAILURE_THRESHOLD
]

CheckHours = Annotated[Whole, Field(ge=CHECK_EVERY_H.low, le=CHECK_EVERY_H.high), CHECK_EVERY_H]


class Failover(Section):
    """DNS name that resolves to the primary cluster, or to the secondary if the primary is down."""

    primary: ClusterName
    """Cluster that the failover name resolves to while this cluster is healthy."""
    secondary: ClusterName
    """Cluster that the failover name resolves to while the primary is not healthy."""
    zone: HostedZone
    """Existing hosted zone, public or private, in which the records are created."""
    record: RecordName
    """Name of the records, without the zone's name; @ is the zone's own name."""
    health: Literal["auto", "target-health", "endpoint", "alarm"] = "auto"
    """Method by which Route 53 determines that a cluster is healthy; auto selects a method that \
fits the clusters' settings."""
    control: Literal["automatic", "operator"] = "automatic"
    """automatic: unhealthy clusters and the operators' switch trigger a failover; operator: only \
the operators' switch triggers a failover."""
    secondary_health: Flag = True
    """Check the secondary too, so that there is no failover to an unhealthy cluster."""
    ttl: TtlSeconds | None = None
    """Seconds for which resolvers cache a CNAME or IP record; default 10."""
    interval: Literal[10, 30] | None = None
    """Seconds between endpoint checks, 10 or 30; default 10."""
    threshold: FailureThreshold | None = None
    """Number of consecutive failed endpoint checks, or of minutes for an alarm, after which a \
cluster is unhealthy; default 3 checks, 1 minute."""
    minutes_without_data: FailureThreshold | None = None
    """For alarm: number of minutes after which a cluster is unhealthy if its balancer reports no \
metrics, as if the region were lost; default 3."""
    account: AccountId | None = None
    """AWS account of the failover stack; default: the primary's account."""
    region: Region | None = None
    """Region of the failover stack; default: the secondary's region, so that the stack is \
available if the primary's region fails."""
    check_every: CheckHours | None = None
    """Hours within which `denodo-ha failover check --record` must run again, at most 24: an alarm \
notifies the topic `notice` if the command did not run in time, or reported that the standby is \
not ready; default: no alarm."""
    switch_namespace: SwitchNamespace | None = None
    """CloudWatch namespace of the operators' switch, only for this environment; default: \
Denodo/Failover, which all environments of the account and region share."""
