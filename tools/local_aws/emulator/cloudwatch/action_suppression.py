"""Suppression of a composite alarm's actions by another alarm.

While the suppressor is in state ALARM, and for the extension period after that, the composite alarm
performs no actions. Otherwise, the composite alarm waits for the wait period before it performs the
actions of state ALARM, in case the suppressor changes to ALARM later than the composite alarm (AWS,
Amazon CloudWatch User Guide, "Suppressing composite alarm actions"). If a state ends before its
actions were performed, these actions are never performed; AWS does not document this case.
"""

from dataclasses import dataclass
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.clock import CLOCK

PROPERTIES = (
    "ActionsSuppressor",
    "ActionsSuppressorWaitPeriod",
    "ActionsSuppressorExtensionPeriod",
)
_BY = "ActionsSuppressedBy"


@dataclass
class _Actions:
    """The actions of one composite alarm.

    Attributes:
        notified: the state whose actions were performed last.
        changed: time of the last change of the state.
        silent_until: end of the extension period.
    """

    notified: str = "OK"
    changed: float = 0.0
    silent_until: float = 0.0


_actions = ministack.AccountRegionScopedDict()


def problem(properties: dict[str, Any]) -> str:
    """Return why PutCompositeAlarm refuses the suppressor; empty if the suppressor is accepted."""
    suppressor = properties.get("ActionsSuppressor")
    if not suppressor:
        return ""
    if _alarm(suppressor) is None:
        return f"ActionsSuppressor {suppressor} does not exist"
    missing = [name for name in PROPERTIES if properties.get(name) is None]
    return f"{missing[0]} is required with ActionsSuppressor" if missing else ""


def settle(alarm: ministack.Record) -> None:
    """Perform the actions of a composite alarm's state, if they are due and not suppressed."""
    actions = _actions.setdefault(alarm["AlarmName"], _Actions())
    now, state = CLOCK.now(), alarm["StateValue"]
    suppressor = _alarm(alarm["ActionsSuppressor"])
    alarm.pop(_BY, None)
    if suppressor is not None and suppressor["StateValue"] == "ALARM":
        extension = float(alarm["ActionsSuppressorExtensionPeriod"])
        actions.silent_until = now + CLOCK.real(extension)
        alarm[_BY] = "Alarm"
    elif now < actions.silent_until:
        alarm[_BY] = "ExtensionPeriod"
    elif state != actions.notified:
        wait = CLOCK.real(float(alarm["ActionsSuppressorWaitPeriod"]))
        if state == "ALARM" and now < actions.changed + wait:
            alarm[_BY] = "WaitPeriod"
            return
        before, actions.notified = actions.notified, state
        _perform(alarm, before, state, alarm["StateReason"])


def _alarm(name: str) -> ministack.Record | None:
    """Return an alarm by its name or ARN; None if there is no such alarm."""
    short = name.rpartition(":alarm:")[2] or name
    found: ministack.Record | None = ministack.alarms.get(short)
    return found or ministack.composite_alarms.get(short)


def _dispatch(alarm: ministack.Record, before: str, after: str, reason: str) -> None:
    """Perform the actions of a change of state, at once unless the alarm has a suppressor."""
    if alarm.get("AlarmRule") is None:
        _perform(alarm, before, after, reason)
        return
    actions = _actions.setdefault(alarm["AlarmName"], _Actions())
    actions.changed = CLOCK.now()
    if alarm.get("ActionsSuppressor"):
        settle(alarm)
        return
    actions.notified = after
    _perform(alarm, before, after, reason)


_perform = ministack.private(ministack.cloudwatch, "_dispatch_alarm_actions")


def install() -> None:
    """Delay or suppress the actions of composite alarms with a suppressor."""
    ministack.replace(ministack.cloudwatch, "_dispatch_alarm_actions", _dispatch)
