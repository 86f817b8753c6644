"""Location of a failover: DNS name, the two clusters, and the region of the switch.

With a configuration file, the location is known without a call to AWS, because it is needed while a
region is unavailable. Without a file, the location is read from the outputs of the failover's
stack. The namespace of the switch's metric is always read from the stack: a datapoint in another
namespace has no effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import first_answer
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import (
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    Refused,
    UsageError,
)
from denodo_ha.deployed.environment_locator import (
    EnvironmentLocation,
    StackLocation,
    cluster_location,
    regions_to_search,
    require_one_environment,
    stack_account,
    stack_outputs,
)
from denodo_ha.deployed.stack import read_outputs
from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.loading.loader import Loaded

Role = Literal["PRIMARY", "SECONDARY"]
PRIMARY: Final = "PRIMARY"
SECONDARY: Final = "SECONDARY"
ROLES: Final[tuple[Role, Role]] = (PRIMARY, SECONDARY)


@dataclass(frozen=True)
class FailoverLocation:
    """A DNS name that resolves to one of two clusters.

    Attributes:
        environment: name of the environment.
        endpoint: the DNS name that clients use.
        zone_id: the hosted zone of its records.
        account: account of records, health checks and switch.
        region: region of the failover's stack, and so of the switch.
        clusters: locations of the two clusters.
        switch_namespace: namespace of the switch's metric.
        switch_warning: why the namespace was read from the configuration and not from the deployed
            stack; empty if it was read from the stack.
        is_deployed: True if the namespace was read from the deployed stack.
        loaded: the configuration, None without a file.
    """

    environment: str
    endpoint: str
    zone_id: str
    account: str
    region: str
    clusters: Mapping[Role, StackLocation]
    switch_namespace: str
    switch_warning: str = ""
    is_deployed: bool = False
    loaded: Loaded | None = None

    @property
    def regions(self) -> tuple[str, ...]:
        """Return the regions of the failover; the switch's region is the first."""
        every = (self.region, *(cluster.region for cluster in self.clusters.values()))
        return tuple(dict.fromkeys(every))

    def role(self, name: str) -> Role:
        """Return the role of a cluster.

        Raises:
            UsageError: The cluster is neither the primary nor the secondary.
        """
        for role, cluster in self.clusters.items():
            if cluster.name == name:
                return role
        primary, secondary = (self.clusters[role].name for role in ROLES)
        message = (
            f"environment {self.environment} does not fail over to {name}; its primary is "
            f"{primary}, its secondary is {secondary}"
        )
        raise UsageError(message)


def locate_failover(
    aws: Aws, *, config: str | None, environment: str | None, regions: Sequence[str] | None
) -> FailoverLocation:
    """Return the failover of the environment that the options name.

    Args:
        aws: the credentials.
        config: path or name of a configuration.
        environment: name of an environment whose configuration file is not available.
        regions: regions to search for the failover's stack; only with an environment's name.

    Raises:
        UsageError: The options cannot be combined, or there is no failover.
        AwsError: AWS did not answer.
    """
    require_one_environment(config, environment)
    if config is None:
        return _discovered(aws, str(environment), regions)
    if regions:
        raise UsageError(
            "--region can be used only with --environment; with -c, the configuration names the "
            "regions"
        )
    return _configured(load_configuration(config))


def failover_of(aws: Aws, located: EnvironmentLocation) -> FailoverLocation | None:
    """Return the failover of a located environment, None if the environment has no failover.

    Raises:
        NotFound: The stack of the failover is not deployed.
        AwsError: AWS did not answer.
    """
    if located.failover is None:
        return None
    if located.loaded is not None:
        return _configured(located.loaded)
    return _read(aws, located.environment, located.failover.region)


