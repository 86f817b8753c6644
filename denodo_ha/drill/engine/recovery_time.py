"""How long it takes at worst until new connections succeed, and until all is as before."""

from collections.abc import Iterator, Sequence

from denodo_ha.drill.engine import duration_terms
from denodo_ha.drill.engine.balancer_view import Registered, View
from denodo_ha.drill.engine.check_health import Health
from denodo_ha.drill.engine.duration_terms import Term, total
from denodo_ha.drill.model import HealthCheck, Key, Model, Probe, Record, Target

Terms = tuple[Term, ...]


class Timing:
    """The steps from one situation to another.

    Args:
        model: what stands there.
        before: the health of all in the first situation.
        after: the health of all in the second.
    """

    def __init__(self, model: Model, before: Health, after: Health) -> None:
        self._model, self._before, self._after = model, before, after

    def move(self, primary: Record, secondary: Record, views: "BothViews") -> Terms:
        """Until DNS answers the other side, once a record's health has changed."""
        for record in (primary, secondary):
            if self._before.record(record) != self._after.record(record):
                return (*self._flip(record, views), duration_terms.record(record))
        return ()

    def back(self, primary: Record, secondary: Record, views: "BothViews") -> Terms:
        """Until DNS answers the first side again, once what failed is well."""
        return Timing(self._model, self._after, self._before).move(
            primary, secondary, (views[1], views[0])
        )

    def by_people(self) -> bool:
        """Whether people have moved the site by a switch, so that people undo it."""
        return bool(self._after.situation.thrown - self._before.situation.thrown)

    def _flip(self, record: Record, views: "BothViews") -> Terms:
        """Until a record's health has changed: by its check or its target, whichever is first."""
        ways = []
        if record.check is not None and self._flips(record.check):
            ways.append(self._check(record.check))
        if self._before.target(record) != self._after.target(record):
            ways.append(self._target(views))
        needs_all = self._after.record(record)
        return _longest(ways) if needs_all else _shortest(ways)

    def _flips(self, key: Key) -> bool:
        return self._before.check(key) != self._after.check(key)

    def _target(self, views: "BothViews") -> Terms:
        before, after = views
        if before is None or after is None:
            return ()
        down = self._after_is_worse(before, after)
        found = []
        for key, registered in before.registered.items():
            group = self._model.groups[key]
            counts = (
                self._before.alias_count(before, key),
                0 if after.gone else self._after.alias_count(after, key),
            )
            if (counts[0] > 0) != (counts[1] > 0) and (registered or after.registered[key]):
                step = duration_terms.detection if down else duration_terms.recovery
                found.append((step(group.probe),))
        return _shortest(found) if down else _longest(found)

    @staticmethod
    def _after_is_worse(before: View, after: View) -> bool:
        def healthy(view: View) -> int:
            return 0 if view.gone else sum(view.healthy(key) for key in view.registered)

        return healthy(after) <= healthy(before)

    def _check(self, key: Key) -> Terms:
        """Until a check's status has changed."""
        check = self._model.checks.get(key)
        if (
            check is None
            or key in self._after.situation.unhealthy | self._before.situation.unhealthy
        ):
            return ()
        if check.kind == "CALCULATED":
            return self._calculated(check)
        if check.kind == "CLOUDWATCH_METRIC":
            return self._alarm(check)
        return (duration_terms.endpoint(check),)

    def _calculated(self, check: HealthCheck) -> Terms:
        """With so many children changed, in the order in which they change, it does too."""
        flipped = sorted(
            (self._check(child) for child in check.children if self._flips(child)), key=total
        )
        healthy = sum(self._before.check(child) for child in check.children)
        needed = healthy - check.needed + 1 if healthy >= check.needed else check.needed - healthy
        return flipped[min(needed, len(flipped)) - 1] if flipped else ()

    def _alarm(self, check: HealthCheck) -> Terms:
        alarm = self._model.alarms.get(check.alarm or "")
        if alarm is None:
            return ()
        if alarm.switch:
            return duration_terms.switch(alarm)
        if alarm.key in self._before.situation.silent | self._after.situation.silent:
            return duration_terms.alarm(alarm)
        group = self._model.groups.get(alarm.group or "")
        noticed = (duration_terms.detection(group.probe),) if group else ()
        return (*noticed, *duration_terms.alarm(alarm))


BothViews = tuple[View | None, View | None]
"""A record's balancer in both situations, where it is one of these templates."""


def within(model: Model, before: View, after: View) -> Terms:
    """Until a balancer sends new connections only to who is left."""
    noticed = _longest(
        [
            (duration_terms.detection(model.groups[key].probe),)
            for key, healthy, now in _services(model, before, after)
            if healthy & {one.target for one in now if not one.healthy}
        ]
        + [(duration_terms.detection(probe),) for probe in _behind(model, before, after)]
    )
    if set(before.addresses) - set(after.addresses) and after.addresses:
        return (*noticed, duration_terms.address())
    return noticed


def within_back(model: Model, before: View, after: View) -> Terms:
    """Until a balancer sends new connections to all again, once they are well."""
    return _longest(
        [
            (duration_terms.recovery(model.groups[key].probe),)
            for key, healthy, now in _services(model, before, after)
            if healthy - {one.target for one in now if one.healthy}
        ]
        + [(duration_terms.recovery(probe),) for probe in _behind(model, before, after)]
    )


def _services(
    model: Model, before: View, after: View
) -> Iterator[tuple[Key, set[Target], Sequence[Registered]]]:
    """The groups of services, with the targets that were healthy and all that there are now.

    Auxiliary groups are not among them: who is not sent to a node never asks for its port.
    """
    for key, registered in before.registered.items():
        if model.groups[key].node is None:
            healthy = {one.target for one in registered if one.healthy}
            yield key, healthy, after.registered[key]


def _behind(model: Model, before: View, after: View) -> Iterator[Probe]:
    """The checks by which proxies behind a balancer leave out nodes that they had before."""
    for _, healthy, now in _services(model, before, after):
        for target in healthy & {one.target for one in now}:
            serving = before.machines.behind(target)
            if serving is None or serving.probe is None:
                continue
            if after.machines.left_out(serving) - before.machines.left_out(serving):
                yield serving.probe


def _longest(ways: Sequence[Terms]) -> Terms:
    return max(ways, key=total, default=())


def _shortest(ways: Sequence[Terms]) -> Terms:
    return min(ways, key=total, default=())
