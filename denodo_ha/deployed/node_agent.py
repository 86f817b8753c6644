"""The program on the nodes, run through Systems Manager by the cluster's own document.

    agent = Agent(aws, cluster, clock=clock)
    agent.status("node1").confirmed
    agent.run("node1", "apply", timeout=3600)

What a node says ends as text or a number here; `docs/node.md` has the exit codes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli.errors import Failed, NotFound, UsageError
from denodo_ha.cli.operator_text import accepted_text, operator_name
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.environment import names

EVERY_S: Final = 5
HASTE_S: Final = 1
"""Ours: how often a command is looked at that somebody waits for impatiently."""
STATUS_S: Final = 120
"""Ours: how long a node may take to say how it is."""
DELIVERY_S: Final = 60
"""Ours: seconds after which a command that no agent has taken is given up; 30 at least (AWS,
SendCommand, TimeoutSeconds)."""

SHORT: Final = 8
"""Ours: letters of a state's hash that are shown."""

DONE: Final = 0
BUSY: Final = 5
ROLLED_BACK: Final = 6
NOT_READY: Final = 9
AS_BEFORE: Final = frozenset({1, 3, 4, ROLLED_BACK, 8, 12})
"""After these the servers of before run, as far as the node knows."""

MEANINGS: Final[Mapping[int, str]] = {
    1: "AWS did not do what the node asked for",
    2: "the node's program is another one than this command knows",
    3: "the desired state, or a secret that it names, cannot be read",
    4: "the image lacks something",
    BUSY: "another run is at work on the node",
    ROLLED_BACK: "the change did not come up; the state before runs again",
    7: "the change did not come up, and the state before neither: the node is down",
    8: "the servers do not stop; no file was changed",
    NOT_READY: "the servers are not ready in time",
    11: "the servers run, and the export could not be imported",
    12: "the system refused something before anything was changed",
}
"""The exit codes of the node's program (`hosts/denodo/errors.py`)."""

_ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})


@dataclass(frozen=True)
class CommandResult:
    """How a command on a node ended.

    Attributes:
        code: exit code; -1 where it did not run.
        status: Systems Manager's word for it, such as Success or DeliveryTimedOut.
        output: what it wrote to standard output, the first 24,000 characters.
        error: the same of standard error, the first 8,000.
    """

    code: int
    status: str
    output: str
    error: str

    @property
    def meaning(self) -> str:
        """What it means, with the last thing that the node said."""
        if self.code == -1:
            return f"the command did not run on the node ({self.status})"
        lines = [line for line in (self.output + "\n" + self.error).splitlines() if line.strip()]
        # journald's priorities, such as <3>.
        last = lines[-1].split(">", 1)[-1].strip() if lines else ""
        why = MEANINGS.get(self.code, f"exit code {self.code}")
        return f"{why}: {last}" if last else why


@dataclass(frozen=True)
class NodeStatus:
    """What a node says of itself.

    Attributes:
        applied: the state that it has, None before the first.
        confirmed: whether its metadata is confirmed.
        unready: why services are not ready, by service.
        version: a short hash of the state that it has; empty before the first.
        drained: whether the node's own program was told to be not ready.
    """

    applied: Mapping[str, Any] | None
    confirmed: bool
    unready: Mapping[str, str]
    version: str = ""
    drained: bool = False


@dataclass(frozen=True)
class NodeAgent:
    """The program on the nodes of a cluster."""

    aws: Aws
    cluster: Cluster
    clock: Clock

    def status(self, node: str, *, patience: float | None = None) -> NodeStatus:
        """What a node says of itself.

        Args:
            node: the node.
            patience: seconds to wait for it; None: as long as it may take.

        Raises:
            Failed: it does not answer, or not as it should.
        """
        ended = self.run(node, "status", timeout=STATUS_S, patience=patience)
        try:
            # With any other exit code there is no object.
            said = json.loads(ended.output)
            applied = said["applied"]
            return NodeStatus(
                applied=applied["state"] if applied else None,
                confirmed=bool(said["metadata_confirmed"]),
                unready={
                    str(one["service"]): str(one["reason"])
                    for one in said["services"]
                    if not one["ready"]
                },
                version=str(applied.get("hash", ""))[:SHORT] if applied else "",
                drained=bool(said.get("drained")),
            )
        except (ValueError, KeyError, TypeError):
            message = f"{node} does not say how it is: {ended.meaning}"
            raise Failed(message) from None

    def run(
        self,
        node: str,
        action: str,
        *,
        timeout: int,
        why: str = "",
        progress: Callable[[str, float], None] | None = None,
        patience: float | None = None,
    ) -> CommandResult:
        """Run an action on a node, and wait until it has ended.

        Args:
            node: the node.
            action: one of the document's.
            timeout: seconds after which it is ended.
            why: for a drain.
            progress: told of the state, with the seconds that have passed.
            patience: seconds to wait for its end; None: as long as it may take. What is sent
                goes on without anybody who waits.

        Raises:
            Failed: the node cannot be reached, or its end was not seen in time.
        """
        found = self.cluster.node(node)
        client = self.aws.client("ssm", self.cluster.location.region)
        parameters = {
            "Action": [action],
            "Who": [accepted_text(operator_name())],
            "Timeout": [str(timeout)],
        }
        if why:
            parameters["Why"] = [accepted_text(why)]
        try:
            with translated_errors():
                sent = client.send_command(
                    DocumentName=self._document,
                    InstanceIds=[found.instance_id],
                    TimeoutSeconds=DELIVERY_S,
                    Comment=f"denodo-ha: {action} {node}"[:100],
                    Parameters=parameters,
                )
        except NotFound:
            message = (
                f"{node} ({found.instance_id}) cannot be reached through Systems Manager: see "
                "that it runs, that its SSM agent does, and that it has a way to the ssm and "
                "ssmmessages endpoints"
            )
            raise Failed(message) from None
        command = str(sent["Command"]["CommandId"])

        def look() -> dict[str, Any]:
            try:
                with translated_errors():
                    shown: dict[str, Any] = client.get_command_invocation(
                        CommandId=command, InstanceId=found.instance_id
                    )
            except NotFound:
                # It is known a moment after it was sent.
                return {"Status": "Pending"}
            return shown

        def say(seen: dict[str, Any], passed: float) -> None:
            if progress is not None:
                progress(str(seen["Status"]), passed)

        try:
            seen = poll_until(
                look,
                done=lambda one: one["Status"] in _ENDED,
                clock=self.clock,
                timeout=timeout + 2 * DELIVERY_S if patience is None else patience,
                every=EVERY_S if patience is None else HASTE_S,
                progress=say,
            )
        except PollTimeout as late:
            message = (
                f"{node}: the end of {action} was not seen after {late.seconds:.0f} s "
                f"(command {command})"
            )
            raise Failed(message) from None
        return CommandResult(
            int(seen.get("ResponseCode", -1)),
            str(seen.get("StatusDetails") or seen["Status"]),
            str(seen.get("StandardOutputContent", "")),
            str(seen.get("StandardErrorContent", "")),
        )

    @property
    def _document(self) -> str:
        name = self.cluster.stack.outputs.get(names.NODE_DOCUMENT)
        if name is None:
            message = (
                f"{self.cluster.stack.name} has no document for its nodes: `denodo.program` is "
                "off, or it was deployed before there was one"
            )
            raise UsageError(message)
        return name
