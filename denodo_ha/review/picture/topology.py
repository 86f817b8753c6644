"""Picture of a drill's model: names, load balancers, ports, nodes by zone, checks, switch."""

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap

from denodo_ha.drill.model.balancers import Balancer, TargetGroup
from denodo_ha.drill.model.dns import Alarm, FailoverName, HealthCheck, Record
from denodo_ha.drill.model.machines import Key, Machine
from denodo_ha.drill.model.model import Cluster, Model
from denodo_ha.review.picture.graph import Area, Box, Edge, Picture

_CLIENTS = "clients"
_LINE_LENGTH = 44
_NO_BREAK = "\u00a0"
_UNKNOWN_ZONE = "zone unknown"


def picture_of(model: Model) -> Picture:
    """Return the picture of a model."""
    drawing = _Drawing(model)
    return Picture(tuple(drawing.areas()), tuple(drawing.boxes()), tuple(drawing.edges()))


class _Drawing:
    """Drawing of a model: yields the elements of its picture."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._entries = {
            name: cluster.balancers or cluster.nodes for name, cluster in model.clusters.items()
        }
        """Load balancers and nodes to which clients connect, by cluster."""

    def areas(self) -> Iterator[Area]:
        """Yield an area for each cluster, and in this area one for each zone."""
        for name, cluster in self._model.clusters.items():
            yield Area(_area(name), f"{name}, {cluster.region}")
            for zone in sorted({_zone(machine) for machine in self._in_zones(cluster)}):
                yield Area(_area(name, zone), zone, parent=_area(name))

    def boxes(self) -> Iterator[Box]:
        """Yield clients, names, checks, load balancers, machines and databases."""
        yield Box(_CLIENTS, "clients", "clients")
        for dns in self._model.failover_names:
            yield Box(
                _name(dns),
                "name",
                dns.name,
                ("Route 53: primary, else secondary",),
            )
            for role, record in dns.records.items():
                yield Box(
                    _check(dns, role),
                    "check",
                    f"{role.lower()} is healthy while",
                    tuple(self._conditions(record)) or ("always",),
                )
        for name, cluster in self._model.clusters.items():
            for key in cluster.balancers:
                yield self._balancer(name, self._model.balancers[key])
            yield from map(self._machine, (self._model.machines[key] for key in cluster.proxies))
            yield from map(self._machine, (self._model.machines[key] for key in cluster.nodes))
            for database in self._model.databases_of(name):
                title = "PostgreSQL on RDS"
                detail = "Multi-AZ" if database.multi_az else "one zone"
                yield Box(database.key, "database", title, (detail,), _area(name))

    def edges(self) -> Iterator[Edge]:
        """Yield the paths of connections, and the health checks that select a path."""
        behind_names = set()
        for dns in self._model.failover_names:
            yield Edge(_CLIENTS, _name(dns))
            for role, record in dns.records.items():
                yield Edge(_check(dns, role), _name(dns), style="decision")
                if record.target is None:
                    continue
                behind_names.add(record.cluster)
                if role == "PRIMARY":
                    yield Edge(_name(dns), record.target, "while healthy")
                else:
                    yield Edge(_name(dns), record.target, "otherwise", "standby")
        for name, entries in self._entries.items():
            if name not in behind_names:
                yield from (Edge(_CLIENTS, entry) for entry in entries)
        for cluster in self._model.clusters.values():
            yield from self._edges_in(cluster)

    def _edges_in(self, cluster: Cluster) -> Iterator[Edge]:
        for key in cluster.balancers:
            balancer = self._model.balancers[key]
            machines = dict.fromkeys(
                target.machine
                for group in self._groups(balancer)
                for target in group.targets
                if target.machine in self._model.machines
            )
            yield from (Edge(key, machine) for machine in machines)
        for key in cluster.proxies:
            upstreams = self._model.machines[key].upstreams or {}
            nodes = dict.fromkeys(node for up in upstreams.values() for node in up.nodes)
            yield from (Edge(key, node) for node in nodes if node in self._model.machines)
        for database in self._model.databases_of(cluster.name):
            yield from (Edge(node, database.key, style="data") for node in cluster.nodes)

    def _groups(self, balancer: Balancer) -> list[TargetGroup]:
        groups = self._model.target_groups
        return [groups[key] for key in balancer.target_groups if key in groups]

    def _in_zones(self, cluster: Cluster) -> Iterator[Machine]:
        """Yield the machines of a cluster, except load balancers, which are in no single zone."""
        for key in (*cluster.proxies, *cluster.nodes):
            if not _is_balancer(self._model.machines[key]):
                yield self._model.machines[key]

    def _balancer(self, cluster: str, balancer: Balancer) -> Box:
        lines = ["internal" if balancer.internal else "internet-facing"]
        if not balancer.cross_zone:
            lines.append("connects only to nodes of the same zone")
        lines += self._services(balancer)
        auxiliary = [group for group in self._groups(balancer) if group.auxiliary_node is not None]
        if auxiliary:
            ports = [
                str(listener.port)
                for listener in balancer.listeners
                if {*listener.target_groups} & {group.key for group in auxiliary}
            ]
            shown = ", ".join(ports) if len(ports) <= 4 else f"{ports[0]} to {ports[-1]}"
            lines.append(f"{shown}: one node each")
        return Box(balancer.key, "balancer", "Network Load Balancer", tuple(lines), _area(cluster))

    def _services(self, balancer: Balancer) -> list[str]:
        """Return a line for each set of targets, with its services: `9999 jdbc, 9996 odbc: …`."""
        services = []
        for listener in balancer.listeners:
            groups = [self._model.target_groups.get(key) for key in listener.target_groups]
            known = [group for group in groups if group is not None]
            if any(group.auxiliary_node is not None for group in known):
                continue
            names = dict.fromkeys(group.name for group in known)
            text = f"{listener.port} {', '.join(names)}".strip()
            if listener.ends_connections:
                text += " (TLS)"
            services.append((self._reached(balancer, known), text))
        services.sort(key=lambda item: item[0])
        lines = []
        for targets, same in groupby(services, key=lambda item: item[0]):
            # Use a space that does not break, so that a port and its service remain on one line.
            texts = ", ".join(text.replace(" ", _NO_BREAK) for _, text in same)
            lines += wrap(f"{texts}: {targets.replace(' ', _NO_BREAK)}", _LINE_LENGTH)
        return [line.replace(_NO_BREAK, " ") for line in lines]

    def _reached(self, balancer: Balancer, groups: list[TargetGroup]) -> str:
        """Return the targets of a listener in words, such as `every node` or names."""
        cluster = self._model.clusters[balancer.cluster]
        keys = {target.machine for group in groups for target in group.targets}
        if not keys:
            return "no target"
        if keys == {*cluster.nodes}:
            return "every node"
        machines = [self._model.machines[key] for key in keys if key in self._model.machines]
        if machines and all(map(_is_balancer, machines)):
            return "by cookie"
        if keys == set(cluster.proxies):
            return "every HAProxy"
        return ", ".join(sorted(machine.name for machine in machines)) or "targets unknown"

    def _machine(self, machine: Machine) -> Box:
        if _is_balancer(machine):
            ports = ", ".join(str(port) for port in sorted(machine.upstreams or {}))
            lines = (f"{ports}: every node, by cookie",)
            area = _area(machine.cluster)
            return Box(machine.key, "balancer", "Application Load Balancer", lines, area)
        area = _area(machine.cluster, _zone(machine))
        if machine.kind == "proxy":
            number = machine.key.rpartition("#")[2] if "#" in machine.key else machine.name
            return Box(machine.key, "proxy", f"HAProxy {number}", (), area)
        return Box(machine.key, "node", machine.name, tuple(self._own_ports(machine)), area)

    def _own_ports(self, machine: Machine) -> Iterator[str]:
        """Yield the ports of a cluster that lead to the given node alone."""
        cluster = self._model.clusters[machine.cluster]
        if not cluster.balancers and cluster.ports:
            yield ", ".join(map(str, cluster.ports))
        for key in cluster.balancers:
            for listener in self._model.balancers[key].listeners:
                groups = (self._model.target_groups.get(key) for key in listener.target_groups)
                if any(group and group.auxiliary_node == machine.key for group in groups):
                    yield f"{listener.port}: this node only"

    def _conditions(self, record: Record) -> Iterator[str]:
        """Yield the conditions under which Route 53 considers a record healthy."""
        if record.alias and record.evaluates:
            yield "its load balancer has healthy targets"
        for check in self._model.checks_of([record]):
            if check.kind != "CALCULATED":
                yield self._condition(check)

    def _condition(self, check: HealthCheck) -> str:
        alarm = self._model.alarm_of(check)
        if alarm is not None:
            return _quiet(alarm, self._model)
        if check.kind == "CLOUDWATCH_METRIC":
            return "an alarm of another template is OK"
        times = f"{check.interval} s x {check.failures}"
        return f"Route 53 reaches port {check.port} ({check.kind}, {times})"


def _quiet(alarm: Alarm, model: Model) -> str:
    """Return, in words, the condition under which an alarm is OK."""
    times = f"{alarm.period} s x {alarm.periods}"
    if alarm.switch:
        return "the operators' switch is not thrown"
    if alarm.metric == "HealthyHostCount" and alarm.threshold > 0:
        group = model.target_groups.get(alarm.target_group or "")
        service = f" of {group.name}" if group else ""
        return f"{alarm.threshold:g} or more targets{service} are healthy ({times})"
    if alarm.threshold <= 0:
        return f"its load balancer reports metrics ({times})"
    return f"the alarm on {alarm.metric} is OK ({times})"


def _area(*parts: str) -> str:
    return "/".join(("area", *parts))


def _name(name: FailoverName) -> Key:
    return f"name/{name.name}"


def _check(name: FailoverName, role: str) -> Key:
    return f"check/{name.name}/{role}"


def _zone(machine: Machine) -> str:
    return machine.zone or _UNKNOWN_ZONE


def _is_balancer(machine: Machine) -> bool:
    """Return whether a machine is an Application Load Balancer, which has no zone of its own."""
    return machine.kind == "proxy" and machine.zone is None and machine.health_port is None
