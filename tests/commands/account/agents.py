"""Simulated SSM agents and node programs, as far as commands use them.

    agents = Agents(cloud, "main")
    agents.deploy(jvm={"vdp": "-Xmx2048m"})     # every parameter changes
    agents.nodes["node2"].outcome = agent.ROLLED_BACK

At every call to AWS, the agents check that at most one node is out of service or being changed. A
command takes effect, and has a result, after its duration on the cloud's virtual clock.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from denodo_ha.deployed import node_agent
from denodo_ha.environment import names
from tests.commands.account.calls import Answer, Call, Fault, answer, error
from tests.commands.account.cloud import Cloud


@dataclass
class Node:
    """Simulated node program of one node.

    Attributes:
        applied: the applied state.
        confirmed: True if the node's metadata is confirmed.
        more: further keys of the node's status.
        unready: reasons why services are not ready.
        outcome: exit code of the command `apply`; only 0 applies the state.
        seconds: duration of the command `apply`.
        reachable: True if the SSM agent answers.
        applies: number of `apply` commands.
        settings: output of the command `catalog-settings`; empty if the program is too old for it.
        digest_test: output of the command `digest-test`; empty if the program is too old for it.
        imports: addresses of the exports that the node was to import.
        import_outcome: exit code of the command `import-export`.
        accepts: number of times that the node accepted the readiness rules of its version.
        running: True if Denodo's servers run.
        stop_outcome: exit code of the command `stop`; only 0 stops the servers.
        stops: time limits of the `stop` commands, in seconds.
        held: reason for which the node was held by `hold`; empty if it is not held.
        paused: end of its pause, empty if it is not paused.
        holds: the actions `hold` and `release` that were run.
        hold_outcome: exit code of these two actions; only 0 has an effect.
        has_old_login: True if the login to the metadata database has changed since the last apply.
        check_outcome: exit code of the command `check` if it fails; with 0, `check` compares the
            node's states.
    """

    applied: dict[str, Any] | None = None
    confirmed: bool = True
    more: dict[str, Any] = field(default_factory=dict)
    unready: dict[str, str] = field(default_factory=dict)
    outcome: int = node_agent.DONE
    seconds: float = 20
    reachable: bool = True
    applies: int = 0
    settings: str = ""
    digest_test: str = ""
    imports: list[str] = field(default_factory=list)
    import_outcome: int = node_agent.DONE
    accepts: int = 0
    running: bool = True
    stop_outcome: int = node_agent.DONE
    stops: list[int] = field(default_factory=list)
    held: str = ""
    paused: str = ""
    holds: list[str] = field(default_factory=list)
    hold_outcome: int = node_agent.DONE
    has_old_login: bool = False
    check_outcome: int = node_agent.DONE

    def become(self, state: dict[str, Any]) -> None:
        """End an apply: set the applied state, and mark the node's database logins as current."""
        self.applied, self.has_old_login = state, False

    def hold(self, action: str, why: str) -> None:
        """Carry out the action `hold` or `release`."""
        self.holds.append(action)
        if self.hold_outcome == node_agent.DONE:
            self.held = why if action == "hold" else ""


@dataclass
class Command:
    """A command that Systems Manager has sent to a node: the time of its end, and its result."""

    ends: float
    code: int
    output: str


