"""Alarms of a cluster on the metrics of its load balancer and instances."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from aws_cdk import Stack
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import alarms, node_alarms
from denodo_ha.environment.model.environment import Environment
from stacks.alarms.node_alarms import NodeAlarms
from stacks.alarms.notifying_alarms import (
    AT_LEAST,
    BELOW,
    any_of,
    create_composed_alarm,
    create_metric_alarm,
    create_notifying_alarm,
    create_suppressor,
)
from stacks.alarms.topics import Topics, create_topics

NLB_METRICS = "AWS/NetworkELB"
ALB_METRICS = "AWS/ApplicationELB"


@dataclass(frozen=True)
class WatchedGroup:
    """Target group that alarms watch, with the namespace and dimensions of the metrics.

    Attributes:
        id: the part of construct ids that identifies the target group.
        namespace: namespace of the target group's metrics.
        dimensions: dimensions of the target group's metrics.
        is_auxiliary: whether the target group is that of an auxiliary port.
    """

    id: str
    namespace: str
    dimensions: Mapping[str, str]
    is_auxiliary: bool = False


class ClusterAlarms(Construct):
    """Alarms of a cluster.

    AWS reports most of the metrics all the time while a cluster is healthy. AWS reports a few
    counts only while they are not zero: their alarms treat missing data as OK. Therefore no alarm
    of a healthy cluster remains in state INSUFFICIENT_DATA. A drained node raises no alarm, because
    it is not registered with the target groups.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        name: str,
        topics: Topics,
        load_balancer: str | None,
        groups: Iterable[WatchedGroup],
        instance_ids: Mapping[str, str],
        certificates: Iterable[str],
        unready: Mapping[str, str],
    ) -> None:
        """Create the alarms.

        Args:
            scope: parent.
            id_: id.
            environment: the configuration.
            name: name of the cluster.
            topics: the topics to notify.
            load_balancer: name of the Network Load Balancer in CloudWatch metrics; None without a
                load balancer.
            groups: the target groups.
            instance_ids: instance ids of the nodes by name.
            certificates: ARNs of the certificates of the listeners.
            unready: names of the alarms on the readiness of nodes, by node; only for nodes that
                publish metrics.
        """
        super().__init__(scope, id_)
        self._environment, self._name, self._topics = environment, name, topics
        self._cluster = environment.clusters[name]
        self._stack = names.cluster_stack(environment.name, name)
        machines = self._watch_machines(instance_ids)
        self._watch_last_node(machines, unready)
        self._watch_certificates(certificates)
        if load_balancer is not None:
            groups = sorted(groups, key=lambda group: group.id)
            self._watch_unhealthy_targets(groups)
            self._watch_healthy_targets(groups, load_balancer)
            self._watch_load_balancers(groups, load_balancer)

    def _watch_machines(self, instance_ids: Mapping[str, str]) -> dict[str, str]:
        """Create an alarm for each node's instance; missing data counts as a failure.

        An instance that does not run reports no data. Return the names of the alarms by node.
        """
        text = alarms.machine_lost(self._stack, len(instance_ids))
        parts = {
            node: create_metric_alarm(
                self,
                f"machine-{node}",
                namespace="AWS/EC2",
                metric="StatusCheckFailed",
                dimensions={"InstanceId": instance_id},
                statistic="Maximum",
                operator=AT_LEAST,
                minutes=alarms.MACHINE_MINUTES,
                missing="breaching",
                part_of=text,
            )
            for node, instance_id in sorted(instance_ids.items())
        }
        self._notify("MachineLost", parts.values(), text)
        return parts

    def _watch_last_node(self, machines: Mapping[str, str], unready: Mapping[str, str]) -> None:
        """Create the alarm on the last node, for clusters of three nodes or more.

        With two nodes, the alarm on a lost node is enough. The rule holds if, for one of the
        nodes, all other nodes are lost or not ready.
        """
        if len(machines) not in alarms.LAST_NODE_OF:
            return
        out = {
            node: any_of([machine, *([unready[node]] if node in unready else [])])
            for node, machine in machines.items()
        }
        rules = (
            " AND ".join(f"({rule})" for other, rule in out.items() if other != node)
            for node in out
        )
        create_composed_alarm(
            self,
            "OneNodeLeft",
            rule=" OR ".join(f"({rule})" for rule in rules),
            text=alarms.one_node_left(self._stack),
            topics=self._topics,
        )

    def _watch_certificates(self, certificates: Iterable[str]) -> None:
        """Create the alarms on listeners' certificates; missing data changes no alarm's state."""
        text = alarms.balancer_certificate(self._stack)
        parts = [
            create_metric_alarm(
                self,
                f"certificate-{number}",
                namespace="AWS/CertificateManager",
                metric="DaysToExpiry",
                dimensions={"CertificateArn": certificate},
                statistic="Minimum",
                operator=BELOW,
                threshold=alarms.CERTIFICATE_DAYS,
                minutes=alarms.CERTIFICATE_HOURS * 60,
                period_minutes=alarms.CERTIFICATE_HOURS * 60,
                missing="ignore",
                part_of=text,
            )
            for number, certificate in enumerate(certificates, 1)
        ]
        if parts:
            self._notify("BalancerCertificate", parts, text)

    def _watch_unhealthy_targets(self, groups: Iterable[WatchedGroup]) -> None:
        """Create the alarms on targets that are registered and unhealthy."""
        nodes = len(self._cluster.nodes)
        if self._cluster.balancer.kind == "haproxy":
            instance = self._cluster.balancer.proxy.instance
            assert instance is not None  # denodo_ha.environment.rules.haproxy requires an instance
            text, id_ = alarms.proxy_out(self._stack, instance.count), "ProxyOut"
        else:
            text, id_ = alarms.node_out(self._stack, nodes), "NodeOut"
        restart = alarms.restart_minutes(self._environment)
        parts = [
            create_metric_alarm(
                self,
                f"unhealthy-{group.id}",
                namespace=group.namespace,
                metric="UnHealthyHostCount",
                dimensions=group.dimensions,
                statistic="Maximum",
                operator=AT_LEAST,
                minutes=restart if group.is_auxiliary else alarms.NODE_OUT_MINUTES,
                missing="notBreaching",
                part_of=text,
            )
            for group in groups
        ]
        self._notify(id_, parts, text)

    def _watch_healthy_targets(self, groups: Iterable[WatchedGroup], load_balancer: str) -> None:
        """Create the alarms on missing healthy targets, and on connections to unhealthy targets.

        In a cluster with auxiliary ports, there is no alarm on connections to unhealthy targets: an
        auxiliary port has one target, and the sessions of a drained node continue to use this
        target while it is unhealthy.
        """
        text = alarms.no_node(self._environment, self._name, self._stack)
        groups = [*groups]
        parts = [
            create_metric_alarm(
                self,
                f"healthy-{group.id}",
                namespace=group.namespace,
                metric="HealthyHostCount",
                dimensions=group.dimensions,
                statistic="Maximum",
                operator=BELOW,
                minutes=alarms.NO_NODE_MINUTES,
                missing="notBreaching",
                part_of=text,
            )
            for group in groups
            if not group.is_auxiliary
        ]
        if not any(group.is_auxiliary for group in groups):
            parts.append(
                self._count_alarm("fail-open", "UnhealthyRoutingFlowCount", load_balancer, text)
            )
        self._notify("NoNode", parts, text)

    def _watch_load_balancers(self, groups: Iterable[WatchedGroup], load_balancer: str) -> None:
        """Create the alarms on connections without a source port, and on absent metrics.

        HealthyHostCount is reported while a target group has registered targets, and while health
        checks are enabled (AWS, CloudWatch metrics for your Network Load Balancer, and for your
        Application Load Balancer). The alarm on the absence of HealthyHostCount has no composite
        alarm. This alarm notifies when the state changes to INSUFFICIENT_DATA, and not when the
        alarm is created in that state. ActiveFlowCount cannot be used: `plan` and `pin`, also of
        earlier versions, assume that a Route 53 health check follows each alarm on ActiveFlowCount.
        """
        text = alarms.port_allocation(self._stack)
        part = self._count_alarm("ports", "PortAllocationErrorCount", load_balancer, text)
        self._notify("PortAllocation", [part], text)
        for id_, namespace in (("Silent", NLB_METRICS), ("SilentAlb", ALB_METRICS)):
            services = [
                group for group in groups if group.namespace == namespace and not group.is_auxiliary
            ]
            # The target group of jdbc comes first, because this target group contains every node.
            services.sort(key=lambda group: (group.id != "service-jdbc", group.id))
            for group in services[:1]:
                self._watch_for_silence(id_, group)

    def _watch_for_silence(self, id_: str, group: WatchedGroup) -> None:
        """Create the alarm on missing data of HealthyHostCount; no value sets off the alarm."""
        text = alarms.balancer_silent(self._environment, self._name, self._stack)
        create_metric_alarm(
            self,
            id_,
            namespace=group.namespace,
            metric="HealthyHostCount",
            dimensions=group.dimensions,
            statistic="Maximum",
            operator=BELOW,
            threshold=0,
            minutes=alarms.SILENT_MINUTES,
            missing="missing",
            description=text.description,
            insufficient_data_actions=[self._topics.of(text.urgency)],
        )

    def _count_alarm(
        self, id_: str, metric: str, load_balancer: str, text: alarms.AlarmText
    ) -> str:
        """Create an alarm on a metric that is reported only while it is not zero."""
        return create_metric_alarm(
            self,
            id_,
            namespace=NLB_METRICS,
            metric=metric,
            dimensions={"LoadBalancer": load_balancer},
            statistic="Sum",
            operator=AT_LEAST,
            minutes=1,
            missing="notBreaching",
            part_of=text,
        )

    def _notify(self, id_: str, parts: Iterable[str], text: alarms.AlarmText) -> None:
        create_notifying_alarm(self, id_, parts=parts, text=text, topics=self._topics)


