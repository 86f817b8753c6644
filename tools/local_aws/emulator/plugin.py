"""Installation of all parts of the plugin, in the order that the parts require."""

from tools.local_aws.emulator import iam, machines, s3_replication, secrets_manager
from tools.local_aws.emulator.cloudformation import (
    creation_policy,
    failed_creations,
    imports,
    resource_types,
    stack_events,
    stack_outputs,
)
from tools.local_aws.emulator.cloudwatch import alarms, composite_alarms, log_groups, metrics
from tools.local_aws.emulator.ec2 import (
    addresses,
    auto_scaling,
    capacity_reservations,
    flow_logs,
    instance_filters,
    instances,
    network,
    run_instances,
    security_groups,
)
from tools.local_aws.emulator.elb import (
    calls,
    listeners,
    load_balancers,
    target_groups,
    target_health,
    zonal_shifts,
)
from tools.local_aws.emulator.rds import instances as rds_instances
from tools.local_aws.emulator.route53 import health_checks, health_status, hosted_zones, queries
from tools.local_aws.emulator.ssm import documents


def install() -> None:
    """Install all parts of the plugin."""
    network.install()
    addresses.install()
    security_groups.install()
    iam.install()
    flow_logs.install()
    instances.install()
    instance_filters.install()
    machines.install()
    run_instances.install()
    capacity_reservations.install()
    load_balancers.install()
    listeners.install()
    target_health.install()
    target_groups.install()
    zonal_shifts.install()
    auto_scaling.install()
    metrics.install()
    alarms.install()
    composite_alarms.install()
    log_groups.install()
    hosted_zones.install()
    health_checks.install()
    health_status.install()
    queries.install()
    documents.install()
    secrets_manager.install()
    rds_instances.install()
    s3_replication.install()
    stack_outputs.install()
    stack_events.install()
    # Added after all declarations, because checks that are added last run first.
    resource_types.enforce_schemas()
    calls.install()
    imports.install()
    creation_policy.install()
    failed_creations.install()
