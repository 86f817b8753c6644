"""States of a cluster's machines during a failure: running, listening, passing checks."""

from collections.abc import Callable, Mapping, Sequence

from denodo_ha.drill.engine.situation import ClusterState
from denodo_ha.drill.model.machines import (
    JDBC_READINESS_PATH,
    READINESS_PATH,
    Key,
    Machine,
    Target,
    TargetHealthCheck,
    Upstream,
)
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Reach, reach_of_alternatives, reach_of_chain

AuxiliaryReach = Callable[[Key], Reach]
"""Function that returns the reach of the auxiliary port to which a node directs a client."""

ANY_SERVICE_PATH = "/health"
"""The path on which a proxy reports whether it has a usable node for any service."""


class MachineStates:
    """The machines of one cluster while the cluster has the failures of a `ClusterState`.

    Args:
        model: the model of the templates.
        state: the failures.
        auxiliary: for each 7.0 node, the auxiliary port of Virtual DataPort on which it listens.
    """

    def __init__(self, model: Model, state: ClusterState, auxiliary: Mapping[Key, int]) -> None:
        self._model, self._state, self._auxiliary = model, state, auxiliary

    def runs(self, machine: Machine) -> bool:
        """Return whether a machine runs."""
        state = self._state
        return not (
            state.region_lost
            or machine.key in state.lost_machines
            or machine.zone in state.lost_zones
        )

    def listens(self, machine: Machine, port: int) -> bool:
        """Return whether a machine accepts connections to a port."""
        return self.runs(machine) and (machine.key, port) not in self._state.closed_ports

    def passes(self, target: Target, check: TargetHealthCheck, *, jdbc: bool) -> bool:
        """Return whether a target's health check passes.

        Args:
            target: the target.
            check: the health check.
            jdbc: whether the service is jdbc, which directs clients to the auxiliary port.
        """
        machine = self._model.machines[target.machine]
        port = check.port or target.port
        if not self.listens(machine, port):
            return False
        if machine.kind == "node":
            return not check.requests_readiness or self._ready(machine, target.port, jdbc=jdbc)
        reports_health = port == machine.health_port
        if not (check.is_http and (reports_health or port == target.port)):
            return True
        any_service = reports_health and check.path == ANY_SERVICE_PATH
        ports = list(machine.upstreams or ()) if any_service else [target.port]
        return any(
            self._through_proxy(machine, port, served=False, auxiliary_reach=None) is not Reach.NONE
            for port in ports
        )

    def _ready(self, node: Machine, port: int, *, jdbc: bool) -> bool:
        """Return the readiness that the host program on a node reports.

        The program connects as a client does. With Denodo 7.0 it therefore also needs the auxiliary
        port.
        """
        return (
            node.key not in self._state.unready_nodes | self._state.drained_nodes
            and self.listens(node, port)
            and (not jdbc or self._listens_on_second(node))
        )

    def _listens_on_second(self, node: Machine) -> bool:
        """Return whether a node listens on its auxiliary port; True if it has no such port."""
        second = self._auxiliary.get(node.key)
        return second is None or self.listens(node, second)

    def connect(
        self, target: Target, *, served: bool, auxiliary_reach: AuxiliaryReach | None
    ) -> Reach:
        """Return the reach of a new connection to a target.

        Args:
            target: the target.
            served: whether the connection must be served, and not only accepted.
            auxiliary_reach: returns the reach of the second connection; None if
                clients need no second connection.
        """
        return self._connect(
            target.machine, target.port, served=served, auxiliary_reach=auxiliary_reach
        )

    def accepts(self, target: Target) -> Reach:
        """Return the reach of a target that only has to accept connections.

        A proxy accepts connections even if no node serves.
        """
        machine = self._model.machines[target.machine]
        return Reach.ALL if self.listens(machine, target.port) else Reach.NONE

    def _connect(
        self, key: Key, port: int, *, served: bool, auxiliary_reach: AuxiliaryReach | None
    ) -> Reach:
        machine = self._model.machines[key]
        if not self.listens(machine, port):
            return Reach.NONE
        if machine.kind == "proxy":
            return self._through_proxy(
                machine, port, served=served, auxiliary_reach=auxiliary_reach
            )
        if served and key in self._state.unready_nodes:
            return Reach.NONE
        return auxiliary_reach(key) if auxiliary_reach else Reach.ALL

    def _through_proxy(
        self, proxy: Machine, port: int, *, served: bool, auxiliary_reach: AuxiliaryReach | None
    ) -> Reach:
        """Return the reach of a proxy's port through the nodes that pass the proxy's own check."""
        upstream = proxy.upstream(port)
        if upstream is None:
            return Reach.UNKNOWN
        return reach_of_alternatives(
            self._connect(key, upstream.port, served=served, auxiliary_reach=auxiliary_reach)
            for key in self.passing(upstream)
        )

    def serving_nodes(self, target: Target) -> Sequence[Key]:
        """Return the nodes that serve a target's connections; unknown nodes are left out."""
        machine = self._model.machines[target.machine]
        if not self.listens(machine, target.port):
            return ()
        if machine.kind == "node":
            return () if machine.key in self._state.unready_nodes else (machine.key,)
        upstream = machine.upstream(target.port)
        nodes = self.passing(upstream) if upstream is not None else []
        return [key for key in nodes if key not in self._state.unready_nodes]

    def upstream(self, target: Target) -> Upstream | None:
        """Return the nodes to which a proxy passes the connections of a target; None for a node."""
        return self._model.machines[target.machine].upstream(target.port)

    def left_out(self, upstream: Upstream) -> frozenset[Key]:
        """Return the nodes that fail a proxy's check; drained nodes are not included."""
        registered = set(upstream.nodes) - self._drained(upstream)
        return frozenset(registered - set(self.passing(upstream)))

    def passing(self, upstream: Upstream) -> list[Key]:
        """Return the keys of the nodes that are not drained and pass a proxy's own check."""
        by_readiness = upstream.path.startswith(READINESS_PATH)
        unready = self._state.unready_nodes if by_readiness else frozenset()
        drained = self._drained(upstream)
        jdbc = upstream.path == JDBC_READINESS_PATH
        return [
            key
            for key in upstream.nodes
            if self.listens(self._model.machines[key], upstream.port)
            and key not in unready | drained
            and (not jdbc or self._listens_on_second(self._model.machines[key]))
        ]

    def _drained(self, upstream: Upstream) -> frozenset[Key]:
        # A proxy's upstream with one node belongs to an auxiliary port, which uses its node even
        # while the node is drained.
        return self._state.drained_nodes if len(upstream.nodes) > 1 else frozenset()


def database_reach(model: Model, state: ClusterState, port: int) -> Reach:
    """Return the share of a port's connections that can be served without the lost databases."""
    reach = Reach.ALL
    for key in state.lost_databases:
        ports = model.databases[key].ports
        own = Reach.UNKNOWN if ports is None else Reach.NONE if port in ports else Reach.ALL
        reach = reach_of_chain(reach, own)
    return reach
