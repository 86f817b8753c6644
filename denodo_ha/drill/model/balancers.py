"""Load balancers, their listeners and target groups in the drill's model."""

from dataclasses import dataclass

from denodo_ha.drill.model.machines import Key, Target, TargetHealthCheck


@dataclass(frozen=True)
class HealthThreshold:
    """A minimum of healthy targets, by count and by percentage; None is `off`."""

    count: int | None
    percentage: int | None = None


@dataclass(frozen=True)
class TargetGroup:
    """A target group.

    Attributes:
        key: its key.
        name: the service's name, else the port.
        auxiliary_node: for the auxiliary port of a 7.0 node, the node's key.
        targets: the registered targets.
        health_check: its health check.
        cross_zone: its own cross-zone setting, None if the balancer's applies.
        dns_threshold: with fewer healthy targets in a zone, the zone leaves the balancer's DNS.
        routing_threshold: with fewer healthy targets, all targets get connections.
        reports_host_count: whether CloudWatch has the metric HealthyHostCount of it.
        targets_unknown: whether targets are registered that no template tells.
    """

    key: Key
    name: str
    auxiliary_node: Key | None
    targets: tuple[Target, ...]
    health_check: TargetHealthCheck
    cross_zone: bool | None = None
    dns_threshold: HealthThreshold = HealthThreshold(1)
    routing_threshold: HealthThreshold = HealthThreshold(1)
    reports_host_count: bool = True
    targets_unknown: bool = False


@dataclass(frozen=True)
class Listener:
    """A balancer's port.

    Attributes:
        port: the port.
        target_groups: keys of the target groups to which it forwards, rules' ones included.
        ends_connections: whether the balancer itself ends clients' TCP connections, as for TLS.
        answers_itself: whether it forwards nothing, and redirects or answers requests itself.
    """

    port: int
    target_groups: tuple[Key, ...]
    ends_connections: bool = False
    answers_itself: bool = False


@dataclass(frozen=True)
class Balancer:
    """A load balancer.

    Attributes:
        key: its key.
        cluster: the cluster's name.
        zones: its zones, in each of which it has an address; empty text for one that no
            template tells.
        cross_zone: whether an address passes connections to targets of all zones.
        internal: whether only private networks reach it.
        listeners: its listeners by port.
        zonal_shift: whether a zonal shift may take the traffic away from a zone.
        jdbc_port: the port whose answer sends a 7.0 client on to the node's auxiliary port.
    """

    key: Key
    cluster: str
    zones: tuple[str, ...]
    cross_zone: bool
    internal: bool
    listeners: tuple[Listener, ...]
    jdbc_port: int | None = None
    zonal_shift: bool = False

    @property
    def target_groups(self) -> tuple[Key, ...]:
        """The keys of the target groups of all listeners, each once."""
        keys = (key for listener in self.listeners for key in listener.target_groups)
        return tuple(dict.fromkeys(keys))
