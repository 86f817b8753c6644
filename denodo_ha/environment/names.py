"""Names that stacks write and commands find: stacks, outputs, tags, parameters.

They are a public interface: other tools and deployed stacks rely on them.
"""

import re

from denodo_ha.environment.derived.shared_metadata import STACK_ENDING

ENVIRONMENT_TAG = "denodo:environment"
CLUSTER_TAG = "denodo:cluster"
NODE_TAG = "denodo:node"
SERVICE_TAG = "denodo:service"
BALANCER_TAG = "denodo:balancer"
"""On HAProxy's instances, with the value `haproxy`; by it and the cluster's they are found."""
DRAINED_TAG = "denodo:drained"
"""On an instance that is taken out of service: since when, by whom and why."""
ALB_TAG = "denodo:alb"

BALANCER_DNS_NAME = "BalancerDnsName"
BALANCER_GROUP_ID = "BalancerSecurityGroupId"
ALB_GROUP_ID = "AlbSecurityGroupId"
NODE_ADDRESS = "NodeAddress"
BALANCER_ZONE_ID = "BalancerHostedZoneId"
HEALTH_CHECK_ID = "HealthCheckId"
ALIVE_CHECK_ID = "AliveCheckId"
JDBC_URL = "JdbcUrl"
ODBC_ENDPOINT = "OdbcEndpoint"
WEB_URL = "WebUrl"
ENDPOINT = "Endpoint"
NODES_GROUP_ID = "NodesSecurityGroupId"
VPC_ID = "VpcId"
CATALOG_HOST = "CatalogHost"
CATALOG_PORT = "CatalogPort"
CATALOG_ADMIN_SECRET = "CatalogAdminSecret"  # noqa: S105 - the name of an output
CATALOG_TOPIC = "CatalogAlarms"
EXPORT_BUCKET = "ExportBucket"
CLUSTER_OF_ROLE = {"Primary": "PrimaryCluster", "Secondary": "SecondaryCluster"}
REGION_OF_ROLE = {"Primary": "PrimaryRegion", "Secondary": "SecondaryRegion"}
ZONE_ID = "HostedZoneId"
OPERATOR_POLICY_ARN = "OperatorPolicyArn"
NODE_DOCUMENT = "NodeDocument"
HAPROXY_DOCUMENT = "HaproxyDocument"
HAPROXY_ROTATION = "HaproxyRotationDocument"
HAPROXY_FLEET = "HaproxyFleet"
HAPROXY_GROUP_ID = "HaproxySecurityGroupId"
NODE_OPERATOR_POLICY = "NodeOperatorPolicyArn"
SOLUTION_MANAGER_POLICY = "SolutionManagerPolicyArn"

NODE_OUTPUT = "NodeId"
"""How the name of an output with a node's instance id begins."""

FAILOVER = "failover"
"""Name of the failover's stack; `environment.rules.names` reserves it, so no cluster has it."""


def cluster_stack(environment: str, cluster: str) -> str:
    """Name of a cluster's stack."""
    return f"{environment}-{cluster}"


def catalog_stack(environment: str, cluster: str) -> str:
    """Name of the stack that keeps a cluster's metadata."""
    return f"{cluster_stack(environment, cluster)}{STACK_ENDING}"


def failover_stack(environment: str) -> str:
    """Name of the failover's stack."""
    return f"{environment}-{FAILOVER}"


def node_output(node: str) -> str:
    """Name of the output with a node's instance id."""
    return NODE_OUTPUT + letters(node)


def node_name_output(node: str) -> str:
    """Name of the output with a node's own name."""
    return "NodeName" + letters(node)


def letters(node: str) -> str:
    """A name without its punctuation: output names hold letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "", node)


def subnet_output(zone: str) -> str:
    """Name of the output with the subnet of a zone's nodes."""
    return "NodeSubnet" + letters(zone)


def catalog_secret_output(component: str) -> str:
    """Name of the output with the secret of a component's login."""
    return "CatalogSecret" + "".join(part.capitalize() for part in component.split("-"))


def lock(environment: str, cluster: str) -> str:
    """Name of the SSM parameter that exists while a command changes a cluster's nodes."""
    return f"/denodo/{environment}/{cluster}/.lock"
