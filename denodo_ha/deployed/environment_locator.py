"""Where an environment is: the stacks of its clusters and of its failover.

From a configuration file, or from the tags of the stacks that are deployed:

    site = find(aws, config="active-passive", environment=None, regions=None)
    site.cluster("active").region

Credentials are one account's. A place in another account is listed with why it cannot be
reached: commands that only look go on without it, those that change something demand it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import Refused, UsageError
from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.loading.loader import Loaded


@dataclass(frozen=True)
class StackLocation:
    """Where a stack is.

    Attributes:
        name: the cluster's name, or `failover`.
        stack: name of the stack.
        account: 12 digits.
        region: its region.
        unreachable: why these credentials do not reach it and what to do; empty if they do.
    """

    name: str
    stack: str
    account: str
    region: str
    unreachable: str = ""

    def require_reachable(self) -> None:
        """Go on only if it can be reached.

        Raises:
            Refused: it cannot.
        """
        if self.unreachable:
            message = f"{self.stack}: {self.unreachable}; nothing was changed"
            raise Refused(message)


@dataclass(frozen=True)
class EnvironmentLocation:
    """An environment's stacks.

    Attributes:
        environment: its name.
        clusters: its clusters by name; with --region only those there.
        failover: the failover's stack, None where there is none.
        loaded: the configuration, None where the stacks were found by their tags.
    """

    environment: str
    clusters: tuple[StackLocation, ...]
    failover: StackLocation | None
    loaded: Loaded | None = None

    @property
    def reachable(self) -> tuple[StackLocation, ...]:
        """The clusters that the credentials reach."""
        return tuple(place for place in self.clusters if not place.unreachable)

    def cluster(self, name: str | None) -> StackLocation:
        """A cluster by its name, or the only one.

        Raises:
            UsageError: there is no such cluster, or several.
        """
        known = [place.name for place in self.clusters]
        listed = ", ".join(known)
        if name is None:
            if len(known) != 1:
                message = f"{self.environment} has clusters {listed}; name one with --cluster"
                raise UsageError(message)
            return self.clusters[0]
        if name not in known:
            near = get_close_matches(name, known, n=1)
            guess = f"did you mean {near[0]}?" if near else f"there are {listed}"
            message = f"{self.environment} has no cluster {name}; {guess}"
            raise UsageError(message)
        return self.clusters[known.index(name)]


def locate_environment(
    aws: Aws, *, config: str | None, environment: str | None, regions: Sequence[str] | None
) -> EnvironmentLocation:
    """The environment that the options name.

    Args:
        aws: the credentials.
        config: a configuration's path or name.
        environment: an environment's name, where there is no file.
        regions: where to look; without --config the default is the credentials' own region.

    Raises:
        UsageError: neither or both are given, or nothing is found.
        ConfigError: the configuration cannot be used.
        AwsError: AWS does not answer.
    """
    if config is not None and environment is not None:
        message = "--config and --environment both name an environment; give one of them"
        raise UsageError(message)
    if config is not None:
        return _configured(aws, load_configuration(config), regions)
    if environment is not None:
        return _discovered(aws, environment, regions)
    message = (
        "which environment? Give -c CONFIG (a path, or a name of config/), or --environment NAME "
        "with --region REGION"
    )
    raise UsageError(message)


def _configured(aws: Aws, loaded: Loaded, regions: Sequence[str] | None) -> EnvironmentLocation:
    environment = loaded.environment
    clusters = [
        StackLocation(
            name, names.cluster_stack(environment.name, name), cluster.account, cluster.region
        )
        for name, cluster in sorted(environment.clusters.items())
    ]
    failover = None
    if environment.failover is not None:
        failover = StackLocation(
            names.FAILOVER,
            names.failover_stack(environment.name),
            failover_plan.stack_account(environment, environment.failover),
            failover_plan.stack_region(environment, environment.failover),
        )
    there = [place for place in clusters if not regions or place.region in regions]
    if not there:
        listed = ", ".join(sorted({place.region for place in clusters}))
        message = f"{environment.name} has no cluster in {_listed(regions)}; it is in {listed}"
        raise UsageError(message)
    every = [*there, *([failover] if failover else [])]
    account = aws.account(place.region for place in every)
    return EnvironmentLocation(
        environment.name,
        tuple(_seen_from(account, place) for place in there),
        _seen_from(account, failover) if failover else None,
        loaded,
    )


def _seen_from(account: str, place: StackLocation) -> StackLocation:
    """A place, with why the credentials of an account do not reach it."""
    if place.account == account:
        return place
    why = (
        f"it is in account {place.account}, and these credentials are of {account}: name a "
        f"profile of {place.account} with --profile"
    )
    return StackLocation(place.name, place.stack, place.account, place.region, why)


def _discovered(aws: Aws, environment: str, regions: Sequence[str] | None) -> EnvironmentLocation:
    asked = tuple(dict.fromkeys(regions or ([aws.region] if aws.region else [])))
    if not asked:
        message = f"where is {environment}? Name every region that it uses with --region"
        raise UsageError(message)
    stacks = [
        (region, stack)
        for region, found in zip(
            asked, map_concurrently(lambda region: _stacks(aws, region), asked), strict=True
        )
        for stack in found
    ]
    clusters, failover = [], None
    for region, stack in stacks:
        tags = _tags(stack)
        if tags.get(names.ENVIRONMENT_TAG) != environment:
            continue
        account = str(stack["StackId"]).split(":")[4]
        cluster = tags.get(names.CLUSTER_TAG, "")
        # Other stacks of a cluster have its tags, too.
        if cluster and stack["StackName"] == names.cluster_stack(environment, cluster):
            clusters.append(StackLocation(cluster, stack["StackName"], account, region))
        elif stack["StackName"] == names.failover_stack(environment):
            failover = StackLocation(names.FAILOVER, stack["StackName"], account, region)
    if not clusters:
        raise UsageError(_nothing(environment, asked, stacks))
    return EnvironmentLocation(
        environment, tuple(sorted(clusters, key=lambda one: one.name)), failover
    )


def _nothing(environment: str, regions: Iterable[str], stacks: list[tuple[str, Any]]) -> str:
    known = {_tags(stack).get(names.ENVIRONMENT_TAG, "") for _, stack in stacks} - {""}
    there = f"environments there are {', '.join(sorted(known))}" if known else "none is there"
    return (
        f"no cluster of environment {environment} is deployed in {_listed(regions)} in this "
        f"account; {there}: see --environment, --region and --profile"
    )


def _stacks(aws: Aws, region: str) -> list[Any]:
    """Every stack of a region."""
    with translated_errors():
        pages = aws.client("cloudformation", region).get_paginator("describe_stacks").paginate()
        return [stack for page in pages for stack in page["Stacks"]]


def _tags(stack: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}


def _listed(regions: Iterable[str] | None) -> str:
    return ", ".join(regions or ())
