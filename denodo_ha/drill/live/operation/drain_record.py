"""Drain record: tags of a drained instance that say in which target groups it was registered.

    denodo:drained                    2026-01-01T09:30:00+00:00 ops@host new disk
    denodo:drained-from:denodo-jdbc   9999
    denodo:drained-from:denodo-odbc   9996

After a node is deregistered, AWS has no other record of its registrations. The drain tag and the
record are written with one call and removed with one call. A record without a drain tag has no
meaning. An instance has at most 50 tags (AWS, Tag naming limits and requirements); if the record
needs more tags, the call fails and the node remains in service.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment.names import DRAINED_FROM_TAG_PREFIX, DRAINED_TAG


@dataclass(frozen=True)
class DrainRecord:
    """The drain record of an instance.

    Attributes:
        ports: ports of the registrations by the name of the target group; empty without a drain
            tag.
        keys: the keys of all tags of a record, also if the instance has no drain tag.
        unreadable: texts of tags whose value is not a list of ports.
    """

    ports: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()
    unreadable: tuple[str, ...] = ()


def record_of(tags: Mapping[str, str]) -> DrainRecord:
    """Return the drain record among an instance's tags."""
    texts = {key: text for key, text in tags.items() if key.startswith(DRAINED_FROM_TAG_PREFIX)}
    if DRAINED_TAG not in tags:
        return DrainRecord(keys=frozenset(texts))
    ports = {key: _ports(text) for key, text in texts.items()}
    return DrainRecord(
        {key.removeprefix(DRAINED_FROM_TAG_PREFIX): value for key, value in ports.items() if value},
        frozenset(texts),
        tuple(f"{key}={texts[key]}" for key, value in ports.items() if not value),
    )


def _ports(text: str) -> tuple[int, ...]:
    """Return the ports in a tag's value; empty if the value is not a list of ports."""
    parts = text.split()
    if not all(part.isascii() and part.isdigit() and len(part) <= len("65535") for part in parts):
        return ()
    ports = tuple(map(int, parts))
    return ports if all(1 <= port <= 65535 for port in ports) else ()


def write_record(
    aws: Aws,
    region: str,
    instance_id: str,
    tag: DrainTag,
    ports: Mapping[str, Iterable[int]],
    *,
    outdated: Iterable[str] = (),
) -> None:
    """Write the drain tag and the drain record of an instance with one call.

    Args:
        aws: the credentials.
        region: the instance's region.
        instance_id: the instance.
        tag: the drain tag.
        ports: ports of the registrations by the name of the target group.
        outdated: keys of tags of an earlier record, which are removed first.
    """
    texts = {
        f"{DRAINED_FROM_TAG_PREFIX}{name}": _text(of_group) for name, of_group in ports.items()
    }
    _delete(aws, region, instance_id, set(outdated) - texts.keys())
    texts = {DRAINED_TAG: tag.text, **texts}
    with translated_errors():
        aws.client("ec2", region).create_tags(
            Resources=[instance_id],
            Tags=[{"Key": key, "Value": text} for key, text in texts.items()],
        )


def remove_record(aws: Aws, region: str, instance_id: str, keys: Iterable[str]) -> None:
    """Remove the drain tag and the given tags of a drain record with one call."""
    _delete(aws, region, instance_id, {DRAINED_TAG, *keys})


def _delete(aws: Aws, region: str, instance_id: str, keys: Iterable[str]) -> None:
    tags = [{"Key": key} for key in sorted(keys)]
    if tags:
        with translated_errors():
            aws.client("ec2", region).delete_tags(Resources=[instance_id], Tags=tags)


def _text(ports: Iterable[int]) -> str:
    return " ".join(map(str, sorted(set(ports))))
