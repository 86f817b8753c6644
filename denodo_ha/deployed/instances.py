"""The current state of instances."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until

VISIBLE_S: Final = 10
VISIBLE_EVERY_S: Final = 2
BATCH: Final = 100
"""Project default: instance ids for each call; a filter accepts 200 (AWS, DescribeInstances)."""


@dataclass(frozen=True)
class Instance:
    """The state of an instance in EC2.

    Attributes:
        id: its id.
        state: pending, running, stopping, stopped, shutting-down or terminated.
        zone: its availability zone.
        type: its instance type.
        image: id of its image.
        address: its private IPv4 address; empty for a terminated instance.
        tags: its tags.
        root_volume: id of its root volume; empty if the instance has no root volume, for example
            after it was terminated.
    """

    id: str
    state: str
    zone: str
    type: str
    image: str
    address: str
    tags: Mapping[str, str] = field(default_factory=dict)
    root_volume: str = ""


def read_instances(aws: Aws, region: str, ids: Iterable[str]) -> dict[str, Instance]:
    """Read instances, by id; the result does not contain ids that EC2 no longer knows.

    Raises:
        AwsError: AWS did not answer, or denied a call.
    """
    client = aws.client("ec2", region)

    def read_batch(batch: list[str]) -> list[Instance]:
        # Use a filter: with the parameter InstanceIds, the call would fail if one id is unknown.
        filters = [{"Name": "instance-id", "Values": batch}]
        with translated_errors():
            pages = client.get_paginator("describe_instances").paginate(Filters=filters)
            return [instance_of(description) for description in _instances(pages)]

    sorted_ids = sorted({id_ for id_ in ids if id_})
    answers = map_concurrently(
        read_batch,
        [sorted_ids[start : start + BATCH] for start in range(0, len(sorted_ids), BATCH)],
    )
    return {instance.id: instance for answer in answers for instance in answer}


def read_instance(aws: Aws, region: str, id_: str, clock: Clock) -> Instance | None:
    """Read an instance, None if EC2 does not know it.

    A new instance is visible only some time after its creation (AWS, EC2 API, Eventual
    consistency), so if EC2 does not return the instance, the instance is read again until
    `VISIBLE_S` is over.

    Raises:
        AwsError: AWS did not answer, or denied a call.
    """
    if not id_:
        return None
    try:
        seen = poll_until(
            lambda: read_instances(aws, region, [id_]),
            done=lambda instances: id_ in instances,
            clock=clock,
            timeout=VISIBLE_S,
            every=VISIBLE_EVERY_S,
        )
    except PollTimeout:
        return None
    return seen[id_]


def _instances(pages: Iterable[Any]) -> Iterator[Any]:
    for page in pages:
        for reservation in page["Reservations"]:
            yield from reservation["Instances"]


def instance_of(description: Mapping[str, Any]) -> Instance:
    """Return an instance from an entry of the answer of `describe_instances`."""
    return Instance(
        id=str(description["InstanceId"]),
        state=str(description["State"]["Name"]),
        zone=str(description["Placement"]["AvailabilityZone"]),
        type=str(description["InstanceType"]),
        image=str(description["ImageId"]),
        address=str(description.get("PrivateIpAddress", "")),
        tags={tag["Key"]: tag["Value"] for tag in description.get("Tags", [])},
        root_volume=_root_volume(description),
    )


def _root_volume(description: Mapping[str, Any]) -> str:
    root = description.get("RootDeviceName")
    volumes = (
        str(mapping["Ebs"]["VolumeId"])
        for mapping in description.get("BlockDeviceMappings", [])
        if mapping["DeviceName"] == root
    )
    return next(volumes, "")
