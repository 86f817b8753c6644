"""Deployed accounts, of which each test gets a copy: a copy takes less time than a deploy."""

import copy
import copyreg
from collections.abc import Hashable
from typing import Any

from moto.backends import get_backend
from moto.ssm.models import ParameterDict

from tests.commands.account.cloud import Cloud

_SERVICES = ("ec2", "elbv2", "cloudwatch", "route53", "ssm")
"""Services in which `template_resources` creates resources."""

_deployed: dict[Hashable, Any] = {}


def _reduced(parameters: Any) -> tuple[Any, ...]:
    arguments = (parameters.account_id, parameters.region_name)
    return ParameterDict, arguments, vars(parameters), None, iter(parameters.items())


# Without this reducer, `copy` would create a ParameterDict without the arguments of its
# constructor.
copyreg.pickle(ParameterDict, _reduced)


def deploy(cloud: Cloud, only: str | None, key: Hashable) -> None:
    """Deploy to a new account, or restore the result of an earlier deploy with the same key."""
    if key not in _deployed:
        cloud.deploy(only)
        # Copy all AWS services in one call, so that references between their resources lead to the
        # copies.
        _deployed[key] = copy.deepcopy((_backends(), cloud.state))
        return
    backends, cloud.state = copy.deepcopy(_deployed[key])
    for service, accounts in backends.items():
        for account, regions in accounts.items():
            for region, backend in regions.items():
                _accounts(service)[account][region] = backend


def _backends() -> dict[str, dict[str, dict[str, Any]]]:
    """Return moto's state by service, account and region."""
    return {
        service: {account: dict(regions) for account, regions in _accounts(service).items()}
        for service in _SERVICES
    }


def _accounts(service: str) -> Any:
    """Return moto's state of a service by account and region."""
    # The declared type of `get_backend` has an overload for each service; `service` is a variable.
    of_any_service: Any = get_backend
    return of_any_service(service)
