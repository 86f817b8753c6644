"""The HAProxy instances of a cluster, controlled through the SSM documents of the cluster's stack.

    instances = HaproxyInstances(aws, cluster, clock)
    instances.drain("node1", timeout=1800)

The instances belong to the Auto Scaling group that the stack names. Each instance runs the same
program (`hosts/haproxy`), which has the same exit codes as the command `denodo-ha`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import named_effect, translated_errors
from denodo_ha.aws.polling import Clock
from denodo_ha.aws.ssm_command import CommandResult, SsmCommand
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Failed, NotFound
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.rotation.haproxy_fleet import (
    APPLY_S,
    HaproxyFleet,
    failure_reason,
    failure_reasons,
)
from denodo_ha.environment import names
from denodo_ha.environment.loading.bounded_document import parse_json_answer

_ROTATION: Final = frozenset({"drain", "enable", "status"})
"""Actions of the SSM document for the Solution Manager (`stacks/haproxy/ssm_document.py`)."""
_NO_NODE: Final = "-"
"""Value of the SSM document's parameter `Node` for actions that concern no single node."""
_GROUP: Final = "tag:aws:autoscaling:groupName"


def has_haproxy(cluster: Cluster) -> bool:
    """Return True if a cluster's nodes are behind HAProxy instances."""
    return names.HAPROXY_DOCUMENT in cluster.stack.outputs


@dataclass(frozen=True)
class HaproxyInstances(HaproxyFleet):
    """The HAProxy instances of a cluster."""

    aws: Aws
    cluster: Cluster
    clock: Clock

    def ids(self) -> tuple[str, ...]:
        """Return the ids of the running instances.

        Raises:
            Failed: No instance is running.
            AwsError: AWS did not answer, or denied a call.
        """
        group = self.cluster.stack.outputs[names.HAPROXY_FLEET]
        filters = [
            {"Name": _GROUP, "Values": [group]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        client = self.aws.client("ec2", self.cluster.location.region)
        with translated_errors():
            pages = client.get_paginator("describe_instances").paginate(Filters=filters)
            ids = [
                str(instance["InstanceId"])
                for page in pages
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            ]
        if not ids:
            message = (
                f"cluster {self.cluster.name} has no running HAProxy instance in the Auto Scaling "
                f"group {group}"
            )
            raise Failed(message)
        return tuple(sorted(ids))

    def apply(self) -> dict[str, str]:
        """Load the configuration file of the last deploy on each instance, one instance at a time.

        Returns:
            The output of each instance.

        Raises:
            Failed: An instance did not load the file. This instance runs with its previous file,
                and the remaining instances were not changed.
        """
        outputs: dict[str, str] = {}
        with deadline.extended(APPLY_S):
            ids = self.ids()
        for id_ in ids:
            recording.note(self.cluster.name, id_, before="its previous file")
            done = f" ({', '.join(outputs)} loaded the file before)" if outputs else ""
            effect = f"HAProxy on {id_} may have loaded the new file{done}: run the command again"
            with named_effect(effect), deadline.extended(2 * APPLY_S):
                result = self.run([id_], "apply", seconds=APPLY_S)[id_]
            if result.code != exit_codes.DONE:
                message = (
                    f"HAProxy on {id_} did not load the new file{done}: {failure_reason(result)}"
                )
                raise Failed(message)
            outputs[id_] = result.output.strip()
            recording.note(self.cluster.name, id_, after="the file of the last deploy")
        return outputs

    def status(self) -> dict[str, Mapping[str, Any]]:
        """Return each instance's report on its nodes, sessions and processes.

        Raises:
            Failed: An instance returns no valid report.
        """
        reports: dict[str, Mapping[str, Any]] = {}
        silent: dict[str, CommandResult] = {}
        for id_, result in self.run(self.ids(), "status").items():
            try:
                report = parse_json_answer(result.output)
                for server in report["servers"]:
                    # Access the keys that `rotation.capacity_check` reads: a report without them is
                    # not valid.
                    _ = str(server["backend"]), server["node"], server["usable"]
                reports[id_] = report
            except (ValueError, LookupError, TypeError):
                silent[id_] = result
        if silent:
            message = f"not every HAProxy instance reports its status: {failure_reasons(silent)}"
            raise Failed(message)
        return reports

    def run(
        self,
        ids: Iterable[str],
        action: str,
        node: str = _NO_NODE,
        seconds: int = APPLY_S,
        *,
        wait: bool = True,
        force: bool = False,
        patience: float | None = None,
    ) -> dict[str, CommandResult]:
        """Run an action of the SSM document on instances in parallel; see `HaproxyFleet`.

        Args:
            ids: ids of the instances.
            action: one of the document's actions.
            node: name of the node to which the action applies.
            seconds: seconds after which the action is ended.
            wait: True if a drain waits until the sessions end.
            force: True to drain a node even if no other node serves.
            patience: seconds to wait until the action ends; None: as long as the action may take.
        """
        ids = list(ids)
        parameters = {
            "Action": action,
            "Node": node,
            "Seconds": str(seconds),
            "Wait": "yes" if wait else "no",
            "Force": "yes" if force else "no",
        }
        comment = f"denodo-ha: haproxy {action}{'' if node == _NO_NODE else f' {node}'}"
        command = SsmCommand(self._document(action), parameters, comment, seconds)
        client = self.aws.client("ssm", self.cluster.location.region)
        try:
            return command.run(client, ids, self.clock, patience=patience)
        except NotFound:
            message = (
                f"the HAProxy instances {', '.join(ids)} cannot be reached through Systems "
                "Manager: check that their SSM agents run, and that they reach the ssm and "
                "ssmmessages endpoints"
            )
            raise Failed(message) from None

    def _document(self, action: str) -> str:
        """Return the name of the SSM document that has an action and as few others as possible.

        Stacks of earlier versions have only one SSM document, with all actions.
        """
        outputs = self.cluster.stack.outputs
        general = outputs[names.HAPROXY_DOCUMENT]
        return (
            outputs.get(names.HAPROXY_ROTATION_DOCUMENT, general)
            if action in _ROTATION
            else general
        )
