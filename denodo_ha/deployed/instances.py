"""How instances are now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors

BATCH: Final = 100
"""Ours: how many ids a call asks for; a filter takes 200 values (AWS, DescribeInstances)."""


@dataclass(frozen=True)
class Instance:
    """An instance as EC2 sees it.

    Attributes:
        id: its id.
        state: pending, running, stopping, stopped, shutting-down or terminated.
        zone: its availability zone.
        type: its instance type.
        image: id of its image.
        address: its private IPv4 address; empty when it has none any more.
        tags: its tags.
    """

    id: str
    state: str
    zone: str
    type: str
    image: str
    address: str
    tags: Mapping[str, str] = field(default_factory=dict)


def read_instances(aws: Aws, region: str, ids: Iterable[str]) -> dict[str, Instance]:
    """Instances by id; those that EC2 does not know any more are missing.

    Raises:
        AwsError: AWS does not answer, or does not permit.
    """
    client = aws.client("ec2", region)

    def ask(batch: list[str]) -> list[Instance]:
        # By a filter: asked for by id, one that is gone would fail the call.
        filters = [{"Name": "instance-id", "Values": batch}]
        with translated_errors():
            pages = client.get_paginator("describe_instances").paginate(Filters=filters)
            return [_instance(one) for one in _each(pages)]

    wanted = sorted({id_ for id_ in ids if id_})
    answers = map_concurrently(
        ask, [wanted[at : at + BATCH] for at in range(0, len(wanted), BATCH)]
    )
    return {instance.id: instance for answer in answers for instance in answer}


def _each(pages: Iterable[Any]) -> Iterator[Any]:
    for page in pages:
        for reservation in page["Reservations"]:
            yield from reservation["Instances"]


def _instance(told_: Mapping[str, Any]) -> Instance:
    return Instance(
        id=str(told_["InstanceId"]),
        state=str(told_["State"]["Name"]),
        zone=str(told_["Placement"]["AvailabilityZone"]),
        type=str(told_["InstanceType"]),
        image=str(told_["ImageId"]),
        address=str(told_.get("PrivateIpAddress", "")),
        tags={tag["Key"]: tag["Value"] for tag in told_.get("Tags", [])},
    )