class Agents:
    """SSM agents of a cluster.

    Attributes:
        nodes: the node program of each node.
        most_out: largest number of nodes that were out of service at the same time.
        slow: True if no command ends.
        license: exit code of the command `license-manager`.
        licensed_by: the nodes on which the command `license-manager` was run.
    """

    def __init__(self, cloud: Cloud, cluster: str) -> None:
        self.cloud, self.cluster = cloud, cluster
        self._region = cloud.environment.clusters[cluster].region
        self._commands: dict[str, Command] = {}
        self._busy: dict[str, float] = {}
        self._numbers = itertools.count()
        self.most_out = 0
        self.slow = False
        self.license = node_agent.DONE
        self.licensed_by: list[str] = []
        self.nodes = {name: Node(applied=self.desired(name)) for name in cloud.nodes(cluster)}
        self.install()

    def install(self) -> None:
        """Start answering commands; call again after `faults.heal()`."""
        self.cloud.faults.add(Fault(lambda call: call.service == "ssm", self._answer))
        self.cloud.faults.add(Fault(lambda _: True, self._watch))

    def desired(self, node: str) -> dict[str, Any]:
        """Return a node's desired state, from its parameter."""
        response = self._ssm.get_parameter(Name=self._name(node))
        state: dict[str, Any] = json.loads(response["Parameter"]["Value"])
        return state

    def deploy(self, **changes: Any) -> None:
        """Change the desired state of every node, as a deploy does."""
        for node in self.nodes:
            value = json.dumps({**self.desired(node), **changes})
            self._ssm.put_parameter(Name=self._name(node), Value=value, Overwrite=True)

    def out(self) -> set[str]:
        """Return the nodes that are missing from at least one shared target group."""
        groups = set(self.cloud.groups(self.cluster)) - set(self.nodes)
        inside = [self.cloud.registered(self.cluster, group) for group in groups]
        return {node for node in self.nodes if any(node not in group for group in inside)}

    @property
    def stale(self) -> set[str]:
        """Return the nodes whose applied state differs from their desired state."""
        return {name for name, node in self.nodes.items() if node.applied != self.desired(name)}

    @property
    def _ssm(self) -> Any:
        return self.cloud.client("ssm", self._region)

    def _name(self, node: str) -> str:
        return names.node_parameter(self.cloud.environment.name, self.cluster, node)

    def _watch(self, _: Call) -> None:
        """Check that at most one node is out of service, and that no node in service is changed."""
        now = self.cloud.clock.monotonic()
        busy = {node for node, ends in self._busy.items() if now < ends}
        assert busy <= self.out(), f"{busy} are changed while they serve"
        self.most_out = max(self.most_out, len(self.out()))
        assert self.most_out <= 1, f"{self.out()} are out"

    def _answer(self, call: Call) -> Answer | None:
        match call.operation:
            case "SendCommand":
                return self._send(call)
            case "GetCommandInvocation":
                return self._show(call)
        return None

    def _send(self, call: Call) -> Answer:
        (id_,) = call.parameters["InstanceIds"]
        names = {id_: name for name, id_ in self.cloud.nodes(self.cluster).items()}
        (action,) = call.parameters["Parameters"]["Action"]
        node = self.nodes[names[id_]]
        if not node.reachable:
            return error("InvalidInstanceId", "Instances not in a valid state for account")
        command = f"{next(self._numbers):036d}"
        now = self.cloud.clock.monotonic()
        report = self._report(names[id_], action, call.parameters["Parameters"])
        if report is not None:
            ended = Command(now, *report)
        elif action in {"stop", "import-export"}:
            assert names[id_] in self.out(), f"{action} of {names[id_]} while it serves"
            outcome = self._stopped_or_imported(node, call.parameters["Parameters"])
            ended = Command(now + node.seconds, outcome, "")
        elif now < self._busy.get(names[id_], 0):
            ended = Command(now, node_agent.BUSY, "another run is at work")
        else:
            ended = Command(now + node.seconds, node.outcome, f"ended with {node.outcome}")
            self._busy[names[id_]] = ended.ends
            node.applies += 1
            if node.outcome == node_agent.DONE:
                state = self.desired(names[id_])
                # A command continues even if its sender was killed.
                self.cloud.clock.at(ended.ends, lambda: node.become(state))
        self._commands[command] = ended
        return answer({"Command": {"CommandId": command}})

    @staticmethod
    def _stopped_or_imported(node: Node, parameters: dict[str, list[str]]) -> int:
        """Carry out the action `stop` or `import-export` on a node; return the exit code."""
        if parameters["Action"] == ["stop"]:
            node.stops.append(int(parameters["Timeout"][0]))
            node.running = node.running and node.stop_outcome != node_agent.DONE
            return node.stop_outcome
        node.imports += parameters["Export"]
        node.confirmed = node.import_outcome == node_agent.DONE
        return node.import_outcome

    def _report(
        self, name: str, action: str, parameters: Mapping[str, list[str]]
    ) -> tuple[int, str] | None:
        """Carry out an action that takes no time; return its result, None for other actions."""
        node = self.nodes[name]
        result: tuple[int, str] | None = None
        match action:
            case "status":
                result = self._status(node)
            case "check":
                is_due = node.has_old_login or node.applied != self.desired(name)
                compared = node_agent.WOULD_CHANGE if is_due else node_agent.DONE
                result = node.check_outcome or compared, ""
            case "license-manager":
                result = self._licensed(name)
            case "confirm-metadata":
                node.confirmed = node.outcome == node_agent.DONE
                result = node.outcome, f"ended with {node.outcome}"
            case "accept-readiness":
                node.accepts += 1
                node.more = {**node.more, "readiness": {"rules": "current"}}
                result = node_agent.DONE, "the services are judged by the current rules"
            case "hold" | "release":
                node.hold(action, *parameters.get("Why", [""]))
                result = node.hold_outcome, ""
            case "pause" | "resume":
                (node.paused,) = parameters.get("Until", [""])
                result = node_agent.DONE, ""
            case "start":
                node.running = True
                result = node_agent.DONE, ""
            case "catalog-settings" | "digest-test":
                output = node.settings if action == "catalog-settings" else node.digest_test
                result = node_agent.DONE if output else 2, output
        return result

    def _licensed(self, node: str) -> tuple[int, str]:
        self.licensed_by.append(node)
        return self.license, "the License Manager sm:10091: timed out"

    def _status(self, node: Node) -> tuple[int, str]:
        services = {"jdbc": "" if node.running else "nothing listens", **node.unready}
        if not node.confirmed:
            services = dict.fromkeys(services, "its metadata is not confirmed")
        report = {
            "applied": {"state": node.applied, "hash": "0123456789ab"} if node.applied else None,
            "metadata_confirmed": node.confirmed,
            "services": [
                {"service": name, "ready": not why, "reason": why} for name, why in services.items()
            ],
        }
        report |= node.more
        unready = any(services.values())
        return node_agent.NOT_READY if unready else node_agent.DONE, json.dumps(report)

    def _show(self, call: Call) -> Answer:
        ended = self._commands[call.parameters["CommandId"]]
        if self.slow or self.cloud.clock.monotonic() < ended.ends:
            return answer({"Status": "InProgress", "StatusDetails": "InProgress"})
        status = "Success" if ended.code == 0 else "Failed"
        return answer(
            {
                "Status": status,
                "StatusDetails": status,
                "ResponseCode": ended.code,
                "StandardOutputContent": ended.output,
                "StandardErrorContent": "",
            }
        )
