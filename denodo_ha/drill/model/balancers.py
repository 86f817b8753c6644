"""Load balancers, their listeners and target groups in the drill's model."""

from dataclasses import dataclass

from denodo_ha.drill.model.machines import Key, Target, TargetHealthCheck


@dataclass(frozen=True)
class HealthThreshold:
    """A minimum of healthy targets, as number and as percentage; None if AWS's setting is `off`."""

    count: int | None
    percentage: int | None = None


@dataclass(frozen=True)
class TargetGroup:
    """A target group.

    Attributes:
        key: its key.
        name: the service's name, or the port if the templates do not contain the name.
        auxiliary_node: for the auxiliary port of a node, the node's key; None for a service.
        entry_port: for an auxiliary port, the balancer's port on which nodes direct clients to it;
            None if no listener of the balancer has the service that directs clients to the
            auxiliary port.
        targets: the registered targets.
        health_check: its health check.
        cross_zone: its own cross-zone setting, None if the balancer's setting applies.
        dns_threshold: minimum of healthy targets in a zone; with fewer, the zone's address is
            removed from the balancer's DNS.
        routing_threshold: minimum of healthy targets; with fewer, the unhealthy targets get
            connections, too.
        reports_host_count: whether CloudWatch has the metric HealthyHostCount for the group.
        targets_unknown: whether the group may have targets that the templates do not list.
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
    entry_port: int | None = None


@dataclass(frozen=True)
class Listener:
    """A balancer's port.

    Attributes:
        port: the port.
        target_groups: keys of the target groups to which the listener or one of its rules forwards.
        ends_connections: whether the balancer itself terminates clients' connections, as for TLS.
        answers_itself: whether the balancer redirects or answers all requests itself.
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
        zones: its zones, in each of which it has an address; an empty string stands for an
            unknown zone.
        cross_zone: whether an address passes connections to targets of all zones.
        internal: whether only clients in private networks can reach the balancer.
        listeners: its listeners by port.
        zonal_shift: whether zonal shifts are enabled.
        jdbc_port: the port on which nodes direct Denodo 7.0 clients to their auxiliary ports; None
            without auxiliary ports of Virtual DataPort.
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
