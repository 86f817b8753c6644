"""Changes after which the forwarding table is built again at once (`forwarding.py`).

Building the table takes milliseconds, so a poll without a change does not build it.
"""

import itertools


class ForwardingChanges:
    """Counter of changes, by which a poll sees whether the forwarding table may have changed."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.number = 0

    def note(self) -> None:
        """Record a change: a call that may write, or a changed health of a target."""
        self.number = next(self._numbers)


CHANGES = ForwardingChanges()
