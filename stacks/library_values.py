"""Immutable values of the CDK library, each created only once.

Creating a value is a call to the jsii process. Without these caches, a quarter of all calls of a
synth would create a value that exists already.
"""

from functools import cache

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam


@cache
def seconds(count: int) -> Duration:
    """Return a duration of `count` seconds."""
    return Duration.seconds(count)


@cache
def tcp_ports(first: int, last: int) -> ec2.Port:
    """Return a TCP port, or a range of ports."""
    return ec2.Port.tcp(first) if first == last else ec2.Port.tcp_range(first, last)


@cache
def udp_ports(first: int, last: int) -> ec2.Port:
    """Return a UDP port, or a range of ports."""
    return ec2.Port.udp(first) if first == last else ec2.Port.udp_range(first, last)


@cache
def ipv4_peer(cidr: str) -> ec2.IPeer:
    """Return a CIDR as the peer of a security group rule."""
    return ec2.Peer.ipv4(cidr)


@cache
def instance_type(name: str) -> ec2.InstanceType:
    """Return the instance type with a name such as m7i.xlarge."""
    return ec2.InstanceType(name)


@cache
def service_principal(name: str) -> iam.ServicePrincipal:
    """Return the principal of an AWS service with a name such as s3.amazonaws.com."""
    return iam.ServicePrincipal(name)


@cache
def machine_image(region: str, image: str) -> ec2.IMachineImage:
    """Return the machine image with an id, in the region of the image."""
    return ec2.MachineImage.generic_linux({region: image})


@cache
def encrypted_volume(gib: int) -> ec2.BlockDeviceVolume:
    """Return a gp3 volume that is encrypted with the account's default key."""
    return ec2.BlockDeviceVolume.ebs(gib, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3)
