"""Test cases for the life cycle of a resource type, and functions that read EC2 resources."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.local_aws.cloud import Cloud

Shown = dict[str, Any] | None
Read = Callable[[Cloud, str], Shown]


@dataclass(frozen=True)
class Case:
    """Test case for the life cycle of a resource type.

    Attributes:
        kind: the type, without `AWS::`.
        resources: the template's resources; `It` is the tested resource.
        read: function that reads the resource by id; returns None if the id does not exist.
        shows: properties that `read` must return after the creation.
        in_place: property changes that replace nothing, and properties that `read` then returns.
        replaced_by: property changes that replace the resource.
    """

    kind: str
    resources: dict[str, Any]
    read: Read
    shows: dict[str, Any]
    in_place: tuple[dict[str, Any], dict[str, Any]] | None = None
    replaced_by: dict[str, Any] | None = None
    gone: Callable[[Shown], bool] = field(default=lambda shown: shown is None)


def must_be_not_found(error: ClientError) -> None:
    """Raise `error` again, unless its code says that the resource does not exist."""
    if "NotFound" not in error.response["Error"]["Code"]:
        raise error


def ec2(operation: str, key: str, argument: str) -> Read:
    """Return a function that reads a resource with an EC2 operation that takes a list of ids."""

    def read(cloud: Cloud, id_: str) -> Shown:
        try:
            result = getattr(cloud.client("ec2"), operation)(**{argument: [id_]})[key]
        except ClientError as error:
            must_be_not_found(error)
            return None
        return next(iter(result), None)

    return read
