"""Names that the stacks write and commands find: stacks, outputs, tags, metadata.

The same as `stacks.naming` has, which a command cannot import; a test compares the two.
"""

import re

from config.metadata import STACK_ENDING

ENVIRONMENT_TAG = "denodo:environment"
CLUSTER_TAG = "denodo:cluster"
NODE_TAG = "denodo:node"
SERVICE_TAG = "denodo:service"
DRAINED_TAG = "denodo:drained"
"""On an instance that is taken out: since when, by whom and why (`ops.marks`)."""
ALB_TAG = "denodo:alb"

BALANCER_DNS_NAME = "BalancerDnsName"
NODE_ADDRESS = "NodeAddress"
HEALTH_CHECK_ID = "HealthCheckId"
ENDPOINT = "Endpoint"
NODE_DOCUMENT = "NodeDocument"
HAPROXY_DOCUMENT = "HaproxyDocument"
HAPROXY_ROTATION = "HaproxyRotationDocument"
HAPROXY_FLEET = "HaproxyFleet"

NODE_OUTPUT = "NodeId"
"""How the name of an output with a node's instance id begins."""

FAILOVER = "failover"
"""No cluster has this name (`config`), as it is the failover stack's."""


def cluster_stack(environment: str, cluster: str) -> str:
    """Name of a cluster's stack."""
    return f"{environment}-{cluster}"


def failover_stack(environment: str) -> str:
    """Name of the failover's stack."""
    return f"{environment}-{FAILOVER}"


def node_output(node: str) -> str:
    """Name of the output with a node's instance id: CloudFormation allows letters and digits."""
    return NODE_OUTPUT + letters(node)


def letters(node: str) -> str:
    """A node's name without its punctuation."""
    return re.sub(r"[^A-Za-z0-9]", "", node)


def lock(environment: str, cluster: str) -> str:
    """Name of the SSM parameter that is there while a command changes a cluster's nodes."""
    return f"/denodo/{environment}/{cluster}/.lock"


CATALOG_HOST = "CatalogHost"
CATALOG_PORT = "CatalogPort"
CATALOG_ADMIN_SECRET = "CatalogAdminSecret"  # noqa: S105 - the name of an output
CATALOG_TOPIC = "CatalogAlarms"
EXPORT_BUCKET = "ExportBucket"


def catalog_stack(environment: str, cluster: str) -> str:
    """Name of the stack that keeps a cluster's metadata."""
    return f"{cluster_stack(environment, cluster)}{STACK_ENDING}"


def catalog_secret_output(component: str) -> str:
    """Name of the output with the secret of a component's login."""
    return "CatalogSecret" + "".join(part.capitalize() for part in component.split("-"))
