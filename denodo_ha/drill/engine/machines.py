"""Machines while something has failed: whose checks pass, and who answers a connection."""

from collections.abc import Callable, Mapping

from denodo_ha.drill.engine.reachability import Reach, chained, combined
from denodo_ha.drill.engine.situation import ClusterState
from denodo_ha.drill.model import READY, Key, Model, Node, Probe, Serving, Target

Hop = Callable[[Key], Reach]
ANY = "/health"
"""What a proxy answers for all of its services together."""


class Machines:
    """The machines of one cluster in one state.

    Args:
        model: what stands there.
        state: what has failed.
        auxiliary: a 7.0 node's auxiliary port on the node itself.
    """

    def __init__(self, model: Model, state: ClusterState, auxiliary: Mapping[Key, int]) -> None:
        self._model, self._state, self._auxiliary = model, state, auxiliary

    def alive(self, machine: Node) -> bool:
        """Whether a machine runs."""
        state = self._state
        return not (state.region or machine.key in state.dead or machine.zone in state.zones)

    def listens(self, machine: Node, port: int) -> bool:
        """Whether a machine accepts connections to a port."""
        return self.alive(machine) and (machine.key, port) not in self._state.closed

    def passes(self, target: Target, probe: Probe, *, jdbc: bool) -> bool:
        """Whether a target's health check passes.

        Args:
            target: the target.
            probe: the check.
            jdbc: whether the service is the one that sends clients on to the auxiliary port.
        """
        machine = self._model.nodes[target.machine]
        port = probe.port or target.port
        if not self.listens(machine, port):
            return False
        if machine.kind == "proxy":
            told = port == machine.health_port
            through = probe.protocol.startswith("HTTP") and (told or port == target.port)
            ports = list(machine.serves or ()) if told and probe.path == ANY else [target.port]
            return not through or any(
                self._proxied(machine, one, served=False, hop=None) is not Reach.NONE
                for one in ports
            )
        return not probe.asks_readiness or self._ready(machine, target.port, jdbc=jdbc)

    def _ready(self, machine: Node, port: int, *, jdbc: bool) -> bool:
        """What a node's own program says: it speaks the service's protocol, both connections."""
        second = self._auxiliary.get(machine.key) if jdbc else None
        return (
            machine.key not in self._state.promoting | self._state.drained
            and self.listens(machine, port)
            and (second is None or self.listens(machine, second))
        )

    def connect(self, target: Target, *, served: bool, hop: Hop | None) -> Reach:
        """What comes of a new connection to a target.

        Args:
            target: the target.
            served: whether being accepted is not enough.
            hop: how the node that answers is reached a second time, if it must be.
        """
        return self._connect(target.machine, target.port, served=served, hop=hop)

    def _connect(self, key: Key, port: int, *, served: bool, hop: Hop | None) -> Reach:
        machine = self._model.nodes[key]
        if not self.listens(machine, port):
            return Reach.NONE
        if machine.kind == "proxy":
            return self._proxied(machine, port, served=served, hop=hop)
        if served and key in self._state.promoting:
            return Reach.NONE
        return chained(Reach.ALL, hop(key)) if hop else Reach.ALL

    def _proxied(self, proxy: Node, port: int, *, served: bool, hop: Hop | None) -> Reach:
        """Through a proxy, which leaves out the nodes that its own check finds unwell."""
        serving = proxy.serves.get(port) if proxy.serves is not None else None
        if serving is None:
            return Reach.UNKNOWN
        nodes = self._well(serving)
        return combined(self._connect(key, serving.port, served=served, hop=hop) for key in nodes)

    def behind(self, target: Target) -> Serving | None:
        """What a target passes connections on to, None for a node."""
        serves = self._model.nodes[target.machine].serves
        return serves.get(target.port) if serves else None

    def left_out(self, serving: Serving) -> frozenset[Key]:
        """The nodes that a proxy's check finds unwell; one that is drained was told to leave."""
        registered = set(serving.nodes) - self._drained(serving)
        return frozenset(registered - set(self._well(serving)))

    def _well(self, serving: Serving) -> list[Key]:
        """The nodes that a proxy passes connections on to."""
        asks = serving.path.startswith(READY)
        unready = self._state.promoting if asks else frozenset()
        drained = self._drained(serving)
        return [
            key
            for key in serving.nodes
            if self.listens(self._model.nodes[key], serving.port) and key not in unready | drained
        ]

    def _drained(self, serving: Serving) -> frozenset[Key]:
        # An auxiliary port keeps its node, as on a balancer.
        return self._state.drained if len(serving.nodes) > 1 else frozenset()
