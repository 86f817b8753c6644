"""The machines that HAProxy runs on, on AWS."""

from typing import Annotated, Final

from pydantic import Field

from config.forms import Whole
from config.forms_aws import DeviceName, ImageId, InstanceType, KmsKeyArn, PolicyArn
from config.limits import DISK_GIB, Range
from config.part import Part

COUNT: Final = Range(
    2, 10, "ours: with one, its replacement is an outage; ten are more than a balancer needs"
)
DISK_DEFAULT_GIB: Final = 20
"""Ours: HAProxy keeps nothing but its files and the journal."""


class HaproxyInstance(Part):
    """A machine that HAProxy runs on."""

    type: InstanceType
    """Instance type; network and processors count, memory does not."""
    image: ImageId
    """Machine image with HAProxy, Python 3.9, the AWS CLI and the SSM agent, pinned: never the \
latest of something (docs/haproxy-aws.md)."""
    count: Annotated[Whole, Field(ge=COUNT.low, le=COUNT.high), COUNT] = COUNT.low
    """How many there are, spread over the zones."""
    disk_gib: Annotated[Whole, Field(ge=DISK_GIB.low, le=DISK_GIB.high), DISK_GIB] = (
        DISK_DEFAULT_GIB
    )
    """Size of the disk in GiB."""
    root_device: DeviceName = "/dev/xvda"
    """The image's root device: /dev/xvda for Amazon Linux, /dev/sda1 for most others."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the disk; default: the account's key for EBS."""
    role_policies: tuple[PolicyArn, ...] = ()
    """Managed policies to attach to the role, beside what HAProxy itself needs."""
