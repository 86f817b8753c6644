"""Commands that Systems Manager runs on instances: send one, and poll until it has ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli.errors import Failed, NotFound

EVERY_S: Final = 5
"""Project default: seconds between two polls of a command's status."""
SOON_S: Final = 10
"""Project default: seconds in which polls are one second apart, since most commands end early."""
HASTE_S: Final = 1
"""Project default: seconds between two polls if the caller waits only for a short time."""
DELIVERY_S: Final = 60
"""Project default: seconds after which a command expires that no SSM agent has accepted; at least
30 (AWS, SendCommand, TimeoutSeconds)."""

_ENDED: Final = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})
_COMMENT_LENGTH: Final = 100
"""Maximum length of a command's comment (AWS, SendCommand, Comment)."""


@dataclass(frozen=True)
class CommandResult:
    """The result of a command on an instance.

    Attributes:
        code: exit code; -1 if the command did not run.
        status: the status of Systems Manager, such as Success or DeliveryTimedOut.
        output: standard output, the first 24,000 characters.
        error: standard error, the first 8,000 characters.
    """

    code: int
    status: str
    output: str
    error: str


@dataclass(frozen=True)
class SsmCommand:
    """A command of an SSM document.

    Attributes:
        document: name of the document.
        parameters: values by parameter; the deployed document must define each parameter.
        comment: the text that the Systems Manager console shows for the command.
        timeout: seconds after which the document ends the command.
    """

    document: str
    parameters: Mapping[str, str]
    comment: str
    timeout: int

    def run(
        self,
        client: Any,
        ids: Sequence[str],
        clock: Clock,
        *,
        patience: float | None = None,
        progress: Callable[[Mapping[str, str], float], None] | None = None,
    ) -> dict[str, CommandResult]:
        """Run the command on several instances in parallel, and return the result of each instance.

        Args:
            client: the SSM client of the instances' region.
            ids: ids of the instances.
            clock: the clock for time and waits.
            patience: seconds to wait until the command ends; None: the command's own timeout. A
                command that is still running after this time continues.
            progress: called with the status on each instance and the seconds that have passed.

        Raises:
            NotFound: Systems Manager does not reach an instance.
            Failed: The command did not end in time.
        """
        with translated_errors():
            sent = client.send_command(
                DocumentName=self.document,
                InstanceIds=[*ids],
                TimeoutSeconds=DELIVERY_S,
                Comment=self.comment[:_COMMENT_LENGTH],
                Parameters={name: [value] for name, value in self.parameters.items()},
            )
            command_id = str(sent["Command"]["CommandId"])

        def report(invocations: dict[str, dict[str, Any]], seconds: float) -> None:
            if progress is not None:
                statuses = {id_: str(shown["Status"]) for id_, shown in invocations.items()}
                progress(statuses, seconds)

        try:
            invocations = poll_until(
                lambda: {id_: _invocation(client, command_id, id_) for id_ in ids},
                done=lambda shown: all(each["Status"] in _ENDED for each in shown.values()),
                clock=clock,
                timeout=self.timeout + 2 * DELIVERY_S if patience is None else patience,
                every=EVERY_S if patience is None else HASTE_S,
                soon=SOON_S,
                progress=report,
            )
        except PollTimeout as late:
            message = (
                f"{self.comment.removeprefix('denodo-ha: ')}: Systems Manager did not report the "
                f"end within {late.seconds:.0f} s (SSM command {command_id})"
            )
            raise Failed(message) from None
        return {id_: _result(shown) for id_, shown in invocations.items()}


def _invocation(client: Any, command_id: str, instance_id: str) -> dict[str, Any]:
    try:
        with translated_errors():
            invocation: dict[str, Any] = client.get_command_invocation(
                CommandId=command_id, InstanceId=instance_id
            )
            _ = invocation["Status"]
    except NotFound:
        # Systems Manager finds a new invocation only some time after the command was sent.
        return {"Status": "Pending"}
    return invocation


def _result(invocation: Mapping[str, Any]) -> CommandResult:
    return CommandResult(
        int(invocation.get("ResponseCode", -1)),
        str(invocation.get("StatusDetails") or invocation["Status"]),
        str(invocation.get("StandardOutputContent", "")),
        str(invocation.get("StandardErrorContent", "")),
    )
