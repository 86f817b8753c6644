"""Names of stacks, outputs, tags and SSM parameters, which stacks write and commands read.

These names are a public interface: other tools and deployed stacks depend on them.
"""

import re
from typing import Final

ENVIRONMENT_TAG: Final = "denodo:environment"
CLUSTER_TAG: Final = "denodo:cluster"
NODE_TAG: Final = "denodo:node"
SERVICE_TAG: Final = "denodo:service"
ALB_TAG: Final = "denodo:alb"
"""Tag of a target group that contains an Application Load Balancer. The value is the service's
name."""
AUXILIARY_TAG: Final = "denodo:auxiliary"
"""Tag of the target group of a Scheduler's auxiliary port, in addition to the node's tag. The value
is the service whose clients use the port. Virtual DataPort's auxiliary ports lack the tag."""
BALANCER_TAG: Final = "denodo:balancer"
"""Tag of HAProxy instances, with the value `haproxy`. Commands find the instances of a cluster by
this tag and the cluster's tag."""
DRAINED_TAG: Final = "denodo:drained"
"""Drain tag of an instance that is out of service. The value is the time, the operator and the
reason."""
DRAINED_FROM_TAG_PREFIX: Final = "denodo:drained-from:"
"""Beginning of the drain record's tags, on an instance that was drained without a stack of this
project: one tag for each target group, with the target group's name after the colon. The value is
the ports with which the instance was registered, separated by spaces."""
FOUND_SITES: Final = "_found"
"""Name that replaces the environment's name in the locks of sites without a stack of this project.
No environment may have this name."""

FIRST_BOOT_LINE: Final = "# denodo-ha first boot {}"
"""Line of a node's user data with the version of the first-boot script. Version 1 lacks the
line."""

_GENERATION: Final = re.compile(r"(?s:.+)G([1-9][0-9]{0,3})")
"""Logical id of an instance from generation 2 on. Logical ids of the CDK end with eight hexadecimal
digits, which contain no G (AWS CDK, Logical IDs)."""

BALANCER_DNS_NAME: Final = "BalancerDnsName"
BALANCER_HOSTED_ZONE_ID: Final = "BalancerHostedZoneId"
BALANCER_SECURITY_GROUP_ID: Final = "BalancerSecurityGroupId"
ALB_SECURITY_GROUP_ID: Final = "AlbSecurityGroupId"
HAPROXY_SECURITY_GROUP_ID: Final = "HaproxySecurityGroupId"
NODES_SECURITY_GROUP_ID: Final = "NodesSecurityGroupId"
VPC_ID: Final = "VpcId"
NODE_ADDRESS: Final = "NodeAddress"
HEALTH_CHECK_ID: Final = "HealthCheckId"
ALIVE_CHECK_ID: Final = "AliveCheckId"
JDBC_URL: Final = "JdbcUrl"
ODBC_ENDPOINT: Final = "OdbcEndpoint"
WEB_URL: Final = "WebUrl"
NODE_DOCUMENT: Final = "NodeDocument"
HAPROXY_DOCUMENT: Final = "HaproxyDocument"
HAPROXY_ROTATION_DOCUMENT: Final = "HaproxyRotationDocument"
HAPROXY_FLEET: Final = "HaproxyFleet"
NODE_OPERATOR_POLICY_ARN: Final = "NodeOperatorPolicyArn"
SOLUTION_MANAGER_POLICY_ARN: Final = "SolutionManagerPolicyArn"
NODE_ID_PREFIX: Final = "NodeId"
"""Prefix of the outputs with the nodes' instance ids."""
_NODE_NAME_PREFIX: Final = "NodeName"
_NODE_SUBNET_PREFIX: Final = "NodeSubnet"

URGENT_TOPIC: Final = "UrgentTopicArn"
NOTICE_TOPIC: Final = "NoticeTopicArn"
"""Outputs with the topics that alarms notify. A cluster's stack always has these outputs. The
failover stack has these outputs if it creates its own topics."""

LOG_GROUP: Final = "Logs"
"""Logical id of a cluster's log group. CloudFormation begins the group's name with the stack's
name and this id, so commands find the group also after the stack is deleted."""

