"""Pins: the image, type and disks that each existing node runs.

They lie beside the configuration, as `NAME.pins.yaml`, and are committed like a lock
file. A node is synthesised from its pin, and from the configuration only if it has
none, so that a change of `instance` replaces nobody by itself.
"""

from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

from pydantic import RootModel

from denodo_ha.environment.model.aws_field_types import (
    DeviceName,
    ImageId,
    InstanceType,
    KeyPairName,
    KmsKeyArn,
)
from denodo_ha.environment.model.cluster import Disk, Instance, Node
from denodo_ha.environment.model.field_types import ClusterName, NodeName
from denodo_ha.environment.model.section import Section


class Pin(Section):
    """What one node runs: whatever replaces or restarts it when it changes."""

    image: ImageId
    """Machine image that the node runs."""
    type: InstanceType
    """Instance type that the node runs."""
    disk_gib: Disk
    """Size of its root disk in GiB."""
    root_device: DeviceName = "/dev/xvda"
    """Root device of its image."""
    data_disk_gib: Disk | None = None
    """Size of its second disk in GiB; default: it has none."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts its disks; default: the account's key for EBS."""
    key: KeyPairName | None = None
    """Its EC2 key pair; default: none."""


class Pins(RootModel[dict[ClusterName, dict[NodeName, Pin]]]):
    """Pins by cluster and node."""

    def of(self, cluster: str, node: str) -> Pin | None:
        """The pin of a node, if it has one."""
        return self.root.get(cluster, {}).get(node)


NO_PINS = Pins({})


def pins_file(config: File) -> File:
    """Where the pins of a configuration file lie: beside it."""
    return config.with_suffix(".pins.yaml")


def configured_machine(instance: Instance | None, node: Node) -> Instance | None:
    """The machine that the configuration asks for: the cluster's, with the node's overrides.

    None where neither names type and image, which `rules.registry` reports as an error.
    """
    base = dict(_fields(instance)) if instance else {}
    own = dict(_fields(node.instance)) if node.instance else {}
    machine = {**base, **{key: value for key, value in own.items() if value is not None}}
    return Instance.model_validate(machine) if {"type", "image"} <= machine.keys() else None


def pinned_machine(machine: Instance, pin: Pin | None) -> Instance:
    """The machine to synthesise: what the pin says, for what it says."""
    return machine.model_copy(update=dict(_fields(pin))) if pin else machine


def _fields(section: Section) -> Iterator[tuple[str, Any]]:
    """Yield the fields by attribute, which also works for a section that is valid in part."""
    for name in type(section).model_fields:
        yield name, getattr(section, name)
