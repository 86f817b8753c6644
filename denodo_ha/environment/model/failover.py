"""Failover between two clusters by DNS."""

from typing import Annotated, Literal

from pydantic import Field

from denodo_ha.environment.facts.limits import FAILURE_THRESHOLD, RECORD_TTL_S
from denodo_ha.environment.model.aws_field_types import AccountId, Region
from denodo_ha.environment.model.cluster import HostedZone
from denodo_ha.environment.model.field_types import ClusterName, Flag, RecordName, Whole
from denodo_ha.environment.model.section import Section

Ttl = Annotated[Whole, Field(ge=RECORD_TTL_S.low, le=RECORD_TTL_S.high), RECORD_TTL_S]
Failures = Annotated[
    Whole, Field(ge=FAILURE_THRESHOLD.low, le=FAILURE_THRESHOLD.high), FAILURE_THRESHOLD
]


class Failover(Section):
    """One name for two clusters: the primary answers, and the secondary when it cannot."""

    primary: ClusterName
    """Cluster that answers as long as it is healthy."""
    secondary: ClusterName
    """Cluster that answers when the primary is not healthy."""
    zone: HostedZone
    """Existing hosted zone, public or private, that gets the records."""
    record: RecordName
    """Name of the records before the zone's name; @ is the zone's own name."""
    health: Literal["auto", "target-health", "endpoint", "alarm"] = "auto"
    """How Route 53 learns that a cluster is healthy; auto chooses by what the clusters have."""
    control: Literal["automatic", "operator"] = "automatic"
    """automatic: health and the operators' switch move the site; operator: the switch alone."""
    secondary_health: Flag = True
    """Whether the secondary is checked too, so that the site never moves onto a dead one."""
    ttl: Ttl | None = None
    """Seconds that resolvers keep a CNAME or IP record; default 10."""
    interval: Literal[10, 30] | None = None
    """Seconds between endpoint checks, 10 or 30; default 10."""
    threshold: Failures | None = None
    """Failed endpoint checks in a row, or minutes of an alarm, that make a cluster unhealthy; \
default 3 checks, 1 minute."""
    account: AccountId | None = None
    """AWS account of the failover stack; default: the primary's."""
    region: Region | None = None
    """Region of the failover stack; default: the secondary's, so that it outlives the primary's."""
