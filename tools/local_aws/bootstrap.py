"""Bootstrap every account and region of a configuration, once."""

import tempfile
from collections import defaultdict
from pathlib import Path

from botocore.exceptions import ClientError

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.model.environment import Environment
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access
from tools.local_aws.paths import Place
from tools.local_aws.problem import LocalError

TOOLKIT = "CDKToolkit"
_TIMEOUT_S = 300.0
_POLICY = "arn:aws:iam::aws:policy/AdministratorAccess"
Where = tuple[str, str]


def places(environment: Environment) -> list[Where]:
    """The accounts and regions that a configuration deploys to."""
    found = {(one.account, one.region) for one in environment.clusters.values()}
    failover = environment.failover
    if failover is not None:
        found.add(
            (
                failover_plan.stack_account(environment, failover),
                failover_plan.stack_region(environment, failover),
            )
        )
    return sorted(found)


def home(environment: Environment) -> Where:
    """The account and region that commands start from: the failover's, or the only cluster's."""
    failover = environment.failover
    if failover is not None:
        return failover_plan.stack_account(environment, failover), failover_plan.stack_region(
            environment, failover
        )
    return places(environment)[0]


def missing(endpoint: str, environment: Environment) -> list[Where]:
    """The accounts and regions that are not bootstrapped yet."""
    return [where for where in places(environment) if not _done(Access(endpoint, *where))]


def _done(access: Access) -> bool:
    try:
        (stack,) = access.client("cloudformation").describe_stacks(StackName=TOOLKIT)["Stacks"]
    except ClientError:
        return False
    return bool(stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"))


def bootstrap(endpoint: str, place: Place, environment: Environment, where: list[Where]) -> None:
    """Bootstrap, each account by itself, and trusting the one that deploys.

    Raises:
        LocalError: with the CLI's own words.
    """
    regions = defaultdict(list)
    for account, region in where:
        regions[account].append(region)
    deployer, _ = home(environment)
    for account, of in sorted(regions.items()):
        trust = ("--trust", deployer, "--cloudformation-execution-policies", _POLICY)
        with tempfile.TemporaryDirectory(prefix="denodo-ha-") as empty:
            done = Cdk(Access(endpoint, account, of[0]), place, Path(empty)).captured(
                "bootstrap",
                *(f"aws://{account}/{region}" for region in of),
                *(trust if account != deployer else ()),
                *("--progress", "events"),
                timeout=_TIMEOUT_S,
            )
        if done.returncode:
            message = f"account {account} could not be bootstrapped\n{done.stdout}{done.stderr}"
            raise LocalError(message)
