"""Notifications: alarms are evaluated once a minute, and messages to SNS topics go to a file.

No email leaves this machine. The file has a paragraph for each message: the topic and its
subscribers, the subject and, for an alarm, the alarm's description.
"""

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.local_aws.emulator import cuts, ministack
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.cloudwatch import action_suppression, alarms

_log = logging.getLogger("local-aws")
_EVALUATION_S = 60


class Evaluator(threading.Thread):
    """Thread that evaluates every alarm once a minute of the local AWS."""

    def __init__(self) -> None:
        super().__init__(name="alarms", daemon=True)
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Evaluate alarms until `stop` is called."""
        while not self._stop_asked.wait(CLOCK.real(_EVALUATION_S)):
            try:
                evaluate_all()
            except (KeyError, RuntimeError):
                # A resource was deleted during the evaluation.
                _log.debug("an evaluation of alarms was interrupted", exc_info=True)

    def stop(self) -> None:
        """Stop after the current evaluation."""
        self._stop_asked.set()


def evaluate_all() -> None:
    """Evaluate the alarms of all accounts and regions; a changed state runs the actions."""
    for (account, region, _), alarm in ministack.alarms.all_items():
        with ministack.acting_for(account, region):
            alarms.evaluate(alarm)
    for (account, region, _), alarm in ministack.composite_alarms.all_items():
        if alarm.get("ActionsSuppressor"):
            with ministack.acting_for(account, region):
                action_suppression.settle(alarm)


def install(file: Path) -> None:
    """Append each message to a topic to a file, before MiniStack delivers it.

    Messages in a region that is cut off are lost.
    The file is created at once, because `make local` suggests `tail -f` of it.
    """
    file.touch()
    fan_out = ministack.private(ministack.sns, "_fanout")

    def recorded(
        topic: str, id_: str, message: str, subject: str, *others: Any, **settings: Any
    ) -> Any:
        if cuts.is_cut(topic.split(":")[3]):
            return None
        with file.open("a") as notifications:
            notifications.write("\n".join([*_lines(topic, message, subject), "", ""]))
        return fan_out(topic, id_, message, subject, *others, **settings)

    ministack.replace(ministack.sns, "_fanout", recorded)


def _lines(topic: str, message: str, subject: str) -> Iterator[str]:
    """Yield the lines of a message's paragraph in the file of notifications."""
    yield f"topic {topic}"
    found = ministack.private(ministack.sns, "_topic_by_arn_any_scope")(topic) or {}
    for subscription in found.get("subscriptions", ()):
        yield f"to {subscription.get('protocol')} {subscription.get('endpoint')}"
    yield subject or "(no subject)"
    try:
        alarm = json.loads(message)
    except ValueError:
        alarm = None
    if isinstance(alarm, dict) and "AlarmDescription" in alarm:
        yield f"{alarm['StateChangeTime']} {alarm['OldStateValue']} -> {alarm['NewStateValue']}"
        yield str(alarm["AlarmDescription"])
    else:
        yield message
