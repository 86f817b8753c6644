"""The table of all alarms that send notifications, for docs/reference/alarms.md."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from denodo_ha.environment import names
from denodo_ha.environment.derived import alarms, node_alarms
from denodo_ha.environment.derived.alarms import AlarmText
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.catalog import Exports
from tools.reference_pages.markdown import table

_EXAMPLE: Final = Path(__file__).parents[2] / "config/examples/active-passive.yaml"
_CLUSTER: Final = "active"
_CHECK_EVERY_H: Final = 24


def text() -> str:
    """Return the table: each alarm, its topic in a cluster of two nodes, and what it reports."""
    rows = [
        (f"[{alarm.name}](#{alarm.name.lower().replace(' ', '-')})", alarm.urgency, alarm.what)
        for alarm in alarm_texts()
    ]
    return table(("alarm", "topic", "what has happened"), rows)


def alarm_texts() -> Iterator[AlarmText]:
    """Yield the texts of all alarms of the default example with metadata exports turned on."""
    environment = load(_EXAMPLE).environment
    settings = environment.clusters[_CLUSTER].model_copy(
        update={"exports": Exports.model_construct(login="")}
    )
    clusters = {**environment.clusters, _CLUSTER: settings}
    environment = environment.model_copy(update={"clusters": clusters})
    cluster = names.cluster_stack(environment.name, _CLUSTER)
    yield alarms.node_out(cluster, len(settings.nodes))
    yield alarms.machine_lost(cluster, len(settings.nodes))
    yield alarms.one_node_left(cluster)
    yield alarms.proxy_out(cluster, len(settings.nodes))
    yield alarms.no_node(environment, _CLUSTER, cluster)
    yield alarms.balancer_silent(environment, _CLUSTER, cluster)
    yield alarms.port_allocation(cluster)
    yield alarms.switch_thrown(environment)
    yield alarms.switch_still_thrown(environment)
    yield alarms.standby_not_ready(_CHECK_EVERY_H)
    yield from (alarms.record_unhealthy(environment, role) for role in ("Primary", "Secondary"))
    yield alarms.database_storage(cluster)
    yield alarms.database_connections(cluster)
    yield alarms.balancer_certificate(cluster)
    yield from (alarm.text for alarm in node_alarms.node_alarms(environment, _CLUSTER))
    yield node_alarms.haproxy_certificate(environment, _CLUSTER)
    yield node_alarms.silent_node(environment, _CLUSTER)
