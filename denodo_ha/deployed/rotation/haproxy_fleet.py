"""Several HAProxies in front of the same nodes, however they are reached.

A node is taken out on all before any is waited for: while one waits, another would send it new
sessions. What one refuses is called off on the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Final

from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import CommandError, Failed, Refused, UsageError

DRAIN_S: Final = 1800
"""Ours: how long sessions may take to end."""
ENABLE_S: Final = 600
"""Ours: how long a node may take to pass HAProxy's checks."""
APPLY_S: Final = 300
"""Ours: how long HAProxy may take to load another file."""

_KINDS: Final[Mapping[frozenset[int], type[CommandError]]] = {
    frozenset({exit_codes.USAGE}): UsageError,
    frozenset({exit_codes.REFUSED}): Refused,
    frozenset({exit_codes.USAGE, exit_codes.REFUSED}): Refused,
}
"""What it is if a drain ended with these codes and no others; otherwise it failed."""


class HaproxyFleet(ABC):
    """HAProxies that serve the same nodes; each runs the program of `ops/haproxy`."""

    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """What they are called."""

    @abstractmethod
    def run(
        self,
        ids: Iterable[str],
        action: str,
        node: str = "-",
        seconds: int = APPLY_S,
        *,
        wait: bool = True,
        force: bool = False,
    ) -> dict[str, CommandResult]:
        """Run an action on some at the same time; gives how it ended on each.

        Args:
            ids: on which.
            action: a command of the program.
            node: the node that it is about.
            seconds: how long it may take.
            wait: whether a drain waits for sessions.
            force: whether to drain also if nobody else serves.

        Raises:
            Failed: an end was not seen in time, or nobody can be reached.
        """

    def drain(self, node: str, *, timeout: float | None = None, force: bool = False) -> None:
        """Take a node out on all, then wait on all until it has no sessions.

        Raises:
            UsageError: there is no such node.
            Refused: nobody else would serve; nothing is changed.
            Failed: it did not come out; the message says what stands.
        """
        self.take_out(node, force=force)
        self.wait_until_gone(node, timeout=timeout)

    def take_out(self, node: str, *, force: bool = False) -> None:
        """Send nothing new to a node, on any HAProxy; its sessions go on.

        Raises:
            UsageError: there is no such node; nothing is changed.
            Refused: nobody else would serve; nothing is changed.
            Failed: some HAProxy did not do it; the message says which, and what stands.
        """
        begun = self.run(self.ids(), "drain", node, wait=False, force=force)
        wrong = {id_: one for id_, one in begun.items() if one.code != exit_codes.DONE}
        if not wrong:
            return
        # Who has changed nothing says nothing: a node that was out before stays out.
        taken = [id_ for id_ in begun if id_ not in wrong and begun[id_].output.strip()]
        back = self.run(taken, "enable", node, ENABLE_S) if taken else {}
        stay = {id_: one for id_, one in back.items() if one.code != exit_codes.DONE}
        if stay:
            message = (
                f"{each(wrong)}. It was to be called off on the others and was not: {each(stay)}"
            )
            raise Failed(message)
        kind = _KINDS.get(frozenset(one.code for one in wrong.values()), Failed)
        if kind is not Failed:
            raise kind(each(wrong))
        called_off = f"; called off on {', '.join(sorted(taken))}" if taken else ""
        message = f"{node} may still get new sessions. {each(wrong)}{called_off}"
        raise Failed(message)

    def wait_until_gone(self, node: str, *, timeout: float | None = None) -> None:
        """Wait on every HAProxy until a node that was taken out has no sessions.

        Raises:
            Failed: it still has some; the message says how many.
        """
        # Forced, as it is out already: nobody is left to be asked about.
        ended = self.run(self.ids(), "drain", node, int(timeout or DRAIN_S), force=True)
        _demand(ended, f"{node} gets no new sessions")

    def enable(self, node: str, *, timeout: float | None = None) -> None:
        """Bring a node back on every HAProxy, once each finds it well.

        Raises:
            Failed: some HAProxy does not; the message says which, and why.
        """
        ended = self.run(self.ids(), "enable", node, int(timeout or ENABLE_S))
        _demand(ended, f"{node} is not back on every HAProxy")


def why(ended: CommandResult) -> str:
    """The last thing that it said."""
    if ended.code == -1:
        return f"the command did not run ({ended.status})"
    said = " ".join((ended.error or ended.output).split()).removeprefix("haproxy: ")
    return said or f"exit code {ended.code}"


def _demand(ended: Mapping[str, CommandResult], stands: str) -> None:
    wrong = {id_: one for id_, one in ended.items() if one.code != exit_codes.DONE}
    if wrong:
        message = f"{stands}. {each(wrong)}"
        raise Failed(message)


def each(ended: Mapping[str, CommandResult]) -> str:
    """Why commands on HAProxies ended as they did."""
    return "; ".join(f"HAProxy on {id_}: {why(one)}" for id_, one in sorted(ended.items()))
