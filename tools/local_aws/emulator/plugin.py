"""Everything that makes an AWS for our stacks of MiniStack, in the order that it needs."""

from tools.local_aws.emulator import (
    addresses,
    alarms,
    answers,
    auto_scaling,
    creation_policy,
    databases,
    dns,
    events,
    health_checks,
    identity,
    instances,
    listeners,
    load_balancers,
    network,
    secret_values,
    security_groups,
    stack_outputs,
    systems_manager,
    target_groups,
    target_health,
    types,
)


def install() -> None:
    """Install every part."""
    network.install()
    addresses.install()
    security_groups.install()
    identity.install()
    instances.install()
    load_balancers.install()
    listeners.install()
    target_health.install()
    target_groups.install()
    auto_scaling.install()
    alarms.install()
    dns.install()
    health_checks.install()
    answers.install()
    systems_manager.install()
    secret_values.install()
    databases.install()
    stack_outputs.install()
    events.install()
    # The last to look before anything is made, so the first in front of what was declared.
    types.enforce_schemas()
    creation_policy.install()