ENDPOINT: Final = "Endpoint"
HOSTED_ZONE_ID: Final = "HostedZoneId"
OPERATOR_POLICY_ARN: Final = "OperatorPolicyArn"
CLUSTER_OF_ROLE: Final = {"Primary": "PrimaryCluster", "Secondary": "SecondaryCluster"}
REGION_OF_ROLE: Final = {"Primary": "PrimaryRegion", "Secondary": "SecondaryRegion"}
CHECK_ID_OF_ROLE: Final = {"Primary": "PrimaryCheckId", "Secondary": "SecondaryCheckId"}
SWITCH_NAMESPACE: Final = "SwitchNamespace"
SWITCH_CHECK_ID: Final = "SwitchCheckId"
"""Outputs of the failover stack, in addition to `JdbcUrl`. `SwitchNamespace` is missing if the
switch is in the default namespace, which environments share. The ids of health checks are outputs
only for the alarms on Route 53's metrics, and for the dashboard."""

CATALOG_HOST: Final = "CatalogHost"
CATALOG_PORT: Final = "CatalogPort"
CATALOG_ADMIN_SECRET: Final = "CatalogAdminSecret"  # noqa: S105 - the name of an output
CATALOG_TOPIC: Final = "CatalogAlarms"
EXPORT_BUCKET: Final = "ExportBucket"
EXPORT_COPY_BUCKET: Final = "ExportCopyBucket"
"""Output of the stack with the copies of a cluster's metadata exports."""
CATALOG_OPERATOR_POLICY_ARN: Final = "CatalogOperatorPolicyArn"
_CATALOG_SECRET_PREFIX: Final = "CatalogSecret"  # noqa: S105 - the name of an output
"""Outputs of the stack with a cluster's metadata database and metadata exports."""

PAUSE_METRIC: Final = "Paused"
"""Metric that is 1 while a pause or a running command silences the alarms of a cluster."""

FAILOVER: Final = "failover"
"""Suffix of the failover stack's name. A rule in `rules.names` forbids clusters with this name."""

CATALOG_STACK_SUFFIX: Final = "-catalog"
"""Suffix of the metadata stack's name, after the cluster's name. A rule forbids cluster names with
this suffix."""

EXPORT_COPY_STACK_SUFFIX: Final = "-exports-copy"
"""Suffix of the name of the stack with the copies of a cluster's metadata exports, in the region of
the failover's other cluster. A rule forbids a cluster whose stack would have
this name."""

ROUTE53: Final = "route53"
"""Suffix of the name of the stack with the alarms on Route 53's health checks. With these alarms, a
rule forbids clusters with this name."""

DASHBOARD: Final = "dashboard"
"""Suffix of the name of the stack with the dashboard. With a dashboard, a rule forbids clusters
with this name."""

NODE_METRICS_PREFIX: Final = "Denodo/Nodes/"
"""Prefix of the namespaces of metrics that nodes publish; the rest is the environment's name."""

METADATA: Final = "Denodo"
"""Key of this project's metadata in templates and resources. The drill reads the keys of this
metadata, which the following constants name."""
NODES_METADATA: Final = "Nodes"
"""Key, below `METADATA`, in a cluster's template. Its value maps the output with a node's instance
id to the node's name."""
ZONES_METADATA: Final = "Zones"
"""Key, below `METADATA`, in a cluster's template. Its value maps the id of an existing subnet or
instance to its availability zone."""
DATABASE_METADATA: Final = "Keeps"
"""Key, below `METADATA`, of a metadata database. Its value is the stack of the database's cluster,
and the components and services that need the database."""
DELAYS_METADATA: Final = "Delays"
"""Key, below `METADATA`, of a node or in a cluster's template. Its value has the longest delays, by
name and in seconds, until the node program reports that its node is not ready. An example is the
interval of the program's checks."""
SERVES_METADATA: Final = "Serves"
HEALTH_PORT_METADATA: Final = "HealthPort"
"""Keys, below `METADATA`, of the HAProxy instances: the nodes behind each port, and the port of
HAProxy's own health check."""


