"""The mark of a node that is taken out: a tag on its instance that says when, who and why.

    put(aws, region, instance_id, Mark.now(clock, why="promotion"))
    Mark.of(instance.tags).why

It is the only record of a node that is out. A tag's value has 256 characters at most (AWS, Tag
naming limits and requirements).
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

_LONGEST: Final = 256


@dataclass(frozen=True)
class Mark:
    """Since when a node is out, by whom, and why.

    Attributes:
        at: since when, in UTC.
        who: user and machine, without spaces.
        why: a short text; of a command of ours its name.
    """

    at: datetime
    who: str
    why: str

    @classmethod
    def now(cls, clock: Clock, *, why: str, who: str = "") -> "Mark":
        """A mark of this moment."""
        return cls(clock.now(), accepted_name(who or operator_name()), accepted_text(why))

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "Mark | None":
        """The mark in an instance's tags, None where it has none."""
        if names.DRAINED_TAG not in tags:
            return None
        text = tags[names.DRAINED_TAG]
        at, _, rest = text.partition(" ")
        who, _, why = rest.partition(" ")
        try:
            since = datetime.fromisoformat(at)
        except ValueError:
            # Somebody has written it by hand: all that counts is that it is there.
            return cls(datetime.fromtimestamp(0, UTC), "somebody", text)
        return cls(since if since.tzinfo else since.replace(tzinfo=UTC), who, why)

    @property
    def text(self) -> str:
        """As the tag has it."""
        at = self.at.astimezone(UTC).isoformat(timespec="seconds")
        return f"{at} {self.who} {self.why}"[:_LONGEST]

    def __str__(self) -> str:
        since = self.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"since {since} by {self.who}: {self.why}"


def put(aws: Aws, region: str, instance_id: str, mark: Mark) -> None:
    """Mark an instance."""
    with translated_errors():
        aws.client("ec2", region).create_tags(
            Resources=[instance_id], Tags=[{"Key": names.DRAINED_TAG, "Value": mark.text}]
        )


def remove(aws: Aws, region: str, instance_id: str) -> None:
    """Take the mark away; nothing happens where there is none."""
    with translated_errors():
        aws.client("ec2", region).delete_tags(
            Resources=[instance_id], Tags=[{"Key": names.DRAINED_TAG}]
        )
