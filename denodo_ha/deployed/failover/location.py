"""Where a failover is: its name, its two sides, and the region of its switch.

From a configuration file without asking AWS, since it is needed when AWS is half gone; else from
the outputs of the failover's stack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import (
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    NotFound,
    Refused,
    Unreachable,
    UsageError,
)
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.loading.loader import Loaded

Role = Literal["PRIMARY", "SECONDARY"]
PRIMARY: Final = "PRIMARY"
SECONDARY: Final = "SECONDARY"


@dataclass(frozen=True)
class FailoverLocation:
    """A name that one of two clusters answers for.

    Attributes:
        environment: name of the environment.
        endpoint: the name that clients use.
        zone_id: the hosted zone of its records.
        account: account of records, checks and switch.
        region: region of the failover's stack, and so of the switch.
        clusters: where the two clusters are.
    """

    environment: str
    endpoint: str
    zone_id: str
    account: str
    region: str
    clusters: Mapping[Role, StackLocation]

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that it has to do with, the switch's first."""
        there = (self.region, *(place.region for place in self.clusters.values()))
        return tuple(dict.fromkeys(there))

    def role(self, name: str) -> Role:
        """The role of a cluster.

        Raises:
            UsageError: the cluster is on neither side.
        """
        for role, place in self.clusters.items():
            if place.name == name:
                return role
        primary, secondary = (self.clusters[role].name for role in (PRIMARY, SECONDARY))
        message = (
            f"{self.environment} does not fail over to {name}; its primary is {primary}, its "
            f"secondary {secondary}"
        )
        raise UsageError(message)


def locate_failover(
    aws: Aws, *, config: str | None, environment: str | None, regions: Sequence[str] | None
) -> FailoverLocation:
    """The failover that the options name.

    Args:
        aws: the credentials.
        config: a configuration's path or name.
        environment: an environment's name, where there is no file.
        regions: where its failover's stack is; only with an environment's name.

    Raises:
        UsageError: the options do not fit together, or there is no failover.
        Refused: the credentials are another account's.
        AwsError: AWS does not answer.
    """
    if (config is None) == (environment is None):
        message = (
            "which environment? Give -c CONFIG (a path, or a name of config/), or --environment "
            "NAME with the --region of its failover stack"
        )
        raise UsageError(message)
    if environment is not None:
        return _discovered(aws, environment, regions)
    if regions:
        raise UsageError("--region is for --environment; the configuration says where all is")
    found = _configured(load_configuration(str(config)))
    _same_account(aws, found)
    return found


def _configured(loaded: Loaded) -> FailoverLocation:
    environment = loaded.environment
    failover = environment.failover
    if failover is None:
        message = f"{environment.name} has no failover: its configuration has no such key"
        raise UsageError(message)
    account = failover_plan.stack_account(environment, failover)

    def place(name: str) -> StackLocation:
        cluster = environment.clusters[name]
        stack = names.cluster_stack(environment.name, name)
        why = "" if cluster.account == account else f"it is in account {cluster.account}"
        return StackLocation(name, stack, cluster.account, cluster.region, why)

    return FailoverLocation(
        environment=environment.name,
        endpoint=failover_plan.dns_name(failover),
        zone_id=failover.zone.id,
        account=account,
        region=failover_plan.stack_region(environment, failover),
        clusters={PRIMARY: place(failover.primary), SECONDARY: place(failover.secondary)},
    )


def _same_account(aws: Aws, found: FailoverLocation) -> None:
    """A datapoint in another account would move nothing, and say nothing."""
    try:
        account = aws.account(found.regions)
    except Unreachable:
        return
    if account != found.account:
        message = (
            f"the failover of {found.environment} is in account {found.account}, and these "
            f"credentials are of {account}: name a profile of {found.account} with --profile; "
            "nothing was changed"
        )
        raise Refused(message)


def _discovered(aws: Aws, environment: str, regions: Sequence[str] | None) -> FailoverLocation:
    asked = tuple(dict.fromkeys(regions or ([aws.region] if aws.region else [])))
    lost: AwsError | None = None
    for region in asked:
        try:
            return _read(aws, environment, region)
        except NotFound:
            continue
        except (NoCredentials, ExpiredCredentials):
            raise
        except AwsError as error:
            lost = error
    if lost is not None:
        raise lost
    listed = f"in {', '.join(asked)} " if asked else ""
    message = (
        f"there is no stack {names.failover_stack(environment)} {listed}in this account; name its "
        "region with --region (by default the secondary's) and see --profile"
    )
    raise UsageError(message)


def _read(aws: Aws, environment: str, region: str) -> FailoverLocation:
    name = names.failover_stack(environment)
    with translated_errors():
        shown = aws.client("cloudformation", region).describe_stacks(StackName=name)
    (stack,) = shown["Stacks"]
    account = str(stack["StackId"]).split(":")[4]
    outputs = {one["OutputKey"]: str(one["OutputValue"]) for one in stack.get("Outputs", [])}
    return FailoverLocation(
        environment=environment,
        endpoint=_output(outputs, names.ENDPOINT, name),
        zone_id=_output(outputs, names.HOSTED_ZONE_ID, name),
        account=account,
        region=region,
        clusters={
            role: _place(environment, account, outputs, role) for role in (PRIMARY, SECONDARY)
        },
    )


def _place(environment: str, account: str, outputs: Mapping[str, str], role: Role) -> StackLocation:
    stack = names.failover_stack(environment)
    cluster = _output(outputs, names.CLUSTER_OF_ROLE[role.capitalize()], stack)
    region = _output(outputs, names.REGION_OF_ROLE[role.capitalize()], stack)
    return StackLocation(cluster, names.cluster_stack(environment, cluster), account, region)


def _output(outputs: Mapping[str, Any], name: str, stack: str) -> str:
    if name not in outputs:
        message = f"stack {stack} has no output {name}: deploy it once with this version"
        raise UsageError(message)
    return str(outputs[name])