def create_cluster_alarms(
    stack: Stack,
    *,
    environment: Environment,
    name: str,
    load_balancer: str | None,
    groups: Iterable[WatchedGroup],
    instance_ids: Mapping[str, str],
) -> Topics:
    """Create the alarms of a cluster and of its nodes; return the topics of the alarms.

    Args:
        stack: stack of the cluster.
        environment: the configuration.
        name: name of the cluster.
        load_balancer: name of the load balancer in CloudWatch metrics; None without a balancer.
        groups: target groups with their metrics.
        instance_ids: instance ids by node.
    """
    cluster, scope = environment.clusters[name], Construct(stack, "Notifications")
    topics = create_topics(
        scope, alarms=environment.alarms, account=cluster.account, region=cluster.region
    )
    suppressor = create_suppressor(
        scope,
        "Pause",
        namespace=names.pause_namespace(environment.name, name),
        cluster=stack.stack_name,
    )
    topics = replace(topics, suppressor=suppressor)
    unready: dict[str, str] = {}
    if nodes := node_alarms.publishing_nodes(environment, name):
        unready = NodeAlarms(
            stack, "NodeAlarms", environment=environment, name=name, topics=topics, nodes=nodes
        ).unready
    certificates = {service.certificate(name) for service in environment.services.values()}
    ClusterAlarms(
        stack,
        "Alarms",
        environment=environment,
        name=name,
        topics=topics,
        load_balancer=load_balancer,
        groups=groups,
        instance_ids=instance_ids,
        certificates=sorted(arn for arn in certificates if arn) if load_balancer else (),
        unready=unready,
    )
    return topics
