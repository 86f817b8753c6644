"""Watch loop: decides when the watchdog checks the servers, and when it starts them again.

The loop runs as root, for two reasons: it moves the process that starts servers into the control
group of the unit of Denodo's servers, and it keeps a file that no other user may change. The loop
opens no file that belongs to the Denodo user.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.errors import OK, WOULD_CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts.denodo.watchdog.operator_scripts import OperatorScripts

SCAN_S = 1.0
"""Project default: pause between two checks for running scripts by which operators stop Denodo.
A shutdown script starts Java, so it runs longer than this pause."""
LOOK_S = 30.0
"""Project default: pause between two checks of the servers. A server is started again after two
checks in which it does not run."""
CATCH_UP_S = 300.0
SILENCE_S = 60.0
"""Interval at which a paused node puts the datapoint that silences the cluster's alarms."""
MOST_REVIVALS = 5
WINDOW_S = 3600.0
"""Project default: time within which servers are started again at most `MOST_REVIVALS` times, with
pauses that double each time. After the last start, a server that dies is not started again for the
rest of this time."""
_FIRST_PAUSE_S = 60.0


@dataclass
class WatchLoop:
    """Loop of the watchdog, with the functions that it calls.

    Attributes:
        scripts: detects the scripts that operators have run.
        unit_active: returns whether the unit of Denodo's servers is active.
        paused: returns whether there is a record of a pause, which may have ended.
        silence: puts the datapoint that silences the alarms, if the node is still paused.
        look: checks the servers (`server_revival.look`, first `catch_up` if `catch_up` is true);
            returns an exit code.
        sleep: waits for some seconds.
        now: a monotonic clock.
    """

    scripts: OperatorScripts
    unit_active: Callable[[], bool]
    look: Callable[..., int]
    paused: Callable[[], bool] = lambda: False
    silence: Callable[[], object] = lambda: None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    _revivals: deque[float] = field(default_factory=deque)
    _missing: bool = False
    _look_at: float = 0.0
    _revive_at: float = 0.0
    _catch_up_at: float = 0.0
    _silence_at: float = 0.0

    def run(self) -> None:
        """Watch the servers until the process ends."""
        while True:
            self.step()
            self.sleep(SCAN_S)

    def step(self) -> None:
        """Check for running scripts that stop Denodo, and silence alarms in a pause.

        The servers are checked if `LOOK_S` has passed since their last check.
        """
        now = self.now()
        self.scripts.observe(now)
        if now >= self._silence_at and self.paused():
            self._silence_at = now + SILENCE_S
            self.silence()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        if not self.unit_active():
            self._missing = False
            return
        if self.scripts.stopped:
            self._missing = False
            is_over = now >= self.scripts.seen_at + LOOK_S
            if is_over and self.look(act=False, last=False, catch_up=False) == OK:
                self.scripts.forget()
            return
        while self._revivals and self._revivals[0] <= now - WINDOW_S:
            self._revivals.popleft()
        act = self._missing and now >= self._revive_at and len(self._revivals) < MOST_REVIVALS
        catch_up = now >= self._catch_up_at
        if catch_up:
            self._catch_up_at = now + CATCH_UP_S
        if act:
            self._revivals.append(now)
            self._revive_at = now + _FIRST_PAUSE_S * 2 ** (len(self._revivals) - 1)
        last = act and len(self._revivals) == MOST_REVIVALS
        code = self.look(act=act, last=last, catch_up=catch_up)
        if last:
            log.error(f"no server is started again before {WINDOW_S / 60:.0f} min have passed")
        self._missing = code == WOULD_CHANGE
