"""Environment locator: the locations of the stacks of an environment's clusters and failover.

The locations come from a configuration file, or from the tags of the deployed stacks:

    environment = locate_environment(aws, config="prod", environment=None, regions=None)
    environment.cluster("active").region

Credentials belong to one account. The location of a stack in another account contains the reason
why these credentials cannot access the stack. Commands that only read skip such a stack; commands
that change something call `require_reachable`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import (
    AwsError,
    ExpiredCredentials,
    NoCredentials,
    Refused,
    UsageError,
)
from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.environment import Environment

ACCOUNT_S: Final = 2.0
"""Project default: seconds to read the credentials' account; after this time, commands continue
without knowing the account."""
SEARCH_S: Final = 6.0
"""Project default: seconds to search the regions for stacks."""


@dataclass(frozen=True)
class StackLocation:
    """The location of a stack.

    Attributes:
        name: name of the stack's cluster, or `failover`.
        stack: name of the stack.
        account: id of its account, 12 digits.
        region: its region.
        unreachable: why the credentials cannot access the stack, and what to do; empty if the
            credentials can access the stack.
    """

    name: str
    stack: str
    account: str
    region: str
    unreachable: str = ""

    def require_reachable(self) -> None:
        """Check that the credentials can access the stack.

        Raises:
            Refused: The stack is in another account.
        """
        if self.unreachable:
            message = f"{self.stack}: {self.unreachable}; nothing was changed"
            raise Refused(message)

    def seen_from(self, account: str) -> "StackLocation":
        """Return the location with `unreachable` set for credentials of the given account."""
        if self.account == account:
            return self
        reason = (
            f"the stack is in account {self.account}, and these credentials are of account "
            f"{account}: name a profile of {self.account} with --profile"
        )
        return replace(self, unreachable=reason)


@dataclass(frozen=True)
class EnvironmentLocation:
    """The locations of an environment's stacks.

    Attributes:
        environment: name of the environment.
        clusters: the clusters by name; with the option --region only the clusters of those regions.
        failover: the location of the failover's stack, None if there is no failover.
        loaded: the configuration, None if the stacks were found by their tags.
        unread: for each region whose stacks the search by tags could not read, the reason.
    """

    environment: str
    clusters: tuple[StackLocation, ...]
    failover: StackLocation | None
    loaded: Loaded | None = None
    unread: tuple[str, ...] = ()

    @property
    def reachable(self) -> tuple[StackLocation, ...]:
        """Return the locations of the clusters that the credentials can access."""
        return tuple(cluster for cluster in self.clusters if not cluster.unreachable)

    def cluster(self, name: str | None) -> StackLocation:
        """Return the location of the cluster with a name; without a name, of the only cluster.

        Raises:
            UsageError: No cluster has this name, or no name was given and there are several.
        """
        known = [cluster.name for cluster in self.clusters]
        listed = ", ".join(known)
        if name is None:
            if len(known) != 1:
                message = (
                    f"environment {self.environment} has the clusters {listed}; name the cluster "
                    "of this command with --cluster"
                )
                raise UsageError(message)
            return self.clusters[0]
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"its clusters are {listed}"
            message = f"environment {self.environment} has no cluster {name}; {hint}"
            raise UsageError(message)
        return self.clusters[known.index(name)]


def locate_environment(
    aws: Aws,
    *,
    config: str | None,
    environment: str | None,
    regions: Sequence[str] | None,
    cluster: str | None = None,
) -> EnvironmentLocation:
    """Return the locations of the environment that the options name.

    Args:
        aws: the credentials.
        config: path or name of a configuration.
        environment: name of an environment whose configuration file is not available.
        regions: regions to search; without --config the default is the credentials' own region.
        cluster: the only cluster that the command needs; no call is made to other regions.

    Raises:
        UsageError: The options name no environment or two, or no stack of the environment exists.
        ConfigError: The configuration has errors.
        AwsError: AWS did not answer.
    """
    require_one_environment(config, environment)
    if config is not None:
        return locate_configured(aws, load_configuration(config), regions, cluster=cluster)
    return _discovered(aws, str(environment), regions)


def require_one_environment(config: str | None, environment: str | None) -> None:
    """Check that the options name exactly one environment.

    Raises:
        UsageError: Neither --config nor --environment is given, or both are.
    """
    if config is not None and environment is not None:
        raise UsageError(
            "--config and --environment both name an environment; give only one of the two options"
        )
    if config is None and environment is None:
        message = (
            "no environment is named: add -c CONFIG (a path, or the name of a file in config/), or "
            "--environment NAME with --region REGION"
        )
        raise UsageError(message)


def locate_configured(
    aws: Aws,
    loaded: Loaded,
    regions: Sequence[str] | None = None,
    *,
    cluster: str | None = None,
) -> EnvironmentLocation:
    """Return the locations of a loaded configuration's stacks.

    Args:
        aws: the credentials.
        loaded: the configuration.
        regions: regions to whose clusters the result is limited; None: the clusters of all regions.
        cluster: the only cluster that the command needs; no call is made to other regions.

    Raises:
        UsageError: The environment has no cluster in these regions.
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    environment = loaded.environment
    every = [cluster_location(environment, name) for name in sorted(environment.clusters)]
    clusters = [cluster for cluster in every if not regions or cluster.region in regions]
    if not clusters:
        used = ", ".join(sorted({cluster.region for cluster in every}))
        message = (
            f"environment {environment.name} has no cluster in {', '.join(regions or ())}; its "
            f"regions are {used}"
        )
        raise UsageError(message)
    failover = None
    if environment.failover is not None:
        failover = StackLocation(
            names.FAILOVER,
            names.failover_stack(environment.name),
            failover_plan.stack_account(environment, environment.failover),
            failover_plan.stack_region(environment, environment.failover),
        )
    stacks = [each for each in clusters if each.name == cluster]
    stacks = stacks or [*clusters, *([failover] if failover else [])]
    try:
        with deadline.limited(ACCOUNT_S):
            account = aws.account(stack.region for stack in stacks)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError:
        # The account stays unknown; if a stack is in another account, the calls do not find it.
        return EnvironmentLocation(environment.name, tuple(clusters), failover, loaded)
    return EnvironmentLocation(
        environment.name,
        tuple(cluster.seen_from(account) for cluster in clusters),
        failover.seen_from(account) if failover else None,
        loaded,
    )