def _configured(loaded: Loaded) -> FailoverLocation:
    environment = loaded.environment
    failover = environment.failover
    if failover is None:
        message = (
            f"environment {environment.name} has no failover: its configuration has no key "
            "`failover`"
        )
        raise UsageError(message)
    account = failover_plan.stack_account(environment, failover)
    pair: dict[Role, str] = {PRIMARY: failover.primary, SECONDARY: failover.secondary}
    return FailoverLocation(
        environment=environment.name,
        endpoint=failover_plan.dns_name(failover),
        zone_id=failover.zone.id,
        account=account,
        region=failover_plan.stack_region(environment, failover),
        switch_namespace=failover_plan.switch_namespace(failover),
        clusters={
            role: cluster_location(environment, name).seen_from(account)
            for role, name in pair.items()
        },
        loaded=loaded,
    )


def with_deployed_switch(aws: Aws, location: FailoverLocation) -> FailoverLocation:
    """Return the location with the namespace of the deployed switch.

    If the stack cannot be read, the result keeps the namespace from the configuration and has a
    warning.
    """
    if location.is_deployed:
        return location
    stack = names.failover_stack(location.environment)
    try:
        outputs = read_outputs(aws, StackLocation("", stack, location.account, location.region))
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        warning = (
            f"stack {stack} cannot be read ({error}), so this command uses the namespace of the "
            f"switch's metric in the configuration, {location.switch_namespace}; if the deployed "
            "switch has another namespace, a datapoint of this command has no effect"
        )
        return replace(location, switch_warning=warning)
    return replace(location, switch_namespace=_switch_namespace(outputs), is_deployed=True)


def _switch_namespace(outputs: Mapping[str, str]) -> str:
    """Return the namespace of a deployed failover stack's switch."""
    return outputs.get(names.SWITCH_NAMESPACE, failover_plan.SWITCH_NAMESPACE)


def require_account(aws: Aws, location: FailoverLocation) -> None:
    """Check the account: a datapoint in another account would have no effect and cause no error.

    If the account of the credentials cannot be read, nothing is raised: STS may throttle or deny
    the call, and a failover does not need STS.

    Raises:
        Refused: The credentials belong to another account.
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    try:
        account = aws.account(location.regions)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError:
        return
    if account != location.account:
        message = (
            f"the failover of {location.environment} is in account {location.account}, and these "
            f"credentials are of account {account}: name a profile of {location.account} with "
            "--profile; nothing was changed"
        )
        raise Refused(message)


def _discovered(aws: Aws, environment: str, regions: Sequence[str] | None) -> FailoverLocation:
    searched = regions_to_search(aws, regions)
    try:
        if searched:
            # Search all regions in parallel: the stack is in one region, and another region may not
            # answer.
            return first_answer(lambda region: _read(aws, environment, region), searched)
    except NotFound:
        pass
    listed = f"in {', '.join(searched)} " if searched else ""
    message = (
        f"there is no stack {names.failover_stack(environment)} {listed}in this account; name the "
        "stack's region with --region (by default, the secondary's region is the stack's region), "
        "and check --profile"
    )
    raise UsageError(message)


def _read(aws: Aws, environment: str, region: str) -> FailoverLocation:
    name = names.failover_stack(environment)
    with translated_errors():
        (stack,) = aws.client("cloudformation", region).describe_stacks(StackName=name)["Stacks"]
        account, outputs = stack_account(stack), stack_outputs(stack)

    def output(key: str) -> str:
        if key not in outputs:
            message = f"stack {name} has no output {key}: deploy the stack with this version"
            raise UsageError(message)
        return outputs[key]

    def cluster(role: Role) -> StackLocation:
        cluster_name = output(names.CLUSTER_OF_ROLE[role.capitalize()])
        cluster_region = output(names.REGION_OF_ROLE[role.capitalize()])
        cluster_stack = names.cluster_stack(environment, cluster_name)
        return StackLocation(cluster_name, cluster_stack, account, cluster_region)

    return FailoverLocation(
        environment=environment,
        endpoint=output(names.ENDPOINT),
        zone_id=output(names.HOSTED_ZONE_ID),
        account=account,
        region=region,
        switch_namespace=_switch_namespace(outputs),
        is_deployed=True,
        clusters={role: cluster(role) for role in ROLES},
    )
