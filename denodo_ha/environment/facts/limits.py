"""Every published limit and default that this project uses, with its source.

A name ends with the unit, unless the value is a count. AWS raises adjustable quotas on request; the
rules assume the published value. "Project default", "project limit" and "project value" mark values
that this project chose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Limit:
    """A published limit: value, unit, source, and whether AWS raises it on request."""

    value: int
    unit: str
    source: str
    adjustable: bool = False

    def __str__(self) -> str:
        """Return the limit with its source, for messages."""
        return f"{self.value} {self.unit} ({self.source})"


_NLB_QUOTAS: Final = "AWS, Quotas for your Network Load Balancers"

LISTENERS_PER_NLB: Final = Limit(50, "listeners of a Network Load Balancer", _NLB_QUOTAS)
TARGETS_PER_NLB: Final = Limit(
    500,
    "targets of a Network Load Balancer with cross-zone load balancing",
    _NLB_QUOTAS,
    adjustable=True,
)
TARGETS_PER_ALB_BEHIND_NLB: Final = Limit(
    100,
    "targets that an Application Load Balancer uses of a Network Load Balancer's quota",
    "AWS, Use an Application Load Balancer as a target of a Network Load Balancer",
)
"""The limit applies with cross-zone load balancing. AWS does not document whether an ALB counts
once, or once for each target group that contains the ALB. The rules assume once for each target
group."""

RULES_PER_SECURITY_GROUP: Final = Limit(
    60, "rules of a security group in each direction", "AWS, Amazon VPC quotas", adjustable=True
)
HEALTH_CHECKERS_WEIGHT: Final = Limit(
    25,
    "rules that the prefix list of Route 53's health checkers counts as",
    "AWS, AWS-managed prefix lists",
)
ELASTIC_IPS_PER_REGION: Final = Limit(
    5, "Elastic IP addresses in a region", "AWS, Amazon VPC quotas", adjustable=True
)
USER_DATA_BYTES: Final = Limit(
    16 * 1024, "bytes of user data before base64", "AWS, Run commands when you launch an instance"
)
RESOURCES_PER_TEMPLATE: Final = Limit(500, "resources in a template", "AWS, CloudFormation quotas")
HEALTH_CHECKS_PER_ACCOUNT: Final = Limit(
    200, "health checks in an account", "AWS, Amazon Route 53 quotas", adjustable=True
)
RECORDS_PER_HOSTED_ZONE: Final = Limit(
    10_000, "records in a hosted zone", "AWS, Amazon Route 53 quotas", adjustable=True
)
TAGS_PER_RESOURCE: Final = Limit(
    50, "tags on a resource", "AWS, Tag naming limits and requirements"
)
POLICIES_PER_ROLE: Final = Limit(
    10, "managed policies attached to a role", "AWS, IAM and AWS STS quotas", adjustable=True
)

ON_DEMAND_QUOTA: Final = "L-1216C47A"
"""Code of the quota "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", in virtual
CPUs. Unused places of a Capacity Reservation count too (AWS, Amazon EC2 User Guide, "On-Demand
Capacity Reservations")."""

COMPARED_QUOTAS: Final[Mapping[str, tuple[str, str]]] = {
    "On-Demand vCPUs": ("ec2", ON_DEMAND_QUOTA),
    "Elastic IPs": ("ec2", "L-0263D0A3"),
    "rules per security group": ("vpc", "L-0EA8095F"),
    "security groups per interface": ("vpc", "L-2AFB9258"),
    "DB instances": ("rds", "L-7B6409FD"),
}
"""Service and code of each quota whose value should be the same at both sites (AWS, Service Quotas,
quota codes)."""
BALANCER_LIMITS: Final[Mapping[str, str]] = {
    "network-load-balancers": "Network Load Balancers",
    "target-groups": "target groups",
    "listeners-per-network-load-balancer": "listeners of a Network Load Balancer",
    "targets-per-network-load-balancer": "targets of a Network Load Balancer",
    "targets-per-availability-zone-per-network-load-balancer": "targets of a zone of a Network Load"
    " Balancer",
}
"""Limits of load balancers by AWS's name (AWS, Elastic Load Balancing API, DescribeAccountLimits),
with the name in messages."""


@dataclass(frozen=True)
class Range:
    """The values that AWS accepts for a setting, both ends included."""

    low: int
    high: int
    source: str


_NLB_HEALTH: Final = "AWS, Health checks for Network Load Balancer target groups"

HEALTH_INTERVAL_S: Final = Range(5, 300, _NLB_HEALTH)
HEALTH_TIMEOUT_S: Final = Range(2, 120, _NLB_HEALTH)
HEALTH_THRESHOLD: Final = Range(2, 10, _NLB_HEALTH)
DEREGISTRATION_DELAY_S: Final = Range(
    0, 3600, "AWS, Edit target group attributes for your Network Load Balancer"
)
IDLE_TIMEOUT_S: Final = Range(
    60, 6000, "AWS, Update the TCP idle timeout for your Network Load Balancer listener"
)
ALB_IDLE_TIMEOUT_S: Final = Range(
    1, 4000, "AWS, Edit attributes for your Application Load Balancer, Connection idle timeout"
)
RECORD_TTL_S: Final = Range(0, 2_147_483_647, "AWS, Amazon Route 53 API, ResourceRecordSet")
FAILURE_THRESHOLD: Final = Range(1, 10, "AWS, Amazon Route 53 API, HealthCheckConfig")
CHECK_EVERY_H: Final = Range(
    1,
    24,
    "AWS, Amazon CloudWatch API, PutMetricAlarm: all evaluated periods of an alarm are at "
    "most one day",
)
VPC_PREFIX: Final = Range(16, 28, "AWS, VPC CIDR blocks")
ALB_SUBNET_PREFIX: Final = Range(
    16, 27, "AWS, Application Load Balancers, Subnets for your load balancer"
)
"""Prefix lengths of an Application Load Balancer's subnet, which must also have at least 8 free
addresses. The shortest prefix is the same as for a VPC."""

ALB_ZONES: Final = 2
"""Minimum number of zones of an Application Load Balancer (AWS, Application Load Balancers, Subnets
for your load balancer)."""

COOKIE_DURATION_S: Final = 86_400
"""Time for which a cookie keeps a client on its node after the last response: AWS's default (AWS,
Sticky sessions for your Application Load Balancer)."""

CAPACITY_PLACES: Final = Range(
    1, 1000, "AWS, Amazon EC2 API, ModifyCapacityReservation, InstanceCount of one request"
)
DISK_GIB: Final = Range(1, 65_536, "AWS, Amazon EBS General Purpose SSD volumes")
DATABASE_STORAGE_GIB: Final = Range(
    20, 65_536, "AWS, Amazon RDS DB instance storage, General Purpose SSD (gp3)"
)
DATABASE_RETENTION_DAYS: Final = Range(
    1, 35, "AWS, Amazon RDS API, CreateDBInstance; 0 (no backups) is not allowed in this project"
)
DATABASE_CONNECTIONS: Final = Range(
    20, 5000, "AWS, Amazon RDS, Quotas and constraints, Maximum number of database connections"
)
DATABASE_FAILOVER_S: Final = Range(
    60, 120, "AWS, Failing over a Multi-AZ DB instance for Amazon RDS"
)
"""Typical duration of a failover in seconds; large transactions or a long recovery take longer."""
DATABASE_WINDOW_S: Final = Range(1800, 86_400, "AWS, Amazon RDS API, CreateDBInstance")

CREATION_TIMEOUT_S: Final = Range(
    300,
    43_200,
    "AWS, CloudFormation CreationPolicy attribute: at most 12 hours; this project sets the minimum",
)

ENDPOINT_INTERVALS_S: Final = (10, 30)
"""Allowed intervals of an endpoint check (AWS, Route 53 API, HealthCheckConfig)."""

ALARM_PERIOD_S: Final = 60
"""Interval of a Network Load Balancer's metrics (AWS, CloudWatch metrics for your NLB)."""

NLB_IDLE_TIMEOUT_DEFAULT_S: Final = 350
"""Default idle timeout of a TCP listener (AWS, Update the TCP idle timeout for your Network Load
Balancer listener)."""

FIXED_TLS_IDLE_TIMEOUT_S: Final = NLB_IDLE_TIMEOUT_DEFAULT_S
"""Idle timeout of a TLS listener, which cannot be changed (AWS, Network Load Balancers)."""

NO_NLB_TARGETS: Final = frozenset(
    "c1 cc1 cc2 cg1 cg2 cr1 cs1 g1 g2 hi1 hs1 m1 m2 m3 t1".split()  # noqa: SIM905 - a list copied from AWS
)
"""Instance families that a Network Load Balancer does not accept as targets by instance id (AWS,
Elastic Load Balancing API, RegisterTargets)."""

NITRO_V6_TRACKING_S: Final = 350
"""Default time for which Nitro v6 instances track an idle connection; older instances track an idle
connection for 432,000 s (AWS, EC2 API, ConnectionTrackingSpecificationRequest)."""

NITRO_V6_GENERATION: Final = 8
"""First generation with Nitro v6, except for `NITRO_V5_FAMILIES` (AWS, Instances built on the AWS
Nitro System). AWS does not confirm this for each family, so the rule only warns."""

NITRO_V5_FAMILIES: Final = frozenset(
    ("c8g", "c8gd", "m8g", "m8gd", "r8g", "r8gd", "x8g", "i8g", "i8ge")
)

ENDPOINT_INTERVAL_AWS_S: Final = 30
ENDPOINT_FAILURES_AWS: Final = 3
"""Defaults of an endpoint check (AWS, Route 53 API, HealthCheckConfig)."""

RECORD_TTL_AWS_S: Final = 300
"""Default TTL of records in the Route 53 console (AWS, Values that are common for all routing
policies)."""

BALANCER_ALIAS_TTL_S: Final = 60
"""TTL of an alias to a load balancer (AWS, Choosing between alias and non-alias records)."""

HEALTHY_CHECKERS_PERCENT: Final = 18
"""An endpoint is healthy as long as more than this share of Route 53's checkers reach it (AWS, How
Amazon Route 53 determines whether a health check is healthy)."""

ALARM_LAG_S: Final = 60
"""Seconds until the metric of a minute is available: one more minute (deduced, not published)."""

HEALTH_INTERVAL_DEFAULT_S: Final = HEALTH_INTERVAL_S.low
HEALTH_THRESHOLD_DEFAULT: Final = HEALTH_THRESHOLD.low
"""Project defaults of health checks: the lowest values that AWS accepts, so that a lost node is
detected soon."""
HEALTH_TIMEOUT_DEFAULT_S: Final = 4
"""Project default of health checks: AWS rejects a timeout that is not less than the interval (error
message of the ELB API)."""

DEREGISTRATION_DELAY_DEFAULT_S: Final = 300
"""AWS's default of the deregistration delay (AWS, Edit target group attributes for your Network
Load Balancer)."""

START_LIMIT_DEFAULT_S: Final = 1200
"""Project default of `denodo.start_limit`: Denodo starts in 6 to 8 minutes (Denodo's container
examples), after the set-up of the node."""

SETUP_SHARE_S: Final = 120
"""Project value: the part of a new node's start limit that is left for the operating system, the
node program and its signal, so that the node reports its own error before CloudFormation times
out."""

BUSY_LIMIT_DEFAULT_S: Final = 30
"""Project default of `denodo.busy_limit`: longer than the short time for which a statement puts
Virtual DataPort into single-user mode."""

PING_INTERVAL_S: Final = 20
PING_TIMEOUT_S: Final = 10
READINESS_KEPT_S: Final = 4
"""Project values: interval and timeout with which the node program runs `ping.sh`, and the time for
which the node program repeats the last answer. Denodo's own health check uses 30 s and 10 s.
`hosts/denodo/readiness` has the same numbers, and a test compares them."""

STOP_LIMIT_DEFAULT_S: Final = 900
"""Project default of `denodo.stop_limit`: Denodo's default query timeout (Denodo, Virtual DataPort
Administration Guide)."""

COMMAND_TIMEOUT_S: Final = 7200
"""Project value: timeout of an SSM command; the node program's actions have shorter timeouts."""

PARAMETER_BYTES: Final = Limit(
    8 * 1024, "bytes of an advanced parameter", "AWS, Managing parameter tiers"
)

AWS_HEALTH_INTERVAL_S: Final = 30
AWS_HEALTH_TIMEOUT_S: Final = 10
AWS_HTTP_HEALTH_TIMEOUT_S: Final = 6
AWS_HEALTHY_THRESHOLD: Final = 5
AWS_UNHEALTHY_THRESHOLD: Final = 2
"""AWS's defaults of a health check (AWS, Health checks for Network Load Balancer target groups)."""
AWS_ALB_HEALTH_TIMEOUT_S: Final = 5
"""AWS's default timeout of a health check (AWS, Health checks for Application Load Balancer target
groups)."""
ENDPOINT_CONNECT_S: Final = 10
"""Time within which an endpoint must accept a TCP connection (AWS, How Amazon Route 53 determines
whether a health check is healthy)."""
ENDPOINT_HTTP_S: Final = 6
"""Time within which an endpoint must accept an HTTP or HTTPS connection (4 s) and answer the
request (2 s) (AWS, How Amazon Route 53 determines whether a health check is healthy)."""
ROUTE53_METRICS_REGION: Final = "us-east-1"
"""The only region with the metrics of health checks, in the partition aws (AWS, Monitoring health
checks using CloudWatch)."""
NO_DATA_PERIODS: Final = 3
"""Project value: number of periods without data after which an alarm is assumed to have no data.
AWS documents that an alarm examines more periods than it evaluates, but not how many (AWS,
Configuring how CloudWatch alarms treat missing data)."""

DISK_DEFAULT_GIB: Final = 100
"""Project default of a node's root disk, with space for queries that swap to disk (Denodo, Virtual
DataPort 7.0 Installation Guide, sizing)."""

HAPROXY_START_LIMIT_S: Final = 900
"""Project default: seconds within which a new HAProxy instance must start. HAProxy itself starts at
once, but the operating system and downloads take longer."""
DATABASE_ZONES: Final = Limit(
    2, "zones or more in a DB subnet group", "AWS, Working with a DB instance in a VPC"
)
DATABASE_GROWTH: Final = 1.1
"""Minimum ratio of the maximum storage to the allocated storage (AWS, Amazon RDS, Managing capacity
automatically with storage autoscaling)."""

DATABASE_RETENTION_DEFAULT_DAYS: Final = 7
"""Default backup retention in the RDS console (AWS, Amazon RDS, Backup retention period)."""

DATABASE_CONNECTIONS_DEFAULT: Final = 300
"""Project default of `catalog.max_connections`: 100 connections for Virtual DataPort on each of two
nodes, and 100 for other components. This is less than RDS's default for 4 GiB of memory (AWS,
Amazon RDS, Quotas and constraints: memory / 9531392)."""

DATABASE_COPY_DELAY_S: Final = 1800
"""Longest usual delay of replicated automated backups (AWS, Prescriptive Guidance, "Amazon RDS PITR
snapshot replication": 5 to 30 minutes)."""
DATABASE_LOW_STORAGE: Final = 0.15
DATABASE_MANY_CONNECTIONS: Final = 0.8
"""Project values: an alarm is raised below this share of free storage of the metadata database, or
above this share of used connections."""

SECRET_BYTES: Final = Limit(65_536, "bytes of a secret", "AWS, Secrets Manager quotas")

CATALOG_CHECK_S: Final = (1, 60)
EXPORT_EVERY_S: Final = (3600, 604_800)
EXPORT_RETENTION_DAYS: Final = (1, 3650)
"""Project limits, which include Denodo's recommendations: the check-in interval of the Scheduler,
the interval of exports (at least an hour, since nodes check every hour whether an export is due),
and the days for which exports are kept."""

CATALOG_CHECK_DEFAULT_S: Final = 3
"""Project default of the Scheduler's check-in interval: Denodo recommends 2 or 3 s (Denodo,
Scheduler Administration Guide, Cluster Settings)."""

EXPORT_EVERY_DEFAULT_S: Final = 86_400
EXPORT_RETENTION_DEFAULT_DAYS: Final = 30
"""Project defaults of `exports.every` and `exports.retention_days`: operators have a month to
detect lost metadata."""

NOT_COMPARED_MOST: Final = 20
"""Project limit of `exports.not_compared`: this number of patterns fits into a node's desired state
with all other keys."""

QUERY_TIMEOUT_DEFAULT_S: Final = 900
"""Virtual DataPort's default query timeout of JDBC (Denodo, JDBC connection parameters,
queryTimeout)."""