def cluster_stack(environment: str, cluster: str) -> str:
    """Return the name of a cluster's stack."""
    return f"{environment}-{cluster}"


def log_group_prefix(environment: str, cluster: str) -> str:
    """Return the beginning of the names of a cluster's log groups (`LOG_GROUP`)."""
    return f"{cluster_stack(environment, cluster)}-{LOG_GROUP}-"


def catalog_stack(environment: str, cluster: str) -> str:
    """Return the name of the stack with a cluster's metadata database and metadata exports."""
    return f"{cluster_stack(environment, cluster)}{CATALOG_STACK_SUFFIX}"


def export_copy_stack(environment: str, cluster: str) -> str:
    """Return the name of the stack with the copies of a cluster's metadata exports."""
    return f"{cluster_stack(environment, cluster)}{EXPORT_COPY_STACK_SUFFIX}"


def failover_stack(environment: str) -> str:
    """Return the name of the failover stack."""
    return f"{environment}-{FAILOVER}"


def route53_stack(environment: str) -> str:
    """Return the name of the stack with the alarms on Route 53's health checks."""
    return f"{environment}-{ROUTE53}"


def dashboard_stack(environment: str) -> str:
    """Return the name of the stack with the dashboard, which is also the dashboard's name."""
    return f"{environment}-{DASHBOARD}"


def node_id_output(node: str) -> str:
    """Return the name of the output with a node's instance id."""
    return NODE_ID_PREFIX + alphanumeric(node)


def instance_of_generation(logical_id: str, generation: int) -> str:
    """Return the logical id of a node's instance in a generation; generation 1 has no suffix."""
    return logical_id if generation == 1 else f"{logical_id}G{generation}"


def generation_of_instance(logical_id: str) -> int:
    """Return the generation of a node's instance, from the instance's logical id."""
    match = _GENERATION.fullmatch(logical_id)
    return int(match[1]) if match else 1


def node_name_output(node: str) -> str:
    """Return the name of the output with a node's host name."""
    return _NODE_NAME_PREFIX + alphanumeric(node)


def subnet_output(zone: str) -> str:
    """Return the name of the output with the nodes' subnet in a zone."""
    return _NODE_SUBNET_PREFIX + alphanumeric(zone)


def catalog_secret_output(component: str) -> str:
    """Return the name of the output with the secret of a component's database login."""
    return _CATALOG_SECRET_PREFIX + "".join(part.capitalize() for part in component.split("-"))


def alphanumeric(name: str) -> str:
    """Return a name without punctuation, as names of outputs allow only letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", name)


def node_parameter(environment: str, cluster: str, node: str) -> str:
    """Return the name of the SSM parameter with a node's desired state."""
    return f"/denodo/{environment}/{cluster}/{node}"


def haproxy_parameter(environment: str, cluster: str) -> str:
    """Return the name of the SSM parameter with the desired state of a cluster's HAProxy.

    The name has one part more than a node's parameter, so the two names always differ.
    """
    return f"/denodo/{environment}/{cluster}/haproxy/state"


def node_metrics_namespace(environment: str) -> str:
    """Return the namespace of the metrics that the nodes of an environment publish."""
    return f"{NODE_METRICS_PREFIX}{environment}"


def lock_parameter(environment: str, cluster: str) -> str:
    """Return the name of the SSM parameter that is a cluster's lock.

    The parameter exists while a command changes the cluster's nodes.
    """
    return f"/denodo/{environment}/{cluster}/.lock"


def pause_parameter(environment: str, cluster: str) -> str:
    """Return the name of the SSM parameter with a cluster's last pause, which may have ended."""
    return f"/denodo/{environment}/{cluster}/.pause"


def pause_namespace(environment: str, cluster: str) -> str:
    """Return the CloudWatch namespace of the metric that silences the alarms of a cluster.

    Each cluster has its own namespace, since IAM can limit PutMetricData only to a namespace (AWS,
    Service Authorization Reference, Amazon CloudWatch).
    """
    return f"Denodo/Pause/{cluster_stack(environment, cluster)}"
