"""Runs the node program through Systems Manager, with the SSM document of the cluster's stack.

    agent = NodeAgent(aws, cluster, clock=clock)
    agent.status("node1").confirmed
    agent.run("node1", "apply", timeout=3600)

`docs/reference/node.md` has the program's exit codes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.aws.ssm_command import CommandResult, SsmCommand
from denodo_ha.cli.errors import Failed, NotFound, Refused, UsageError
from denodo_ha.cli.operator_text import accepted_text, operator_name
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.stack import mapping_in
from denodo_ha.environment import names
from denodo_ha.environment.loading.bounded_document import parse_json_answer

STATUS_S: Final = 120
"""Project default: seconds to wait for a node's status."""

SHORT: Final = 8
"""Project default: number of characters of a desired state's hash that commands print."""

_REQUEST: Final = "request"
"""Key of the request id, which is sent in the parameter for the operator's name: SSM documents have
no parameter of their own for the request id."""

DONE: Final = 0
UNKNOWN_ACTION: Final = 2
BUSY: Final = 5
ROLLED_BACK: Final = 6
NOT_READY: Final = 9
WOULD_CHANGE: Final = 10
LICENSE_MANAGER: Final = "license-manager"
"""Action that sends a request to the License Manager; SSM documents and node programs of earlier
versions do not have it."""
EXPORT_ACTIONS: Final = frozenset({"digest-test", "import-export"})
"""Actions that only the SSM documents of clusters with `exports` have: these actions use the login
for exports."""
UNLICENSED: Final = 14
AS_BEFORE: Final = frozenset({1, 3, 4, ROLLED_BACK, 8, 12})
"""Exit codes of actions after which the node's servers run as they did before the action."""

_PRIORITY = re.compile(r"^<[0-7]>")

MEANINGS: Final[Mapping[int, str]] = {
    1: "a call of the node to AWS failed",
    UNKNOWN_ACTION: "the node program is of another version, which does not have this action",
    3: "the desired state, or a secret that it names, cannot be read",
    4: "the image or a shared database lacks something that the node needs",
    BUSY: "another run of the program is active on the node",
    ROLLED_BACK: "the servers did not start with the new state; the previous state runs again",
    7: "the servers start neither with the new state nor with the previous one: the node is down",
    8: "the servers do not stop; no file was changed",
    NOT_READY: "the servers were not ready in time",
    13: "the metadata could not be exported",
    11: "the servers run, but the metadata export could not be imported",
    12: "the operating system refused a step before anything was changed",
    UNLICENSED: "the License Manager does not answer",
}
"""Meaning of each exit code of the node program (`hosts/denodo/errors.py`)."""


def explain_result(result: CommandResult) -> str:
    """Return the meaning of the node program's exit code, with the program's last message."""
    if result.code == -1:
        return f"the command did not run on the node ({result.status})"
    # Each line of the output begins with a priority for journald, such as <3>.
    every = (_PRIORITY.sub("", line) for line in f"{result.output}\n{result.error}".splitlines())
    lines = [line for line in every if line.strip()]
    # All lines of a message but the first are indented.
    begin = next((index for index in range(len(lines) - 1, 0, -1) if lines[index][0] != " "), 0)
    last = " ".join(line.strip() for line in lines[begin:])
    meaning = MEANINGS.get(result.code, f"exit code {result.code}")
    return f"{meaning}: {last}" if last else meaning


