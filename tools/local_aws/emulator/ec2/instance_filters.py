"""Filters of DescribeInstances that MiniStack ignores: by id, by address, and by network."""

from collections.abc import Mapping, Sequence

from tools.local_aws.emulator import ministack

_FIELDS = {
    "instance-id": "InstanceId",
    "ip-address": "PublicIpAddress",
    "private-ip-address": "PrivateIpAddress",
    "vpc-id": "VpcId",
    "subnet-id": "SubnetId",
}
"""Filters by the field of an instance (AWS, Amazon EC2 API Reference, DescribeInstances)."""


def install() -> None:
    """Apply the filters of `_FIELDS` in addition to those of MiniStack."""
    others = ministack.private(ministack.ec2, "_matches_filters")

    def matches(instance: ministack.Record, filters: Mapping[str, Sequence[str]]) -> bool:
        own = (
            instance.get(field) in filters[name]
            for name, field in _FIELDS.items()
            if name in filters
        )
        return bool(others(instance, filters)) and all(own)

    ministack.replace(ministack.ec2, "_matches_filters", matches)
