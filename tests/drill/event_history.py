"""Successive events, with health checks that remember their last status.

A metric check with LastKnownStatus depends on earlier events, so DNS may depend on them, too. A
deploy is also an event: it changes the templates.
"""

from denodo_ha.drill.engine.aws_rules import AlarmState, Role
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model.model import Model


class EventHistory:
    """The answers of DNS after successive events.

    history = EventHistory(model)
    history.after(Situation(thrown_switches=frozenset({"names/Lever"})))   # the secondary
    history.after(Situation())                                # still: the last status is kept
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._last_statuses: dict[str, bool] = {}

    def after(self, situation: Situation, model: Model | None = None) -> dict[str, Role]:
        """Return the answer of DNS for each failover name after an event.

        Args:
            situation: all failures after the event.
            model: the model from now on, if a deploy has changed it.
        """
        self._model = model or self._model
        remembered = Situation(last_statuses=tuple(self._last_statuses.items()))
        health = Engine(self._model).health(remembered | situation)
        answers = {name.name: health.answer(name) for name in self._model.failover_names}
        for check in self._model.checks.values():
            alarm = self._model.alarm_of(check)
            if alarm is not None and health.alarm(alarm) is not AlarmState.INSUFFICIENT:
                self._last_statuses[check.key] = health.alarm(alarm) is AlarmState.OK
        return answers
