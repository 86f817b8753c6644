"""Changes after which the table of forwarding is made again at once (`forwarding.py`).

Building the table takes milliseconds, so it is not built in each look for changes.
"""

import itertools


class ForwardingChanges:
    """A number that each change increases."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.number = 0

    def note(self) -> None:
        """Record a change: a call that may write, or another health of a target."""
        self.number = next(self._numbers)


CHANGES = ForwardingChanges()