@dataclass(frozen=True)
class NodeStatus:
    """A node's own report.

    Attributes:
        applied: the desired state that the node applied last; None if it has not applied a state
            yet.
        confirmed: True if the node's metadata is confirmed, by an operator or by an import.
        unready: for each service that is not ready, the reason.
        version: a short hash of the applied state; empty if the node has not applied a state yet.
        drained: True if the node reports "not ready" because it was drained.
        earlier_rules: True if the node reports "ready" by the readiness rules of an earlier
            version.
        drain_hold: True if the watchdog rests because the node was drained; None if the node
            program is of an earlier version, whose watchdog cannot rest.
        warnings: the node's warnings, for example about a new program that the node refuses to run.
    """

    applied: Mapping[str, Any] | None
    confirmed: bool
    unready: Mapping[str, str]
    version: str = ""
    drained: bool = False
    earlier_rules: bool = False
    drain_hold: bool | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeAgent:
    """Runs actions of the node program (`hosts/denodo`) on the nodes of a cluster."""

    aws: Aws
    cluster: Cluster
    clock: Clock

    def status(self, node: str, *, patience: float | None = None) -> NodeStatus:
        """Return a node's own report.

        Args:
            node: name of the node.
            patience: seconds to wait for the report; None: `STATUS_S`.

        Raises:
            Failed: The node does not answer, or its output is not a report.
        """
        result = self.run(node, "status", timeout=STATUS_S, patience=patience)
        try:
            # If the exit code is not 0, the output is not JSON, and this raises ValueError.
            report = parse_json_answer(result.output)
            applied = report["applied"]
            return NodeStatus(
                applied=applied["state"] if applied else None,
                confirmed=bool(report["metadata_confirmed"]),
                unready={
                    str(service["service"]): str(service["reason"])
                    for service in report["services"]
                    if not service["ready"]
                },
                version=str(applied.get("hash", ""))[:SHORT] if applied else "",
                drained=bool(report.get("drained")),
                earlier_rules=(report.get("readiness") or {}).get("rules") == "earlier",
                drain_hold=bool(report["drain_hold"]) if "drain_hold" in report else None,
                warnings=tuple(_warnings(report)),
            )
        except (AttributeError, ValueError, KeyError, TypeError):
            message = f"{node} does not report its status: {explain_result(result)}"
            raise Failed(message) from None

    def would_change(self, node: str) -> bool:
        """Return whether an apply of the desired state would change anything on a node.

        Raises:
            Failed: The node does not answer, or cannot compare, for example because it cannot read
                the login of its metadata database.
        """
        result = self.run(node, "check", timeout=STATUS_S)
        if result.code not in {DONE, WOULD_CHANGE}:
            message = (
                f"{node} cannot compare its desired state with the state that it has applied: "
                f"{explain_result(result)}"
            )
            raise Failed(message)
        return result.code == WOULD_CHANGE

    def offers(self, action: str) -> bool:
        """Return whether the deployed SSM document has an action, which earlier versions may lack.

        Return True if the deployed template does not say which actions the SSM document has.
        """
        stack = self.cluster.stack
        for logical_id, properties in stack.resources("AWS::SSM::Document"):
            if stack.physical_ids.get(logical_id) == self._document:
                parameters = mapping_in(mapping_in(properties, "Content"), "parameters")
                allowed = mapping_in(parameters, "Action").get("allowedValues")
                return not isinstance(allowed, list) or action in allowed
        return True

    def require_action(self, action: str) -> None:
        """Check that the deployed SSM document has an action.

        Raises:
            Refused: The SSM document lacks the action.
            UsageError: The cluster has no SSM document, so its nodes do not run the node program.
        """
        if not self.offers(action):
            cluster, reason, remedy = self.cluster.location.name, "", ""
            if action in EXPORT_ACTIONS:
                reason = f", or because {cluster} has no `exports`, and so no login for exports"
                remedy = f"add `exports` to clusters.{cluster} if the key is missing, "
            message = (
                f"the SSM document of {self.cluster.stack.name} does not have the action {action}, "
                f"because an earlier version deployed the document{reason}; {remedy}deploy the "
                "cluster again with this version, then run the command again"
            )
            raise Refused(message)

    def run(
        self,
        node: str,
        action: str,
        *,
        timeout: int,
        why: str = "",
        export: str = "",
        request: str = "",
        until: str = "",
        progress: Callable[[str, float], None] | None = None,
        patience: float | None = None,
    ) -> CommandResult:
        """Run an action on a node, and wait until the action has ended.

        Args:
            node: name of the node.
            action: one of the SSM document's actions.
            timeout: seconds after which the action is ended.
            why: the operator's reason, for the actions drain, hold and pause.
            export: S3 address of an export's manifest, for the action import-export.
            request: id of the action, if the action may be sent again after its answer was lost;
                the node does not repeat an apply that it has undone.
            until: the end of the pause, for the action pause.
            progress: called with the status and the seconds that have passed.
            patience: seconds to wait until the action ends; None: the timeout. An action that is
                still running after this time continues.

        Raises:
            Refused: The deployed SSM document does not have the action.
            Failed: Systems Manager does not reach the node, or the action did not end in time.
        """
        self.require_action(action)
        id_ = self.cluster.node(node).instance_id
        who = accepted_text(operator_name())
        parameters = {
            "Action": action,
            "Who": f"{who} {_REQUEST}={request}" if request else who,
            "Timeout": str(timeout),
        }
        if why:
            parameters["Why"] = accepted_text(why)
        if until:
            parameters["Until"] = until
        if export:
            # Every SSM document with the action import-export has the parameter `Export`.
            parameters["Export"] = export
        command = SsmCommand(self._document, parameters, f"denodo-ha: {action} {node}", timeout)

        def report(statuses: Mapping[str, str], seconds: float) -> None:
            if progress is not None:
                progress(statuses[id_], seconds)

        client = self.aws.client("ssm", self.cluster.location.region)
        try:
            results = command.run(client, [id_], self.clock, patience=patience, progress=report)
        except NotFound:
            message = (
                f"{node} ({id_}) cannot be reached through Systems Manager: check that the "
                "instance and its SSM agent run, and that the agent reaches the ssm and "
                "ssmmessages endpoints"
            )
            raise Failed(message) from None
        return results[id_]

    @property
    def _document(self) -> str:
        name = self.cluster.stack.outputs.get(names.NODE_DOCUMENT)
        if name is None:
            message = (
                f"{self.cluster.stack.name} has no SSM document for its nodes: `denodo.program` "
                "is off, or an earlier version without the document deployed the stack; deploy "
                "the stack again with this version"
            )
            raise UsageError(message)
        return name


def _warnings(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the warnings of a node's report; programs of older versions do not report any."""
    yield from map(str, report.get("warnings", ()))
    if refused := report.get("program_refused"):
        yield (
            f"the node keeps its program, and refuses the program {refused['program']} since "
            f"{refused['at']}: {refused['reason']}"
        )
