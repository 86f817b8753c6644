"""The system of a rehearsal: performs actions on the local AWS, and undoes them.

Machines are the processes of `rehearsal_machines`; zones, regions, load balancers, alarms and
health checks are cut off with `PUT /_local/cuts`; the rest are calls to AWS, as operators and the
commands of this project make them.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from denodo_ha.drill.model.machines import Key
from denodo_ha.environment.facts.limits import DATABASE_FAILOVER_S
from tools.local_aws import control
from tools.local_aws.rehearsal.deployed_resources import DeployedSite, Resource
from tools.local_aws.rehearsal.haproxy_instances import HaproxyInstances
from tools.local_aws.rehearsal.light_nodes import LightNodes
from tools.local_aws.rehearsal.rehearsal_machines import RehearsalMachines
from tools.local_aws.rehearsal.scenario_actions import Action, Verb

_CUT_KINDS: Mapping[Verb, str] = {
    Verb.CUT_ZONE: "zones",
    Verb.CUT_REGION: "regions",
    Verb.CUT_BALANCER: "resources",
    Verb.CUT_ALARM: "alarms",
    Verb.CUT_CHECK: "checks",
}
_MACHINE_VERBS = (Verb.KILL, Verb.SUSPEND, Verb.REBOOT, Verb.HANG_SERVERS, Verb.CLOSE_PORT)
_SHIFT_DURATION = "1h"


class LivingSystem:
    """A deployed environment with running nodes.

    Args:
        site: the deployed environment.
        machines: the processes of nodes, HAProxy instances and License Managers.
    """

    def __init__(self, site: DeployedSite, machines: RehearsalMachines) -> None:
        self._endpoint, self._model, self._resources = site.endpoint, site.model, site.resources
        self._machines, self._nodes = machines, machines.nodes
        self._repairs: list[Callable[[], None]] = []
        self._timers: list[threading.Timer] = []
        self._pace = 1.0

    def set_pace(self, pace: float) -> None:
        """Set the pace: the seconds of AWS that pass in one second of this machine."""
        self._pace = pace
        control.call(self._endpoint, "pace", {"pace": pace}, method="PUT")

    def alarms(self) -> frozenset[str]:
        """Return the names of the alarms that are not in state OK."""
        return frozenset(
            alarm["AlarmName"]
            for access in self._resources.accesses
            for page in access.client("cloudwatch")
            .get_paginator("describe_alarms")
            .paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
            for alarm in [*page["MetricAlarms"], *page["CompositeAlarms"]]
            if alarm["StateValue"] != "OK"
        )

    def perform(self, actions: Iterable[Action]) -> None:
        """Perform actions; all cuts come last, in one call."""
        cuts: dict[str, list[str]] = {}
        for action in actions:
            if action.verb in (Verb.CUT_ZONE, Verb.CUT_REGION):
                self._kill_machines(action.key)
            if action.verb in (Verb.KILL, Verb.SUSPEND):
                cuts.setdefault("machines", []).append(self._cut_name(action))
            if action.verb in _CUT_KINDS:
                cuts.setdefault(_CUT_KINDS[action.verb], []).append(self._cut_name(action))
            else:
                self._perform(action)
        if cuts:
            control.call(self._endpoint, "cuts", cuts, method="PUT")

    def repair(self) -> None:
        """Undo all actions."""
        control.call(self._endpoint, "cuts", {}, method="PUT")
        while self._timers:
            timer = self._timers.pop()
            timer.cancel()
            timer.join()
        self._machines.repair()
        while self._repairs:
            self._repairs.pop()()

    def _kill_machines(self, place: str) -> None:
        """Kill the nodes and HAProxy instances in a zone or region.

        A cut alone would not end their sessions with clients outside of the zone.
        """
        for cluster in self._model.clusters.values():
            for key in (*cluster.nodes, *cluster.proxies):
                machine = self._model.machines[key]
                if place in (cluster.region, machine.zone) and not machine.is_balancer:
                    self._process_of(key).kill(key)

    def _process_of(self, key: Key) -> LightNodes | HaproxyInstances:
        return self._machines.haproxy if key in self._machines.haproxy else self._nodes

    def _cut_name(self, action: Action) -> str:
        if action.verb in (Verb.CUT_ZONE, Verb.CUT_REGION):
            return action.key
        return self._resources.of(action.key).id

    def _perform(self, action: Action) -> None:
        if action.verb in _MACHINE_VERBS:
            self._perform_on_machine(action)
            return
        match action.verb:
            case Verb.LOSE_LICENSE_MANAGER:
                self._machines.license_managers.lose(action.key)
            case Verb.LOSE_DATABASE:
                self._lose_database(action.key)
            case Verb.FAIL_OVER_DATABASE:
                self._lose_database(action.key)
                self._restore_after(
                    action.key, (DATABASE_FAILOVER_S.low + DATABASE_FAILOVER_S.high) / 2
                )
            case Verb.DRAIN:
                self._drain(action.key)
            case Verb.SHIFT_ZONE:
                self._shift(action.key, action.cluster)
            case Verb.THROW_SWITCH:
                self._put_switch(action.key, thrown=True)
                self._repairs.append(lambda: self._put_switch(action.key, thrown=False))
            case _:
                message = f"there is no call of AWS for the action {action}"
                raise ValueError(message)

    def _perform_on_machine(self, action: Action) -> None:
        match action.verb:
            case Verb.KILL:
                self._process_of(action.key).kill(action.key)
            case Verb.SUSPEND:
                self._process_of(action.key).suspend(action.key)
            case Verb.REBOOT:
                self._nodes.reboot(action.key)
            case Verb.HANG_SERVERS:
                self._nodes.hang(action.key)
            case Verb.CLOSE_PORT:
                self._nodes.close_ports(action.key, {action.port})

    def _lose_database(self, key: Key) -> None:
        """Let the services that need a database accept connections and answer nothing.

        The nodes remain ready, because readiness does not depend on the database.
        """
        database = self._model.databases[key]
        for node in self._model.clusters[database.cluster].nodes:
            self._nodes.silence(node, frozenset(database.ports or ()))

    def _restore_after(self, key: Key, seconds: float) -> None:
        """Let the services that need a database answer again after some seconds of AWS."""
        nodes = self._model.clusters[self._model.databases[key].cluster].nodes

        def restore() -> None:
            for node in nodes:
                self._nodes.silence(node, frozenset())

        timer = threading.Timer(seconds / self._pace, restore)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _drain(self, key: Key) -> None:
        """Take a node out of HAProxy and of the target groups of services, as `drain` does."""
        node = self._model.machines[key]
        self._machines.haproxy.drain(node.cluster, node.name)
        instance = self._resources.of(key).id
        for group in self._model.target_groups.values():
            ports = [target.port for target in group.targets if target.machine == key]
            if group.auxiliary_node is None and ports:
                self._deregister(self._resources.of(group.key), instance, ports)

    def _deregister(self, group: Resource, instance: str, ports: list[int]) -> None:
        client = group.access.client("elbv2")
        targets = [{"Id": instance, "Port": port} for port in ports]
        client.deregister_targets(TargetGroupArn=group.id, Targets=targets)
        self._repairs.append(
            lambda: client.register_targets(TargetGroupArn=group.id, Targets=targets)
        )

    def _shift(self, zone: str, cluster: str) -> None:
        """Start a zonal shift for a cluster's load balancers, as `denodo-ha shift` does."""
        for key in self._model.clusters[cluster].balancers:
            if self._model.balancers[key].zonal_shift:
                self._shift_balancer(zone, self._resources.of(key))

    def _shift_balancer(self, zone: str, balancer: Resource) -> None:
        zones = balancer.access.client("ec2").describe_availability_zones()["AvailabilityZones"]
        (zone_id,) = [item["ZoneId"] for item in zones if item["ZoneName"] == zone]
        client = balancer.access.client("arc-zonal-shift")
        started = client.start_zonal_shift(
            resourceIdentifier=balancer.id,
            awayFrom=zone_id,
            expiresIn=_SHIFT_DURATION,
            comment="rehearsal",
        )
        shift = str(started["zonalShiftId"])
        self._repairs.append(lambda: client.cancel_zonal_shift(zonalShiftId=shift))

    def _put_switch(self, key: Key, *, thrown: bool) -> None:
        """Put a datapoint of the switch's metric, as `denodo-ha failover` does."""
        alarm = self._resources.of(key)
        client = alarm.access.client("cloudwatch")
        (described,) = client.describe_alarms(AlarmNames=[alarm.id])["MetricAlarms"]
        datapoint = {
            "MetricName": described["MetricName"],
            "Dimensions": described["Dimensions"],
            "Timestamp": datetime.now(UTC),
            "Value": float(thrown),
        }
        client.put_metric_data(Namespace=described["Namespace"], MetricData=[datapoint])