def cluster_location(environment: Environment, name: str) -> StackLocation:
    """Return the location of a configured cluster's stack."""
    cluster = environment.clusters[name]
    stack = names.cluster_stack(environment.name, name)
    return StackLocation(name, stack, cluster.account, cluster.region)


def _discovered(aws: Aws, environment: str, regions: Sequence[str] | None) -> EnvironmentLocation:
    searched = regions_to_search(aws, regions)
    if not searched:
        message = (
            f"no region is known in which to search for environment {environment}: name each "
            "region of the environment with --region"
        )
        raise UsageError(message)
    with deadline.limited(SEARCH_S):
        answers = map_concurrently(lambda region: _attempt_stacks(aws, region), searched)
    lost = [answer for answer in answers if isinstance(answer, AwsError)]
    stacks = [
        (region, stack)
        for region, answer in zip(searched, answers, strict=True)
        if not isinstance(answer, AwsError)
        for stack in answer
    ]
    clusters, failover = [], None
    for region, stack in stacks:
        tags = stack_tags(stack)
        if tags.get(names.ENVIRONMENT_TAG) != environment:
            continue
        account, stack_name = stack_account(stack), stack["StackName"]
        cluster = tags.get(names.CLUSTER_TAG, "")
        # A cluster has further stacks with the same tag, so the stack's name must match too.
        if cluster and stack_name == names.cluster_stack(environment, cluster):
            clusters.append(StackLocation(cluster, stack_name, account, region))
        elif stack_name == names.failover_stack(environment):
            failover = StackLocation(names.FAILOVER, stack_name, account, region)
    if not clusters:
        raise lost[0] if lost else UsageError(_not_deployed(environment, searched, stacks))
    by_name = sorted(clusters, key=lambda location: location.name)
    unread = tuple(
        f"the stacks in {region} are unknown: {answer}"
        for region, answer in zip(searched, answers, strict=True)
        if isinstance(answer, AwsError)
    )
    return EnvironmentLocation(environment, tuple(by_name), failover, unread=unread)


def _not_deployed(environment: str, regions: Iterable[str], stacks: list[tuple[str, Any]]) -> str:
    known = {stack_tags(stack).get(names.ENVIRONMENT_TAG, "") for _, stack in stacks} - {""}
    others = (
        f"the deployed environments are {', '.join(sorted(known))}"
        if known
        else "no other environment is deployed there either"
    )
    return (
        f"no cluster of environment {environment} is deployed in {', '.join(regions)} in this "
        f"account; {others}: check --environment, --region and --profile"
    )


def regions_to_search(aws: Aws, regions: Sequence[str] | None) -> tuple[str, ...]:
    """Return the given regions; if None, the region of the credentials, if they have one."""
    return tuple(dict.fromkeys(regions or ([aws.region] if aws.region else [])))


def _attempt_stacks(aws: Aws, region: str) -> list[Any] | AwsError:
    """Return the stacks of a region, or the error if the region does not answer."""
    try:
        return _stacks(aws, region)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return error


def _stacks(aws: Aws, region: str) -> list[Any]:
    """Return every stack of a region, each as in the answer of `describe_stacks`."""
    with translated_errors():
        pages = aws.client("cloudformation", region).get_paginator("describe_stacks").paginate()
        stacks = [stack for page in pages for stack in page["Stacks"]]
        # Access all keys that callers read later, so that this block reports a missing key as an
        # unreadable answer of AWS.
        _ = [(stack_account(stack), stack["StackName"]) for stack in stacks]
        return stacks


def stack_account(stack: Mapping[str, Any]) -> str:
    """Return the account of a stack from an answer of `describe_stacks`."""
    return str(stack["StackId"]).split(":")[4]


def stack_tags(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a stack from an answer of `describe_stacks`."""
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}


def stack_outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs of a stack from an answer of `describe_stacks`."""
    return {output["OutputKey"]: str(output["OutputValue"]) for output in stack.get("Outputs", [])}
