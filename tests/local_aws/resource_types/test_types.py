"""Life cycle of every resource type: create, read, update in place, replace, delete.

Each case is a template, a change that AWS makes in place, a change that replaces the resource, and
the properties that the service then shows.
"""

import copy
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.cloud import Cloud, DeployError
from tests.local_aws.resource_types import (
    lives_balancers,
    lives_dns,
    lives_machines,
    lives_management,
    lives_network,
)
from tests.local_aws.resource_types.life import Case, Shown
from tests.local_aws.templates import IMAGE, resource

CASES = (
    *lives_network.CASES,
    *lives_machines.CASES,
    *lives_balancers.CASES,
    *lives_dns.CASES,
    *lives_management.CASES,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_lives(cloud: Cloud, case: Case) -> None:
    cloud.give({"kind": "image", "id": IMAGE})
    first = cloud.deploy(case.resources)
    id_ = first.ids["It"]
    _shows(case.read(cloud, id_), case.shows)

    if case.in_place is not None:
        properties, then = case.in_place
        assert cloud.deploy(_with(case.resources, properties)).ids["It"] == id_
        _shows(case.read(cloud, id_), then)

    if case.replaced_by is not None:
        id_, old = cloud.deploy(_with(case.resources, case.replaced_by)).ids["It"], id_
        assert id_ != old
        assert case.gone(case.read(cloud, old))

    first.delete()
    assert case.gone(case.read(cloud, id_))


def _with(resources: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(resources)
    changed["It"]["Properties"] |= properties
    return changed


def _shows(actual: Shown, expected: dict[str, Any]) -> None:
    assert actual is not None
    assert expected.items() <= {key: actual.get(key) for key in expected}.items()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
def test_refuses_what_its_schema_does_not_know(cloud: Cloud, case: Case) -> None:
    wrong = {"It": resource(case.kind, Nonsense=1)}
    with pytest.raises(DeployError, match=r"extraneous key \[Nonsense\] is not permitted"):
        cloud.deploy(wrong)


def test_refuses_a_type_that_nobody_knows(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::EC2::Toaster\]"):
        cloud.deploy({"It": resource("EC2::Toaster")})


def test_refuses_what_lacks_a_required_property(cloud: Cloud) -> None:
    with pytest.raises(DeployError, match=r"required key \[VpcId\] not found"):
        cloud.deploy({"It": resource("EC2::Subnet", CidrBlock="10.0.0.0/24")})
