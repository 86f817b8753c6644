"""The HAProxies of a cluster, run through Systems Manager by the cluster's own document.

    proxies = Proxies(aws, cluster, clock)
    proxies.drain("node1", timeout=1800)

They are found by the Auto Scaling group that the stack names. Each has the same program
(`ops/haproxy`), which ends with the exit codes of this one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Failed, NotFound
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.node_agent import DELIVERY_S, EVERY_S, HASTE_S, CommandResult
from denodo_ha.deployed.rotation.haproxy_fleet import (
    APPLY_S,
    HaproxyFleet,
    failure_reason,
    failure_reasons,
)
from denodo_ha.environment import names

_ROTATION: Final = frozenset({"drain", "enable", "status"})
"""Actions of the document for the Solution Manager (`stacks/haproxy/ssm_document.py`)."""
_ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})
_GROUP: Final = "tag:aws:autoscaling:groupName"


def has_haproxy(cluster: Cluster) -> bool:
    """Whether a cluster's nodes are behind HAProxy."""
    return names.HAPROXY_DOCUMENT in cluster.stack.outputs


@dataclass(frozen=True)
class HaproxyInstances(HaproxyFleet):
    """The HAProxies of a cluster."""

    aws: Aws
    cluster: Cluster
    clock: Clock

    def ids(self) -> tuple[str, ...]:
        """The instances that run.

        Raises:
            Failed: there is none.
            AwsError: AWS does not answer, or does not permit.
        """
        fleet = self.cluster.stack.outputs[names.HAPROXY_FLEET]
        filters = [
            {"Name": _GROUP, "Values": [fleet]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        with translated_errors():
            pages = self.aws.client("ec2", self.cluster.location.region).get_paginator(
                "describe_instances"
            )
            found = [
                str(one["InstanceId"])
                for page in pages.paginate(Filters=filters)
                for of in page["Reservations"]
                for one in of["Instances"]
            ]
        if not found:
            message = f"cluster {self.cluster.name} has no HAProxy that runs (group {fleet})"
            raise Failed(message)
        return tuple(sorted(found))

    def apply(self) -> dict[str, str]:
        """Bring each HAProxy to what the last deploy wrote, one at a time; gives what each said.

        Raises:
            Failed: one did not take it: it serves as before, and the others were not asked.
        """
        said: dict[str, str] = {}
        for id_ in self.ids():
            ended = self.run([id_], "apply", seconds=APPLY_S)[id_]
            if ended.code != exit_codes.DONE:
                done = f"; {', '.join(said)} took it" if said else ""
                message = f"HAProxy on {id_} did not take its file{done}: {failure_reason(ended)}"
                raise Failed(message)
            said[id_] = ended.output.strip()
        return said

    def status(self) -> dict[str, Mapping[str, Any]]:
        """What each HAProxy says of its nodes, sessions and processes.

        Raises:
            Failed: one does not answer.
        """
        said: dict[str, Mapping[str, Any]] = {}
        silent: dict[str, CommandResult] = {}
        for id_, one in self.run(self.ids(), "status").items():
            try:
                said[id_] = json.loads(one.output)
            except ValueError:
                silent[id_] = one
        if silent:
            message = f"not every HAProxy says how it is: {failure_reasons(silent)}"
            raise Failed(message)
        return said

    def run(
        self,
        ids: Iterable[str],
        action: str,
        node: str = "-",
        seconds: int = APPLY_S,
        *,
        wait: bool = True,
        force: bool = False,
        patience: float | None = None,
    ) -> dict[str, CommandResult]:
        """Run an action of the document's; see `HaproxyFleet`.

        Args:
            ids: on which.
            action: one of the document's.
            node: the node that it is about.
            seconds: how long it may take.
            wait: whether a drain waits for sessions.
            force: whether to drain also if nobody else serves.
            patience: seconds to wait for its end; None: as long as it may take.
        """
        ids = list(ids)
        client = self.aws.client("ssm", self.cluster.location.region)
        parameters = {
            "Action": action,
            "Node": node,
            "Seconds": str(seconds),
            "Wait": "yes" if wait else "no",
            "Force": "yes" if force else "no",
        }
        try:
            with translated_errors():
                sent = client.send_command(
                    DocumentName=self._document(action),
                    InstanceIds=ids,
                    TimeoutSeconds=DELIVERY_S,
                    Comment=f"denodo-ha: haproxy {action} {node}"[:100],
                    Parameters={key: [value] for key, value in parameters.items()},
                )
        except NotFound:
            message = (
                f"the HAProxies {', '.join(ids)} cannot be reached through Systems Manager: see "
                "that their SSM agent runs, and that they have a way to the ssm and ssmmessages "
                "endpoints"
            )
            raise Failed(message) from None
        command = str(sent["Command"]["CommandId"])

        def look() -> dict[str, dict[str, Any]]:
            return {id_: _invocation(client, command, id_) for id_ in ids}

        try:
            seen = poll_until(
                look,
                done=lambda every: all(one["Status"] in _ENDED for one in every.values()),
                clock=self.clock,
                timeout=seconds + 2 * DELIVERY_S if patience is None else patience,
                every=EVERY_S if patience is None else HASTE_S,
            )
        except PollTimeout as late:
            message = f"the end of {action} was not seen after {late.seconds:.0f} s ({command})"
            raise Failed(message) from None
        return {id_: _ended(one) for id_, one in seen.items()}

    def _document(self, action: str) -> str:
        """The one with the fewest actions; what was deployed before there were two has one."""
        outputs = self.cluster.stack.outputs
        usual = outputs[names.HAPROXY_DOCUMENT]
        return outputs.get(names.HAPROXY_ROTATION_DOCUMENT, usual) if action in _ROTATION else usual


def _invocation(client: Any, command: str, id_: str) -> dict[str, Any]:
    try:
        with translated_errors():
            shown: dict[str, Any] = client.get_command_invocation(CommandId=command, InstanceId=id_)
    except NotFound:
        # It is known a moment after it was sent.
        return {"Status": "Pending"}
    return shown


def _ended(shown: Mapping[str, Any]) -> CommandResult:
    return CommandResult(
        int(shown.get("ResponseCode", -1)),
        str(shown.get("StatusDetails") or shown["Status"]),
        str(shown.get("StandardOutputContent", "")),
        str(shown.get("StandardErrorContent", "")),
    )
