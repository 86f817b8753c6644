"""What the failure of a shared database does to its cluster."""

from collections.abc import Iterable, Iterator

from denodo_ha.drill.engine import aws_rules
from denodo_ha.drill.engine.duration_terms import Term
from denodo_ha.drill.engine.reachability import Reach, chained
from denodo_ha.drill.engine.situation import ClusterState
from denodo_ha.drill.model import Cluster, Database, Key, Model
from denodo_ha.environment.facts.limits import DATABASE_FAILOVER_S


def of(model: Model, cluster: Cluster) -> list[Database]:
    """The databases of a cluster."""
    return [one for one in model.databases.values() if one.cluster == cluster.name]


def failed(databases: Iterable[Database]) -> ClusterState:
    """The state of a cluster that has lost the instances of databases."""
    found: dict[bool, set[Key]] = {True: set(), False: set()}
    for one in databases:
        found[aws_rules.database_failover(multi_az=one.multi_az) is not None].add(one.key)
    return ClusterState(failing_over=frozenset(found[True]), databases=frozenset(found[False]))


def may_be_in(database: Database, zone: str) -> bool:
    """Whether a zone's loss may take its instance; where nothing says where it is, each does."""
    return database.zones is None or zone in database.zones


def answers(model: Model, state: ClusterState, port: int) -> Reach:
    """How a service on a port is served, as far as databases that are gone for good let it."""
    reach = Reach.ALL
    for key in state.databases:
        ports = model.databases[key].ports
        one = Reach.UNKNOWN if ports is None else Reach.NONE if port in ports else Reach.ALL
        reach = chained(reach, one)
    return reach


def waiting(model: Model, state: ClusterState, ports: Iterable[int]) -> Iterator[int]:
    """The ports, of those given, that are not served while a database fails over."""
    needed = {port for key in state.failing_over for port in model.databases[key].ports or ()}
    return (port for port in ports if port in needed)


def failover(model: Model, state: ClusterState, ports: Iterable[int]) -> tuple[Term, ...]:
    """Until the services on some ports are served again, none if they need no such database."""
    unknown = any(model.databases[key].ports is None for key in state.failing_over)
    if not unknown and not any(waiting(model, state, ports)):
        return ()
    low, high = DATABASE_FAILOVER_S.low, DATABASE_FAILOVER_S.high
    return (Term(f"failover of the database, typically {low} to {high} s", high),)
