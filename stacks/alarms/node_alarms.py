"""Alarms of a cluster on the metrics that its nodes publish."""

from collections.abc import Iterable

from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import alarms, node_alarms
from denodo_ha.environment.model.environment import Environment
from stacks.alarms.notifying_alarms import (
    AT_LEAST,
    BELOW,
    create_metric_alarm,
    create_notifying_alarm,
)
from stacks.alarms.topics import Topics


class NodeAlarms(Construct):
    """Alarms on the metrics that nodes publish, and on the absence of these metrics.

    A node publishes its first metrics after the roll that follows the deploy. Until then no alarm
    notifies: the alarms on values treat missing data as OK, and the alarm on absence notifies only
    after the metric has had data.

    Attributes:
        unready: names of the alarms on the readiness of the nodes, by node.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        name: str,
        topics: Topics,
        nodes: Iterable[str],
    ) -> None:
        """Create the alarms.

        Args:
            scope: parent.
            id_: id.
            environment: the configuration.
            name: name of the cluster.
            topics: the topics to notify.
            nodes: names of the nodes that publish metrics.
        """
        super().__init__(scope, id_)
        self._environment, self._cluster = environment, name
        nodes = [*nodes]
        self.unready: dict[str, str] = {}
        for alarm in node_alarms.node_alarms(environment, name):
            parts = {node: self._create(alarm, node) for node in nodes}
            create_notifying_alarm(
                self, alarm.id, parts=parts.values(), text=alarm.text, topics=topics
            )
            if alarm.metric == node_alarms.UNREADY_SERVICES:
                self.unready = parts
        if node_alarms.haproxy_metrics(environment, name):
            self._watch_haproxy_certificate(topics)
        text = node_alarms.silent_node(environment, name)
        for node in nodes:
            # The metric never falls below this threshold, so the alarm monitors only missing data.
            create_metric_alarm(
                self,
                f"Silent-{node}",
                namespace=names.node_metrics_namespace(environment.name),
                metric=node_alarms.UNREADY_SERVICES,
                dimensions=self._dimensions(node),
                statistic="Maximum",
                operator=BELOW,
                threshold=0,
                minutes=node_alarms.silence_minutes(environment),
                period_minutes=node_alarms.PERIOD_MINUTES,
                missing="missing",
                description=text.description,
                insufficient_data_actions=[topics.of(text.urgency)],
            )

    def _create(self, alarm: node_alarms.NodeAlarm, node: str) -> str:
        """Create an alarm on a metric of one node. Return the alarm's name."""
        return create_metric_alarm(
            self,
            f"{alarm.id}-{node}",
            namespace=names.node_metrics_namespace(self._environment.name),
            metric=alarm.metric,
            dimensions=self._dimensions(node),
            statistic="Minimum" if alarm.is_minimum else "Maximum",
            operator=BELOW if alarm.is_minimum else AT_LEAST,
            threshold=alarm.threshold,
            minutes=alarm.minutes,
            period_minutes=node_alarms.PERIOD_MINUTES,
            missing="notBreaching",
            part_of=alarm.text,
        )

    def _watch_haproxy_certificate(self, topics: Topics) -> None:
        """Create the alarm on the days until the HAProxy instances' certificate expires."""
        text = node_alarms.haproxy_certificate(self._environment, self._cluster)
        part = create_metric_alarm(
            self,
            "haproxy-certificate",
            namespace=names.node_metrics_namespace(self._environment.name),
            metric=node_alarms.HAPROXY_CERTIFICATE_DAYS,
            dimensions={node_alarms.CLUSTER_DIMENSION: self._cluster},
            statistic="Minimum",
            operator=BELOW,
            threshold=alarms.CERTIFICATE_DAYS,
            minutes=3 * node_alarms.HAPROXY_PERIOD_MINUTES,
            period_minutes=node_alarms.HAPROXY_PERIOD_MINUTES,
            missing="notBreaching",
            part_of=text,
        )
        create_notifying_alarm(self, "HaproxyCertificate", parts=[part], text=text, topics=topics)

    def _dimensions(self, node: str) -> dict[str, str]:
        return {
            node_alarms.CLUSTER_DIMENSION: self._cluster,
            node_alarms.NODE_DIMENSION: node,
        }
