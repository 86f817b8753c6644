"""Names that others rely on: stacks, outputs, tags (design, "Names that others rely on")."""

import re

ENVIRONMENT_TAG = "denodo:environment"
CLUSTER_TAG = "denodo:cluster"
NODE_TAG = "denodo:node"
SERVICE_TAG = "denodo:service"
DRAINED_TAG = "denodo:drained"

BALANCER_DNS_NAME = "BalancerDnsName"
BALANCER_GROUP_ID = "BalancerSecurityGroupId"
NODE_ADDRESS = "NodeAddress"
BALANCER_ZONE_ID = "BalancerHostedZoneId"
HEALTH_CHECK_ID = "HealthCheckId"
JDBC_URL = "JdbcUrl"
ODBC_ENDPOINT = "OdbcEndpoint"
WEB_URL = "WebUrl"
ENDPOINT = "Endpoint"
CLUSTER_OF_ROLE = {"Primary": "PrimaryCluster", "Secondary": "SecondaryCluster"}
REGION_OF_ROLE = {"Primary": "PrimaryRegion", "Secondary": "SecondaryRegion"}
ZONE_ID = "HostedZoneId"
OPERATOR_POLICY_ARN = "OperatorPolicyArn"
NODE_DOCUMENT = "NodeDocument"
NODE_OPERATOR_POLICY = "NodeOperatorPolicyArn"
SOLUTION_MANAGER_POLICY = "SolutionManagerPolicyArn"


def cluster_stack(environment: str, cluster: str) -> str:
    """Name of a cluster's stack."""
    return f"{environment}-{cluster}"


def failover_stack(environment: str) -> str:
    """Name of the failover's stack."""
    return f"{environment}-failover"


def node_output(node: str) -> str:
    """Name of the output with a node's instance id."""
    return "NodeId" + _plain(node)


def node_name_output(node: str) -> str:
    """Name of the output with a node's own name."""
    return "NodeName" + _plain(node)


def _plain(node: str) -> str:
    """A node's name as outputs have it: CloudFormation allows letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", node)
