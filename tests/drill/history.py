"""Events one after another: checks remember what they last were.

A metric check with LastKnownStatus has a past, so the side that DNS answers may depend on what was
before. A deploy is an event, too: the templates are others from then on.
"""

from denodo_ha.drill.engine.aws_rules import AlarmState, Role
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import Situation
from denodo_ha.drill.model import Key, Model


class History:
    """What happens to a site, event by event.

    history = History(model)
    history.then(Situation(thrown_switches=frozenset({"names/Lever"})))   # the secondary
    history.then(Situation())                                    # still: the last datapoint holds
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._last: dict[Key, bool] = {}

    def then(self, situation: Situation, model: Model | None = None) -> dict[str, Role]:
        """The side that DNS answers for each site, once an event has taken effect.

        Args:
            situation: what has failed since, and what still has.
            model: what stands there from now on, if that has changed.
        """
        self._model = model or self._model
        health = Engine(self._model).health(
            Situation(last_statuses=tuple(self._last.items())) | situation
        )
        sides = {site.name: health.answer(site) for site in self._model.failover_names}
        for check in self._model.checks.values():
            alarm = self._model.alarms.get(check.alarm or "")
            if alarm is not None and health.alarm(alarm) is not AlarmState.INSUFFICIENT:
                self._last[check.key] = health.alarm(alarm) is AlarmState.OK
        return sides
