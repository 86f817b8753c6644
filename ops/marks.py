"""The mark of a node that is taken out: a tag on its instance that says when, who and why.

    put(aws, region, instance_id, Mark.now(clock, why="promotion"))
    Mark.of(instance.tags).why

It is the only record of a node that is out. A tag's value has 256 characters at most (AWS, Tag
naming limits and requirements).
"""

import getpass
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ops import names
from ops.aws import Aws
from ops.clock import Clock
from ops.translate import told

_LONGEST: Final = 256
_REFUSED = re.compile(r"[^A-Za-z0-9 .,:;@/_+=-]")
"""What the nodes' document refuses in who and why, as a shell might read it."""


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
        return cls(clock.now(), _REFUSED.sub("-", who or me()).replace(" ", "-"), plain(why))

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


def me() -> str:
    """Who runs this: user and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def plain(text: str) -> str:
    """A text as tags and the nodes' document take it."""
    return _REFUSED.sub("-", " ".join(text.split()))[:150]


def put(aws: Aws, region: str, instance_id: str, mark: Mark) -> None:
    """Mark an instance."""
    with told():
        aws.client("ec2", region).create_tags(
            Resources=[instance_id], Tags=[{"Key": names.DRAINED_TAG, "Value": mark.text}]
        )


def remove(aws: Aws, region: str, instance_id: str) -> None:
    """Take the mark away; nothing happens where there is none."""
    with told():
        aws.client("ec2", region).delete_tags(
            Resources=[instance_id], Tags=[{"Key": names.DRAINED_TAG}]
        )
