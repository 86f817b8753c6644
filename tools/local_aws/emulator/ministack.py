"""All names of MiniStack that the plugin uses.

MiniStack has no plugin interface: these are private names of one exact version. No other module
uses private names, so that an update of MiniStack changes this file only, and a missing name causes
an error when the server starts and not during a deploy.
"""

from importlib.metadata import version
from typing import Any

from ministack import app as gateway
from ministack.core import iam_evaluator, persistence, router
from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
from ministack.core.responses import get_account_id as account
from ministack.core.responses import get_region as region
from ministack.core.responses import request_scope as acting_for
from ministack.services import (
    acm,
    alb,
    autoscaling,
    cloudwatch,
    cloudwatch_logs,
    ec2,
    iam,
    rds,
    route53,
    s3,
    secretsmanager,
    sns,
    ssm,
)
from ministack.services import cloudformation as stacks
from ministack.services.cloudformation import changesets, engine, provisioners, wait_conditions
from ministack.services.cloudformation import handlers as operations
from ministack.services.cloudformation import stacks as lifecycle

__all__ = [
    "AccountRegionScopedDict",
    "AccountScopedDict",
    "account",
    "acm",
    "acting_for",
    "alb",
    "autoscaling",
    "changesets",
    "cloudwatch",
    "ec2",
    "engine",
    "gateway",
    "iam",
    "lifecycle",
    "operations",
    "persistence",
    "provisioners",
    "region",
    "route53",
    "s3",
    "sns",
    "ssm",
    "stacks",
    "wait_conditions",
]

VERSION = "1.5.33"
"""The version of MiniStack that has these names, pinned in `tools/local_aws/requirements.in`."""

if version("ministack") != VERSION:
    message = f"the local AWS needs MiniStack {VERSION}, not {version('ministack')}"
    raise ImportError(message)

Record = dict[str, Any]


def private(module: Any, name: str) -> Any:
    """Return the value of a private name of MiniStack.

    Raises:
        ImportError: this version of MiniStack does not have the name.
    """
    try:
        return getattr(module, name)
    except AttributeError:
        message = f"MiniStack {VERSION} has no {module.__name__}.{name}"
        raise ImportError(message) from None


def replace(module: Any, name: str, value: Any) -> Any:
    """Replace the value of a private name of MiniStack, and return the previous value."""
    before = private(module, name)
    setattr(module, name, value)
    return before


patterns: dict[str, dict[str, Any]] = private(router, "SERVICE_PATTERNS")
services: dict[str, Any] = private(gateway, "SERVICE_HANDLERS")
handlers: dict[str, dict[str, Any]] = private(provisioners, "_RESOURCE_HANDLERS")
replacing: dict[str, tuple[str, ...]] = private(provisioners, "_REPLACING_PROPERTIES")
stack_tags: dict[str, tuple[str, str]] = private(provisioners, "_STACK_TAG_PROPERTY")
physical_name = private(provisioners, "_physical_name")

vpcs = private(ec2, "_vpcs")
subnets = private(ec2, "_subnets")
route_tables = private(ec2, "_route_tables")
internet_gateways = private(ec2, "_internet_gateways")
nat_gateways = private(ec2, "_nat_gateways")
vpc_endpoints = private(ec2, "_vpc_endpoints")
flow_logs = private(ec2, "_flow_logs")
security_groups = private(ec2, "_security_groups")
prefix_lists = private(ec2, "_prefix_lists")
addresses = private(ec2, "_addresses")
instances = private(ec2, "_instances")
volumes = private(ec2, "_volumes")
images = private(ec2, "_images")
key_pairs = private(ec2, "_key_pairs")
ec2_tags = private(ec2, "_tags")
ec2_actions: dict[str, Any] = private(ec2, "_ACTION_MAP")

load_balancers = private(alb, "_lbs")
load_balancer_attributes = private(alb, "_lb_attrs")
listeners = private(alb, "_listeners")
listener_attributes = private(alb, "_listener_attrs")
rules = private(alb, "_rules")
target_groups = private(alb, "_tgs")
target_group_attributes = private(alb, "_tg_attrs")
targets = private(alb, "_targets")
alb_tags = private(alb, "_tags")
alb_actions: dict[str, Any] = private(alb, "_ACTION_MAP")

zones = private(route53, "_zones")
records = private(route53, "_records")
health_checks = private(route53, "_health_checks")
route53_tags = private(route53, "_tags")
alarms = private(cloudwatch, "_alarms")
composite_alarms = private(cloudwatch, "_composite_alarms")
metrics = private(cloudwatch, "_metrics")
certificates = private(acm, "_certificates")
log_groups = private(cloudwatch_logs, "_log_groups")
roles = private(iam, "_roles")
policies = private(iam, "_policies")
instance_profiles = private(iam, "_instance_profiles")
secrets = private(secretsmanager, "_secrets")
store_secret = private(secretsmanager, "_store_new_secret")
databases = private(rds, "_instances")
subnet_groups = private(rds, "_subnet_groups")
parameter_groups = private(rds, "_param_groups")
rds_actions: dict[str, Any] = private(rds, "_ACTION_MAP")
rds_answer = private(rds, "_xml")
bucket_replication = private(s3, "_bucket_replication")
bucket_versioning = private(s3, "_bucket_versioning")
bucket_owner = private(s3, "_bucket_owner_account")
request_origin = private(iam_evaluator, "_request_origin")

state_format = private(persistence, "_state_format_version")
encoded = private(persistence, "_json_default")

resolving = (changesets, lifecycle, operations)
"""MiniStack's modules that have imported the function `_resolve_refs` by name."""

all_stacks = private(stacks, "_stacks")
