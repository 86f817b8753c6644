"""Alarms that notify a topic, in the drill's model."""

from dataclasses import dataclass

from denodo_ha.drill.model.machines import Key


@dataclass(frozen=True)
class Notification:
    """An alarm that notifies at least one topic.

    Attributes:
        key: key of the notifying alarm.
        name: its name, as notifications contain it.
        urgency: urgent or notice; empty for alarms that this project did not make.
        parts: sets of keys of alarms; the alarms of each set together set off this alarm.
        without_data: whether it notifies operators when its metric has no data, instead of when a
            threshold is breached.
        wait: seconds that the notification waits for an alarm that may suppress it.
    """

    key: Key
    name: str
    urgency: str
    parts: tuple[frozenset[Key], ...]
    without_data: bool = False
    wait: int = 0


@dataclass(frozen=True)
class SentNotification:
    """A notification in one scenario: the alarm's name and urgency, and the seconds until sent."""

    name: str
    urgency: str
    seconds: int
