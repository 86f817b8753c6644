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

from ops import exits, names
from ops.agent import DELIVERY_S, EVERY_S, HASTE_S, Ended
from ops.aws import Aws
from ops.clock import Clock
from ops.errors import Failed, NotFound, Refused
from ops.found import Cluster
from ops.translate import told
from ops.wait import TooLong, until

DRAIN_S: Final = 1800
"""Ours: how long sessions may take to end."""
ENABLE_S: Final = 600
"""Ours: how long a node may take to pass HAProxy's checks."""
APPLY_S: Final = 300
"""Ours: how long HAProxy may take to load another file."""
_ENDED = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})
_GROUP: Final = "tag:aws:autoscaling:groupName"


def has_proxies(cluster: Cluster) -> bool:
    """Whether a cluster's nodes are behind HAProxy."""
    return names.HAPROXY_DOCUMENT in cluster.stack.outputs


@dataclass(frozen=True)
class Proxies:
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
        with told():
            pages = self.aws.client("ec2", self.cluster.place.region).get_paginator(
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
            if ended.code != exits.DONE:
                done = f"; {', '.join(said)} took it" if said else ""
                message = f"HAProxy on {id_} did not take its file{done}: {why(ended)}"
                raise Failed(message)
            said[id_] = ended.output.strip()
        return said

    def drain(self, node: str, *, timeout: float | None = None, force: bool = False) -> None:
        """Take a node out on every HAProxy, then wait on all until it has no sessions.

        Raises:
            Refused: nobody else would serve; nothing is changed.
            Failed: it did not come out; the message says what stands.
        """
        # First on all: while one waits, another would send new sessions.
        self.take_out(node, force=force)
        self.wait_until_gone(node, timeout=timeout)

    def take_out(self, node: str, *, force: bool = False) -> None:
        """Send nothing new to a node, on any HAProxy; its sessions go on.

        Raises:
            Refused: nobody else would serve; nothing is changed.
            Failed: some HAProxy did not do it; the message says which.
        """
        forced = "yes" if force else "no"
        begun = self.run(self.ids(), "drain", node, Wait="no", Force=forced)
        refused = {id_: one for id_, one in begun.items() if one.code == exits.REFUSED}
        if refused:
            taken = [id_ for id_, one in begun.items() if one.code == exits.DONE]
            if taken:
                self.run(taken, "enable", node, ENABLE_S)
            raise Refused(_each(refused))
        self._demand(begun, f"{node} may still get new sessions")

    def wait_until_gone(self, node: str, *, timeout: float | None = None) -> None:
        """Wait on every HAProxy until a node that was taken out has no sessions.

        Raises:
            Failed: it still has some; the message says how many.
        """
        # Forced, as it is out already: nobody is left to be asked about.
        ended = self.run(self.ids(), "drain", node, int(timeout or DRAIN_S), Force="yes")
        self._demand(ended, f"{node} gets no new sessions")

    def enable(self, node: str, *, timeout: float | None = None) -> None:
        """Bring a node back on every HAProxy, once each finds it well.

        Raises:
            Failed: some HAProxy does not; the message says which, and why.
        """
        ended = self.run(self.ids(), "enable", node, int(timeout or ENABLE_S))
        self._demand(ended, f"{node} is not back on every HAProxy")

    def status(self) -> dict[str, Mapping[str, Any]]:
        """What each HAProxy says of its nodes, sessions and processes.

        Raises:
            Failed: one does not answer.
        """
        said: dict[str, Mapping[str, Any]] = {}
        silent: dict[str, Ended] = {}
        for id_, one in self.run(self.ids(), "status").items():
            try:
                said[id_] = json.loads(one.output)
            except ValueError:
                silent[id_] = one
        if silent:
            message = f"not every HAProxy says how it is: {_each(silent)}"
            raise Failed(message)
        return said

    def run(
        self,
        ids: Iterable[str],
        action: str,
        node: str = "-",
        seconds: int = APPLY_S,
        patience: float | None = None,
        **more: str,
    ) -> dict[str, Ended]:
        """Run an action on HAProxies at the same time; gives how it ended on each.

        Args:
            ids: their instances.
            action: one of the document's.
            node: what it is about.
            seconds: how long it may take.
            patience: seconds to wait for its end; None: as long as it may take.
            more: other parameters of the document.

        Raises:
            Failed: an end was not seen in time, or nobody can be reached.
        """
        ids = list(ids)
        client = self.aws.client("ssm", self.cluster.place.region)
        parameters = {"Action": action, "Node": node, "Seconds": str(seconds), **more}
        try:
            with told():
                sent = client.send_command(
                    DocumentName=self.cluster.stack.outputs[names.HAPROXY_DOCUMENT],
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
            seen = until(
                look,
                done=lambda every: all(one["Status"] in _ENDED for one in every.values()),
                clock=self.clock,
                timeout=seconds + 2 * DELIVERY_S if patience is None else patience,
                every=EVERY_S if patience is None else HASTE_S,
            )
        except TooLong as late:
            message = f"the end of {action} was not seen after {late.seconds:.0f} s ({command})"
            raise Failed(message) from None
        return {id_: _ended(one) for id_, one in seen.items()}

    def _demand(self, ended: Mapping[str, Ended], stands: str) -> None:
        wrong = {id_: one for id_, one in ended.items() if one.code != exits.DONE}
        if wrong:
            message = f"{stands}. {_each(wrong)}"
            raise Failed(message)


def _invocation(client: Any, command: str, id_: str) -> dict[str, Any]:
    try:
        with told():
            shown: dict[str, Any] = client.get_command_invocation(CommandId=command, InstanceId=id_)
    except NotFound:
        # It is known a moment after it was sent.
        return {"Status": "Pending"}
    return shown


def _ended(shown: Mapping[str, Any]) -> Ended:
    return Ended(
        int(shown.get("ResponseCode", -1)),
        str(shown.get("StatusDetails") or shown["Status"]),
        str(shown.get("StandardOutputContent", "")),
        str(shown.get("StandardErrorContent", "")),
    )


def _each(ended: Mapping[str, Ended]) -> str:
    return "; ".join(f"HAProxy on {id_}: {why(one)}" for id_, one in sorted(ended.items()))


def why(ended: Ended) -> str:
    """Why a command on a HAProxy ended as it did: what it said last."""
    if ended.code == -1:
        return f"the command did not run ({ended.status})"
    said = " ".join((ended.error or ended.output).split()).removeprefix("haproxy: ")
    return said or f"exit code {ended.code}"
