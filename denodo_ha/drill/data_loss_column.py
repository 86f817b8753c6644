"""The column "May be lost" of the drill: data that clients may lose if DNS fails over.

After a failover, clients work with the data that the other cluster has. The times are upper bounds
from the templates: the interval of exports, and the delay of replicated backups that AWS publishes.
"""

from collections.abc import Iterator

from denodo_ha.drill.model.model import Cluster, Model
from denodo_ha.drill.outcome import Outcome
from denodo_ha.environment.facts.limits import DATABASE_COPY_DELAY_S

_HOUR_S = 3600
_MINUTE_S = 60


def loss_lines(outcome: Outcome, model: Model) -> list[str]:
    """Return the data that may be lost if the cluster used before the failover does not recover."""
    left = {change.before: None for change in outcome.dns_changes if change.before != change.after}
    return [
        line
        for name in left
        if (cluster := model.clusters.get(name)) is not None
        for line in _losses(cluster, model)
    ]


def _losses(cluster: Cluster, model: Model) -> Iterator[str]:
    copies = model.copies.get(cluster.name)
    every = copies.export_seconds if copies is not None else None
    if every is None:
        yield "metadata: there are no exports"
    elif copies is not None and not copies.are_exports_copied:
        yield "metadata: exports are not copied"
    else:
        hours = f"{every / _HOUR_S:g} h"
        yield f"metadata: changes of {hours} and the duration of a copy"
    if model.databases_of(cluster.name):
        if copies is not None and copies.is_database_copied:
            yield f"database: changes of {DATABASE_COPY_DELAY_S // _MINUTE_S} min"
        else:
            yield "database: is not copied"
