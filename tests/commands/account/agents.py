"""The nodes' agents, and the program behind them, as far as commands notice.

    agents = Agents(cloud, "main")
    agents.deploy(jvm={"vdp": "-Xmx2048m"})     # every parameter changes
    agents.nodes["node2"].outcome = agent.ROLLED_BACK
    agents.watch()                              # at most one node out or changed, at every call

A command is answered once its time on the cloud's clock has passed, and takes effect then.
"""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from denodo_ha.deployed import node_agent
from denodo_ha.environment import names
from tests.commands.account.calls import Answer, Call, Fault, answer, error
from tests.commands.account.cloud import Cloud


@dataclass
class Node:
    """A node's program.

    Attributes:
        applied: the state that it has.
        confirmed: whether its metadata is.
        unready: why services are not ready.
        outcome: exit code of an apply; only 0 takes the state.
        seconds: how long an apply takes.
        reachable: whether its agent answers.
        applies: how often the state was applied.
    """

    applied: dict[str, Any] | None = None
    confirmed: bool = True
    unready: dict[str, str] = field(default_factory=dict)
    outcome: int = node_agent.DONE
    seconds: float = 20
    reachable: bool = True
    applies: int = 0


@dataclass
class Command:
    """A command on its way: when it ends, and how."""

    ends: float
    code: int
    output: str


class Agents:
    """The agents of a cluster.

    Attributes:
        nodes: what is on each node.
        most_out: how many nodes were out at once, at most.
        slow: whether no command ends.
    """

    def __init__(self, cloud: Cloud, cluster: str) -> None:
        self.cloud, self.cluster = cloud, cluster
        self._region = cloud.environment.clusters[cluster].region
        self._commands: dict[str, Command] = {}
        self._busy: dict[str, float] = {}
        self._numbers = itertools.count()
        self.most_out = 0
        self.slow = False
        self.nodes = {name: Node(applied=self.desired(name)) for name in cloud.nodes(cluster)}
        self.install()

    def install(self) -> None:
        """Answer commands; again after the cloud's faults were healed."""
        self.cloud.faults.add(Fault(lambda call: call.service == "ssm", self._answer))
        self.cloud.faults.add(Fault(lambda _: True, self._watch))

    def desired(self, node: str) -> dict[str, Any]:
        """A node's parameter."""
        found = self._ssm.get_parameter(Name=self._name(node))
        state: dict[str, Any] = json.loads(found["Parameter"]["Value"])
        return state

    def deploy(self, **changes: Any) -> None:
        """Change every node's parameter."""
        for node in self.nodes:
            value = json.dumps({**self.desired(node), **changes})
            self._ssm.put_parameter(Name=self._name(node), Value=value, Overwrite=True)

    def out(self) -> set[str]:
        """The nodes that some shared group lacks."""
        groups = set(self.cloud.groups(self.cluster)) - set(self.nodes)
        inside = [self.cloud.registered(self.cluster, group) for group in groups]
        return {node for node in self.nodes if any(node not in one for one in inside)}

    @property
    def stale(self) -> set[str]:
        """The nodes that do not have their state."""
        return {name for name, node in self.nodes.items() if node.applied != self.desired(name)}

    @property
    def _ssm(self) -> Any:
        return self.cloud.client("ssm", self._region)

    def _name(self, node: str) -> str:
        return names.node_parameter(self.cloud.environment.name, self.cluster, node)

    def _watch(self, _: Call) -> None:
        """Look, at every call, at how many nodes are out or being changed."""
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
        if action == "status":
            ended = Command(now, *self._status(node))
        elif action == "confirm-metadata":
            node.confirmed = node.outcome == node_agent.DONE
            ended = Command(now, node.outcome, f"ended with {node.outcome}")
        elif now < self._busy.get(names[id_], 0):
            ended = Command(now, node_agent.BUSY, "another run is at work")
        else:
            ended = Command(now + node.seconds, node.outcome, f"ended with {node.outcome}")
            self._busy[names[id_]] = ended.ends
            node.applies += 1
            if node.outcome == node_agent.DONE:
                state = self.desired(names[id_])
                # A command goes on whether its sender lives or not.
                self.cloud.clock.at(ended.ends, lambda: setattr(node, "applied", state))
        self._commands[command] = ended
        return answer({"Command": {"CommandId": command}})

    def _status(self, node: Node) -> tuple[int, str]:
        services = {"jdbc": "", **node.unready}
        if not node.confirmed:
            services = dict.fromkeys(services, "its metadata is not confirmed")
        said = {
            "applied": {"state": node.applied, "hash": "0123456789ab"} if node.applied else None,
            "metadata_confirmed": node.confirmed,
            "services": [
                {"service": name, "ready": not why, "reason": why} for name, why in services.items()
            ],
        }
        unready = any(services.values())
        return node_agent.NOT_READY if unready else node_agent.DONE, json.dumps(said)

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
