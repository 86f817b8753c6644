"""Drain tag: an instance's tag that says when, by whom and why its node was taken out of service.

    write(aws, region, instance_id, DrainTag.now(clock, why="promotion"))
    DrainTag.from_tags(instance.tags).why

The tag is the only record of the fact that a node was taken out of service. A tag value has at most
256 characters (AWS, Tag naming limits and requirements).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.operator_text import accepted_name, accepted_text, operator_name
from denodo_ha.environment import names

_VALUE_LENGTH: Final = 256


@dataclass(frozen=True)
class DrainTag:
    """Content of a drain tag; `status --format json` prints these fields.

    Attributes:
        since: the time at which the node was taken out, in UTC.
        who: user and machine, without spaces.
        why: a short reason; if a command takes the node out temporarily, the command's name.
    """

    since: datetime
    who: str
    why: str

    @classmethod
    def now(cls, clock: Clock, *, why: str, who: str = "") -> "DrainTag":
        """Return a drain tag with the current time and the current operator."""
        return cls(clock.now(), accepted_name(who or operator_name()), accepted_text(why))

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> "DrainTag | None":
        """Return the drain tag among an instance's tags, or None if there is none."""
        if names.DRAINED_TAG not in tags:
            return None
        text = tags[names.DRAINED_TAG]
        time, _, rest = text.partition(" ")
        who, _, why = rest.partition(" ")
        try:
            since = datetime.fromisoformat(time)
            since = since if since.tzinfo else since.replace(tzinfo=UTC)
            # Reject a time in the year 1: its conversion to UTC can overflow.
            since.astimezone(UTC)
        except (ValueError, OverflowError):
            # A drain tag that was written by hand in another format also means that the node is out
            # of service.
            return cls(datetime.fromtimestamp(0, UTC), "unknown", text)
        return cls(since, who, why)

    @property
    def text(self) -> str:
        """The tag's value."""
        since = self.since.astimezone(UTC).isoformat(timespec="seconds")
        return f"{since} {self.who} {self.why}"[:_VALUE_LENGTH]

    def __str__(self) -> str:
        since = self.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"since {since} by {self.who}: {self.why}"


def write(aws: Aws, region: str, instance_id: str, tag: DrainTag) -> None:
    """Write a drain tag on an instance."""
    with translated_errors():
        aws.client("ec2", region).create_tags(
            Resources=[instance_id], Tags=[{"Key": names.DRAINED_TAG, "Value": tag.text}]
        )


def remove(aws: Aws, region: str, instance_id: str) -> None:
    """Remove the drain tag of an instance; no effect if there is none."""
    with translated_errors():
        aws.client("ec2", region).delete_tags(
            Resources=[instance_id], Tags=[{"Key": names.DRAINED_TAG}]
        )
