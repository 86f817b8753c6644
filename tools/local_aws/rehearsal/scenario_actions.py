"""Actions that cause the situation of a drill scenario on the local AWS.

An action is a verb and the key of an object of the drill's model. `living_system` performs actions.
A situation that the local AWS cannot cause raises `NotPlayableError`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model.model import Model


class Verb(Enum):
    """Kind of action on an object; each value is the text of the verb in reports."""

    KILL = "kill the machine"
    SUSPEND = "suspend the machine (SIGSTOP)"
    HANG_SERVERS = "let the Denodo servers accept connections without an answer"
    CLOSE_PORT = "close a port"
    CUT_ZONE = "cut off the zone"
    CUT_REGION = "cut off the region"
    CUT_BALANCER = "cut off the load balancer"
    CUT_ALARM = "let the alarm's metric have no data"
    CUT_CHECK = "make the health check unhealthy"
    LOSE_DATABASE = "stop the answers of services that need the database"
    FAIL_OVER_DATABASE = (
        "stop the answers of services that need the database, until the database's standby has "
        "taken over"
    )
    DRAIN = "drain the node (target groups, HAProxy)"
    SHIFT_ZONE = "start a zonal shift"
    THROW_SWITCH = "throw the switch"
    LOSE_LICENSE_MANAGER = "stop the answers of the License Manager"
    REBOOT = "reboot the machine"


@dataclass(frozen=True)
class Action:
    """An action of a rehearsal: a verb and its object.

    Attributes:
        verb: what is done.
        key: key of the machine, load balancer, database, alarm or health check; name of the zone or
            region; host of the License Manager.
        cluster: name of the cluster; empty for an object of no cluster.
        port: the port to close.
    """

    verb: Verb
    key: str
    cluster: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return the action as reports show it."""
        port = f" {self.port}" if self.port else ""
        return f"{self.verb.value}{port}: {self.key}"


class NotPlayableError(Exception):
    """A situation that the local AWS cannot cause; the message has the reason."""


def actions(model: Model, situation: Situation, *, suspend: bool = False) -> list[Action]:
    """Return the actions that cause a situation.

    Args:
        model: the model of the templates.
        situation: the situation of a scenario.
        suspend: suspend lost machines instead of killing them.

    Raises:
        NotPlayableError: the local AWS cannot cause the situation.
    """
    result = [
        action
        for cluster, state in situation.clusters
        for action in _of_cluster(model, cluster, state, suspend=suspend)
    ]
    result += [Action(Verb.CUT_ALARM, key) for key in sorted(situation.alarms_without_data)]
    result += [Action(Verb.CUT_CHECK, key) for key in sorted(situation.unhealthy_checks)]
    result += [Action(Verb.THROW_SWITCH, key) for key in sorted(situation.thrown_switches)]
    return list(dict.fromkeys(result))


def _of_cluster(
    model: Model, cluster: str, state: ClusterState, *, suspend: bool
) -> Iterator[Action]:
    yield from _of_databases(model, cluster, state)
    if state.license_manager_lost:
        yield Action(Verb.LOSE_LICENSE_MANAGER, model.license_managers[cluster])
    lost = Verb.SUSPEND if suspend else Verb.KILL
    # Drain a node before its machine is killed: the commands of this project drain nodes that run.
    yield from (Action(Verb.DRAIN, key, cluster) for key in sorted(state.drained_nodes))
    for key in sorted(state.lost_machines):
        is_balancer = key in model.machines and model.machines[key].is_balancer
        yield Action(Verb.CUT_BALANCER if is_balancer else lost, key, cluster)
    yield from (Action(Verb.HANG_SERVERS, key, cluster) for key in sorted(state.unready_nodes))
    yield from (
        Action(Verb.CLOSE_PORT, key, cluster, port) for key, port in sorted(state.closed_ports)
    )
    yield from (Action(Verb.SHIFT_ZONE, zone, cluster) for zone in sorted(state.shifted_zones))
    # A zone or region contains machines of several clusters, and is cut off once for all of them.
    yield from (Action(Verb.CUT_ZONE, zone) for zone in sorted(state.lost_zones))
    yield from (Action(Verb.CUT_BALANCER, key, cluster) for key in sorted(state.lost_balancers))
    if state.region_lost:
        yield Action(Verb.CUT_REGION, model.clusters[cluster].region)


def _of_databases(model: Model, cluster: str, state: ClusterState) -> Iterator[Action]:
    databases = {
        **dict.fromkeys(state.lost_databases, Verb.LOSE_DATABASE),
        **dict.fromkeys(state.failing_over_databases, Verb.FAIL_OVER_DATABASE),
    }
    for key, verb in sorted(databases.items()):
        if model.databases[key].ports is None:
            message = f"the templates do not show which services need the database {key}"
            raise NotPlayableError(message)
        yield Action(verb, key, cluster)
