"""Reader of the alarms in templates that notify a topic, and of the databases' events."""

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

_TOKEN: Final = re.compile(r'\s*(ALARM\("?[^()"]+"?\)|AND|OR|[()])\s*')
"""Tokens of the composite alarms' rules that the drill reads: alarms in state ALARM, joined by AND
and OR."""
_MOST_SETS: Final = 4096
_MOST_PARENTHESES: Final = 200
"""Project limits: the drill ignores composite alarms whose rules have more combinations of alarms,
or more parentheses."""
_FAILOVER_EVENTS: Final = frozenset({"availability", "failover", "failure"})


def read_notifications(reader: ResourceReader) -> Iterator[Notification]:
    """Yield the alarms that notify a topic, without rules that have NOT or other states."""
    for resource in reader.of_type(ALARM):
        if _notifies(resource, "AlarmActions"):
            yield _notification(resource, (frozenset({resource.key}),))
        if _notifies(resource, "InsufficientDataActions"):
            yield _notification(resource, (frozenset({resource.key}),), without_data=True)
    for resource in reader.of_type(COMPOSITE_ALARM):
        parts = sets_of_alarms(str(resource.properties.get("AlarmRule", "")))
        if _notifies(resource, "AlarmActions") and parts:
            yield _notification(resource, parts)


def sets_of_alarms(rule: str) -> tuple[frozenset[Key], ...]:
    """Return the sets of alarms that set off a composite alarm; empty for an unsupported rule."""
    tokens: list[str] = []
    position = 0
    while match := _TOKEN.match(rule, position):
        tokens.append(match[1])
        position = match.end()
    is_read = position == len(rule) and tokens.count("(") <= _MOST_PARENTHESES
    sets = _any_of(tokens) if is_read else None
    return tuple(sets) if sets and not tokens else ()


_Sets = set[frozenset[Key]]


def _any_of(tokens: list[str]) -> _Sets | None:
    """Remove terms joined by OR from the tokens, and return their sets of alarms.

    AND binds more tightly than OR. None means that the tokens are not a supported rule.
    """
    sets = _all_of(tokens)
    while sets is not None and tokens[:1] == ["OR"]:
        tokens.pop(0)
        others = _all_of(tokens)
        sets = None if others is None else sets | others
    return sets


def _all_of(tokens: list[str]) -> _Sets | None:
    sets = _operand(tokens)
    while sets is not None and tokens[:1] == ["AND"]:
        tokens.pop(0)
        others = _operand(tokens)
        too_many = others is None or len(sets) * len(others) > _MOST_SETS
        sets = None if too_many else {first | second for first in sets for second in others or ()}
    return sets


def _operand(tokens: list[str]) -> _Sets | None:
    first = tokens.pop(0) if tokens else ""
    if first == "(":
        sets = _any_of(tokens)
        return sets if tokens and tokens.pop(0) == ")" else None
    keys = [f"{stack}/{id_}" for stack, id_, _ in references(first)]
    return {frozenset(keys)} if keys else None


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
    resource: Resource, parts: tuple[frozenset[Key], ...], *, without_data: bool = False
) -> Notification:
    named = name_in_description(str(resource.properties.get("AlarmDescription", "")))
    urgency, name = named or ("", resource.id)
    wait = resource.properties.get("ActionsSuppressorWaitPeriod", 0)
    return Notification(
        resource.key, name, urgency, parts, without_data, wait if isinstance(wait, int) else 0
    )
