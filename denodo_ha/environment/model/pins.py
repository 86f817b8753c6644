"""Pins: the image, type and disks that each existing node runs.

Pins are in `NAME.pins.yaml` beside the configuration, and are committed like a lock file. A node
with a pin is synthesised from the pin, and a node without a pin from the configuration, so that
changing `instance` does not replace existing nodes.
"""

from collections.abc import Iterator
from pathlib import Path as File
from typing import Annotated, Any

from pydantic import Field, RootModel, Strict

from denodo_ha.environment.model.aws_field_types import (
    DeviceName,
    ImageId,
    InstanceType,
    KeyPairName,
    KmsKeyArn,
)
from denodo_ha.environment.model.cluster import DiskGib, Instance, Node
from denodo_ha.environment.model.field_types import ClusterName, NodeName, TagText
from denodo_ha.environment.model.section import Section

NEWEST_FIRST_BOOT = 2
"""Version of the first-boot script that new nodes get (`stacks/nodes/first_boot.py`)."""
FirstBootVersion = Annotated[int, Field(ge=1, le=NEWEST_FIRST_BOOT)]


class Pin(Section):
    """Properties of one node: a change of a property replaces or restarts the node."""

    image: ImageId
    """Machine image that the node runs."""
    type: InstanceType
    """Instance type that the node runs."""
    disk_gib: DiskGib
    """Size of the root disk in GiB."""
    root_device: DeviceName = "/dev/xvda"
    """Root device of the image."""
    data_disk_gib: DiskGib | None = None
    """Size of the second disk in GiB; default: none."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the disks; default: the account's key for EBS."""
    key: KeyPairName | None = None
    """EC2 key pair; default: none."""
    first_boot: FirstBootVersion = 1
    """Version of the node's first-boot script. A change of this key only restarts the node."""
    minutes_without_data: Annotated[int, Field(ge=1, le=10)] | None = None
    """Minutes of the alarm on missing metrics of the node's balancer that `denodo-ha pin` saw in \
state OK. The health check monitors this alarm."""
    generation: Annotated[int, Strict(), Field(ge=1, le=9999)] = 1
    """Number of the node's instance. `denodo-ha replace` increases this number to replace the \
instance."""
    replacing: TagText | None = None
    """Drain tag that the new instance gets. `denodo-ha replace` writes this key before the deploy \
and removes it when the instance has the tag. While the pin has this key, the replacement is not \
finished."""

    def with_records_of(self, pin: "Pin") -> "Pin":
        """Return this pin with the keys of another pin that do not describe the instance.

        A change of type, image or disks does not change the alarm that `minutes_without_data` is
        about.
        """
        return self.model_copy(update={key: getattr(pin, key) for key in _RECORDS})


_RECORDS = ("minutes_without_data", "replacing")
"""Keys of a pin that are not properties of the node's instance."""


MACHINE_KEYS = tuple(
    key for key in Pin.model_fields if key not in {"first_boot", "generation", *_RECORDS}
)
"""Keys of a pin that are also keys of `instance` in the configuration."""


class Pins(RootModel[dict[ClusterName, dict[NodeName, Pin]]]):
    """Pins by cluster and node."""

    def of(self, cluster: str, node: str) -> Pin | None:
        """Return the pin of a node, if it has one."""
        return self.root.get(cluster, {}).get(node)

    def silence_minutes(self, cluster: str, before: int) -> int | None:
        """Return the minutes without data after which the monitored alarm of a cluster is raised.

        The monitored alarm is the alarm that the deployed health check follows.

        Args:
            cluster: name of the cluster.
            before: the minutes that earlier versions of this project used. The method returns these
                minutes if no pin has the key `minutes_without_data`.

        Returns:
            The minutes; None for a new cluster, which has no pins.
        """
        pins = self.root.get(cluster)
        if not pins:
            return None
        seen = [pin.minutes_without_data for pin in pins.values() if pin.minutes_without_data]
        return max(seen, default=before)


NO_PINS = Pins({})


def pins_file(config: File) -> File:
    """Return the path of the pins file, which is beside the configuration file."""
    return config.with_suffix(".pins.yaml")


def configured_machine(instance: Instance | None, node: Node) -> Instance | None:
    """Return a node's configured `instance`: the cluster's settings with the node's overrides.

    Return None if type or image is missing, which a rule reports as an error.
    """
    base = dict(_fields(instance)) if instance else {}
    own = dict(_fields(node.instance)) if node.instance else {}
    machine = {**base, **{key: value for key, value in own.items() if value is not None}}
    return Instance.model_validate(machine) if {"type", "image"} <= machine.keys() else None


def pinned_machine(machine: Instance, pin: Pin | None) -> Instance:
    """Return a node's instance settings: `machine` with the values of the pin, if any."""
    values = {key: getattr(pin, key) for key in MACHINE_KEYS} if pin else {}
    return machine.model_copy(update=values)


def _fields(section: Section) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a section; raises `NotValidated` for a field that validation omitted."""
    for name in type(section).model_fields:
        yield name, getattr(section, name)
