"""The alarms in the templates that notify a topic, and the events of databases."""

import re
from collections.abc import Iterator
from typing import Final

from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.notifications import Notification
from denodo_ha.drill.reading.resource_reader import (
    ALARM,
    COMPOSITE_ALARM,
    DATABASE,
    EVENT_SUBSCRIPTION,
    Resource,
    ResourceReader,
)
from denodo_ha.drill.reading.values import as_list, is_true, references
from denodo_ha.environment.derived.alarms import name_in_description

_ANY_PART: Final = re.compile(r'\s*ALARM\("?[^()"]+"?\)(\s+OR\s+ALARM\("?[^()"]+"?\))*\s*')
"""The rules that the drill reads: the alarm is set off by each of its parts alone."""
_FAILOVER_EVENTS: Final = frozenset({"availability", "failover", "failure"})


def read_notifications(reader: ResourceReader) -> Iterator[Notification]:
    """Yield the alarms that notify a topic. A rule with AND, NOT or states is left out."""
    for resource in reader.of_type(ALARM):
        if _notifies(resource, "AlarmActions"):
            yield _notification(resource, (resource.key,))
        if _notifies(resource, "InsufficientDataActions"):
            yield _notification(resource, (resource.key,), without_data=True)
    for resource in reader.of_type(COMPOSITE_ALARM):
        rule = str(resource.properties.get("AlarmRule", ""))
        if _notifies(resource, "AlarmActions") and _ANY_PART.fullmatch(rule):
            parts = tuple(f"{stack}/{id_}" for stack, id_, _ in references(rule))
            yield _notification(resource, parts)


def databases_with_events(reader: ResourceReader) -> frozenset[Key]:
    """Return the databases whose failure or failover is an event that notifies a topic."""
    keys: set[Key] = set()
    for resource in reader.of_type(EVENT_SUBSCRIPTION):
        categories = {str(item) for item in as_list(resource.properties.get("EventCategories"))}
        if not is_true(resource.properties.get("Enabled", True)):
            continue
        if categories and not categories >= _FAILOVER_EVENTS:
            continue
        for source in as_list(resource.properties.get("SourceIds")):
            database = reader.referenced(source, DATABASE)
            if database is not None:
                keys.add(database.key)
    return frozenset(keys)


def _notifies(resource: Resource, actions: str) -> bool:
    enabled = is_true(resource.properties.get("ActionsEnabled", True))
    return enabled and bool(as_list(resource.properties.get(actions)))


def _notification(
    resource: Resource, parts: tuple[Key, ...], *, without_data: bool = False
) -> Notification:
    named = name_in_description(str(resource.properties.get("AlarmDescription", "")))
    urgency, name = named or ("", resource.id)
    wait = resource.properties.get("ActionsSuppressorWaitPeriod", 0)
    return Notification(
        resource.key, name, urgency, parts, without_data, wait if isinstance(wait, int) else 0
    )
