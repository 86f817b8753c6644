"""Data loss of a failover: the times since which changes exist only at the active cluster.

Everything is read in the region of the cluster that takes over.
"""

from dataclasses import dataclass
from datetime import datetime

from denodo_ha.aws.clients import Aws
from denodo_ha.environment.derived import node_metadata
from denodo_ha.standby.check_line import Unknown, age_text, clock_text, known
from denodo_ha.standby.standby_facts import Standby, read_active_exports, read_copy

_SCHEDULER = "scheduler"


@dataclass(frozen=True)
class Loss:
    """Kind of data that a failover may lose.

    Attributes:
        kind: the data, such as metadata.
        since: time since which changes would be lost; None if the time is not known, or if the data
            is not copied.
        reason: why `since` is None.
    """

    kind: str
    since: datetime | None
    reason: str = ""


def read_losses(aws: Aws, standby: Standby) -> tuple[Loss, ...]:
    """Read since when data of each kind would be lost; a time that AWS does not give is unknown.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    metadata = known(lambda: _metadata(aws, standby))
    losses = [metadata if isinstance(metadata, Loss) else _not_known("metadata", metadata)]
    settings = standby.environment.clusters[standby.active]
    shared = settings.catalog.components if settings.catalog is not None else ()
    if settings.catalog is not None:
        database = known(lambda: _database(aws, standby))
        losses.append(database if isinstance(database, Loss) else _not_known("database", database))
    if _SCHEDULER not in shared:
        reason = "not copied; stored only on the nodes"
        losses.append(Loss("jobs' state of the Schedulers", None, reason))
    return tuple(losses)


def sentence(standby: Standby, losses: tuple[Loss, ...], now: datetime) -> str:
    """Return one sentence on the data that a failover to the standby would lose."""
    parts = [
        f"{loss.kind} since {clock_text(loss.since, now)} ({age_text(now - loss.since)})"
        if loss.since is not None
        else f"{loss.kind}: {loss.reason}"
        for loss in losses
    ]
    return f"if {standby.active} does not come back, what is lost: {'; '.join(parts)}"


def _not_known(kind: str, fact: Unknown) -> Loss:
    return Loss(kind, None, f"not known ({fact.reason})")


def _metadata(aws: Aws, standby: Standby) -> Loss:
    """Return the loss of metadata: changes reach the standby only with the node's next export."""
    newest = read_active_exports(aws, standby)
    nodes = sorted(standby.environment.clusters[standby.active].nodes)
    missing = [node for node in nodes if node not in newest or newest[node].error]
    if missing:
        return Loss("metadata", None, f"there is no copied export of {', '.join(missing)}")
    return Loss("metadata", min(newest[node].at for node in nodes))


def _database(aws: Aws, standby: Standby) -> Loss:
    if not node_metadata.creates_database(standby.environment.clusters[standby.active]):
        return Loss("database", None, "on your own database server; see the backups of that server")
    copy = read_copy(aws, standby)
    if copy is None:
        return Loss("database", None, "not copied")
    return Loss("database", copy.latest_restorable, "not copied yet")
