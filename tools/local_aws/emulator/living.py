"""Parts of the local AWS that run: programs of instances, load balancers, DNS, databases.

The part `jvm` decides which servers represent Denodo on machines that start after it was turned on:
Java and PostgreSQL, else light Python servers. The parts are off until `PUT /_local/living` turns
them on, since most tests rely on instances that run nothing and are healthy. A part that is on
stays on when the server is started again.
"""

from collections.abc import Callable

from tools.local_aws.emulator.errors import InvalidRequestError

PARTS = ("nodes", "balancers", "names", "metrics", "databases", "jvm")

Action = Callable[[], None]

STORE: dict[str, bool] = {}
"""State of each part: True if on. The checkpoint includes this state."""


class Living:
    """The parts that run, and the functions that start and stop each part."""

    def __init__(self) -> None:
        self._actions: dict[str, list[tuple[Action, Action]]] = {}
        self._running: set[str] = set()

    def when(self, part: str, start: Action, stop: Action) -> None:
        """Call `start` when a part is turned on, and `stop` when it is turned off."""
        self._actions.setdefault(part, []).append((start, stop))

    def is_on(self, part: str) -> bool:
        """Return whether a part runs."""
        return part in self._running

    def set(self, changes: dict[str, bool]) -> dict[str, bool]:
        """Turn parts on or off, and return the state of all parts.

        Raises:
            InvalidRequestError: a part is unknown, or its state is not true or false.
        """
        for part, is_on in changes.items():
            if part not in PARTS or not isinstance(is_on, bool):
                message = (
                    f"write true or false for a part, not {part!r}: {is_on!r}; the parts are "
                    f"{', '.join(PARTS)}. If another version of the clone has started this "
                    "server, run `make local-down` and start the local AWS again"
                )
                raise InvalidRequestError(message)
        STORE.update(changes)
        self.apply()
        return {part: self.is_on(part) for part in PARTS}

    def apply(self) -> None:
        """Start the parts that are on, and stop the parts that are off."""
        for part in PARTS:
            is_on = STORE.get(part, False)
            if is_on == (part in self._running):
                continue
            (self._running.add if is_on else self._running.discard)(part)
            for start, stop in self._actions.get(part, []):
                (start if is_on else stop)()


LIVING = Living()
