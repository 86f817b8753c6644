"""Accounts and regions of a configuration, and their bootstrap for the CDK."""

import tempfile
from collections import defaultdict
from pathlib import Path

from botocore.exceptions import ClientError

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.facts.limits import ROUTE53_METRICS_REGION
from denodo_ha.environment.model.environment import Environment
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import Paths

TOOLKIT = "CDKToolkit"
_TIMEOUT_S = 300.0
_POLICY = "arn:aws:iam::aws:policy/AdministratorAccess"

Location = tuple[str, str]
"""Account and region."""


def locations(environment: Environment) -> list[Location]:
    """Return the accounts and regions that a configuration deploys to."""
    clusters = {(cluster.account, cluster.region) for cluster in environment.clusters.values()}
    failover = _failover_location(environment)
    # The stack with alarms on Route 53's health checks is in the failover stack's account and in
    # the region of Route 53's metrics, which is bootstrapped too.
    route53 = [(account, ROUTE53_METRICS_REGION) for account, _ in failover]
    return sorted({*clusters, *failover, *(route53 if environment.alarms.route53 else ())})


def home_location(environment: Environment) -> Location:
    """Return the location of the failover stack, else of the only cluster."""
    return (*_failover_location(environment), *locations(environment))[0]


def _failover_location(environment: Environment) -> tuple[Location, ...]:
    failover = environment.failover
    if failover is None:
        return ()
    account = failover_plan.stack_account(environment, failover)
    return ((account, failover_plan.stack_region(environment, failover)),)


def not_bootstrapped(endpoint: str, environment: Environment) -> list[Location]:
    """Return the locations without a complete bootstrap stack."""
    return [
        location
        for location in locations(environment)
        if not _is_bootstrapped(Access(endpoint, *location))
    ]


def _is_bootstrapped(access: Access) -> bool:
    try:
        (stack,) = access.client("cloudformation").describe_stacks(StackName=TOOLKIT)["Stacks"]
    except ClientError:
        return False
    return bool(stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"))


def bootstrap(
    endpoint: str, paths: Paths, environment: Environment, missing: list[Location]
) -> None:
    """Bootstrap locations for the CDK.

    In each other account, the bootstrap roles trust the account that deploys.

    Raises:
        LocalAwsError: the CDK CLI failed; the message has its output.
    """
    regions_of = defaultdict(list)
    for account, region in missing:
        regions_of[account].append(region)
    deployer, _ = home_location(environment)
    for account, regions in sorted(regions_of.items()):
        trust = ("--trust", deployer, "--cloudformation-execution-policies", _POLICY)
        with tempfile.TemporaryDirectory(dir=paths.temporary) as empty:
            done = Cdk(Access(endpoint, account, regions[0]), paths, Path(empty)).captured(
                "bootstrap",
                *(f"aws://{account}/{region}" for region in regions),
                *(trust if account != deployer else ()),
                *("--progress", "events"),
                timeout=_TIMEOUT_S,
            )
        if done.returncode:
            message = f"`cdk bootstrap` failed for account {account}:\n{done.stdout}{done.stderr}"
            raise LocalAwsError(message)
