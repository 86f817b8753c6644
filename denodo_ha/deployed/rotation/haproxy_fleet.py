"""HAProxy fleet: the HAProxy instances in front of a cluster's nodes, reached by SSM or ssh.

A drain first stops new sessions to the node on every instance, and only then waits for the existing
sessions to end. Otherwise, while one instance waits, another instance would send new sessions to
the node. If one instance refuses, the drain is undone on the other instances.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Final

from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import CommandError, Failed, Refused, UsageError

DRAIN_S: Final = 1800
"""Project default: seconds that sessions may take to end."""
ENABLE_S: Final = 600
"""Project default: seconds that a node may take to pass HAProxy's health checks."""
APPLY_S: Final = 300
"""Project default: seconds that HAProxy may take to load a new configuration file."""

_ERROR_CLASSES: Final[Mapping[frozenset[int], type[CommandError]]] = {
    frozenset({exit_codes.USAGE}): UsageError,
    frozenset({exit_codes.REFUSED}): Refused,
    frozenset({exit_codes.USAGE, exit_codes.REFUSED}): Refused,
}
"""Error class by the set of exit codes of the failed instances; `Failed` for other sets."""


class HaproxyFleet(ABC):
    """HAProxy instances that serve the same nodes; each runs the program of `hosts/haproxy`."""

    @abstractmethod
    def ids(self) -> tuple[str, ...]:
        """Return the ids or names of the instances."""

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
        """Run an action on instances at the same time; return the result of each, by id or name.

        Args:
            ids: ids or names of the instances.
            action: a command of the HAProxy program.
            node: the node to which the action applies; "-" for an action without a node.
            seconds: seconds that the action may take.
            wait: True if a drain waits until the node's sessions end.
            force: True to drain the node even if no other node serves.

        Raises:
            Failed: An action did not end in time, or an instance cannot be reached.
        """

    def drain(self, node: str, *, timeout: float | None = None, force: bool = False) -> None:
        """Take a node out on every instance, then wait until no instance has sessions to the node.

        Raises:
            UsageError: There is no such node. Nothing was changed.
            Refused: No other node would serve. Nothing was changed.
            Failed: Sessions remain, or an instance failed. The message says whether the node may
                still get new sessions.
        """
        self.take_out(node, force=force)
        self.wait_until_gone(node, timeout=timeout)

    def take_out(self, node: str, *, force: bool = False) -> None:
        """Stop new sessions to a node on every instance; its existing sessions continue.

        Raises:
            UsageError: There is no such node. Nothing was changed.
            Refused: No other node would serve. Nothing was changed.
            Failed: An instance failed. The message names the instance and says whether the node
                may still get new sessions.
        """
        results = self.run(self.ids(), "drain", node, wait=False, force=force)
        failed = _failed(results)
        if not failed:
            return
        # Undo only on instances that printed something. An instance prints nothing if it had
        # already taken the node out of service; on that instance the node must stay out of service.
        changed = [id_ for id_ in results if id_ not in failed and results[id_].output.strip()]
        restored = self.run(changed, "enable", node, ENABLE_S) if changed else {}
        not_restored = _failed(restored)
        if not_restored:
            message = (
                f"{failure_reasons(failed)}. The drain could not be undone on other instances: "
                f"{failure_reasons(not_restored)}"
            )
            raise Failed(message)
        kind = _ERROR_CLASSES.get(frozenset(result.code for result in failed.values()), Failed)
        if kind is not Failed:
            raise kind(failure_reasons(failed))
        undone = f"; the drain was undone on {', '.join(sorted(changed))}" if changed else ""
        message = f"{node} may still get new sessions. {failure_reasons(failed)}{undone}"
        raise Failed(message)

    def wait_until_gone(self, node: str, *, timeout: float | None = None) -> None:
        """Wait on every instance until a node that was taken out has no sessions.

        Raises:
            Failed: Sessions remain; the message says how many.
        """
        # Use force to skip the capacity check: the check was made when the node was taken out.
        results = self.run(self.ids(), "drain", node, int(timeout or DRAIN_S), force=True)
        _require_success(results, f"{node} gets no new sessions")

    def enable(self, node: str, *, timeout: float | None = None) -> None:
        """Bring a node back, and wait until its health checks pass on every instance.

        Raises:
            Failed: The health checks of an instance do not pass in time; the message names the
                instance.
        """
        results = self.run(self.ids(), "enable", node, int(timeout or ENABLE_S))
        _require_success(results, f"{node} is not back on every HAProxy instance")


def failure_reason(result: CommandResult) -> str:
    """Return why a command on an HAProxy instance failed: the last line of its output."""
    if result.code == -1:
        return f"the command did not run ({result.status})"
    output = " ".join((result.error or result.output).split()).removeprefix("haproxy: ")
    return output or f"exit code {result.code}"


def failure_reasons(results: Mapping[str, CommandResult]) -> str:
    """Return why commands on HAProxy instances failed."""
    return "; ".join(
        f"HAProxy on {id_}: {failure_reason(result)}" for id_, result in sorted(results.items())
    )


def _failed(results: Mapping[str, CommandResult]) -> dict[str, CommandResult]:
    return {id_: result for id_, result in results.items() if result.code != exit_codes.DONE}


def _require_success(results: Mapping[str, CommandResult], state: str) -> None:
    failed = _failed(results)
    if failed:
        message = f"{state}. {failure_reasons(failed)}"
        raise Failed(message)
