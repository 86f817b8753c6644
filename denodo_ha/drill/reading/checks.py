"""The alarms and Route 53 health checks of the templates."""

from collections.abc import Mapping

from denodo_ha.drill.model import Alarm, HealthCheck, Key
from denodo_ha.drill.reading.balancers import FindBalancers
from denodo_ha.drill.reading.expressions import marks
from denodo_ha.drill.reading.resource_reader import (
    ADDRESS,
    ALARM,
    ASSOCIATION,
    CHECK,
    GROUP,
    INSTANCE,
    LISTENER,
    LOAD_BALANCER,
    Reader,
    Resource,
    is_true,
    listed,
    mapping,
    number,
)
from denodo_ha.environment.facts.limits import ENDPOINT_FAILURES_AWS, ENDPOINT_INTERVAL_AWS_S

_BALANCER_METRICS = ("AWS/NetworkELB", "AWS/ApplicationELB")
_PRIVATE_PREFIXES = ("10.", "192.168.", *(f"172.{part}." for part in range(16, 32)))


class FindChecks:
    """Finds alarms and checks.

    Args:
        reader: the resources.
        balancers: the balancers and groups that they may look at.
    """

    def __init__(self, reader: Reader, balancers: FindBalancers) -> None:
        self._reader, self._balancers = reader, balancers
        self.alarms = {one.key: self._alarm(one) for one in reader.of(ALARM)}
        self._named = {
            (str(one.properties["AlarmName"]), one.stack.region): one.key
            for one in reader.of(ALARM)
            if "AlarmName" in one.properties
        }
        self.checks = {one.key: self._check(one) for one in reader.of(CHECK)}

    def _alarm(self, one: Resource) -> Alarm:
        settings = one.properties
        dimensions = {
            str(mapping(dimension).get("Name")): mapping(dimension).get("Value")
            for dimension in listed(settings.get("Dimensions"))
        }
        namespace = str(settings.get("Namespace", ""))
        group, balancer = self._looks_at(dimensions)
        switch = bool(namespace) and not namespace.startswith("AWS/")
        if not switch and namespace in _BALANCER_METRICS:
            self._say_gone(one, dimensions, group, balancer)
        zone = dimensions.get("AvailabilityZone")
        return Alarm(
            key=one.key,
            name=one.tags.get("Name") or str(settings.get("AlarmName") or one.id),
            region=one.stack.region,
            metric=str(settings.get("MetricName", "")),
            statistic=str(settings.get("Statistic", "")),
            operator=str(settings.get("ComparisonOperator", "")),
            threshold=_real(settings.get("Threshold")),
            period=one.number("Period", 60),
            periods=one.number("EvaluationPeriods", 1),
            missing=str(settings.get("TreatMissingData", "missing")),
            group=group,
            balancer=balancer,
            zone=str(zone) if zone is not None else None,
            switch=switch,
        )

    def _looks_at(self, dimensions: Mapping[str, object]) -> tuple[Key | None, Key | None]:
        """The group and the balancer of an alarm's dimensions, if the balancer has the group."""
        reader = self._reader
        said = dimensions.get("LoadBalancer")
        owner = reader.named(said, LOAD_BALANCER)
        listener = reader.named(said, LISTENER)
        if owner is None and listener is not None:
            owner = reader.named(listener.properties.get("LoadBalancerArn"), LOAD_BALANCER)
        group = reader.named(dimensions.get("TargetGroup"), GROUP)
        balancer = self._balancers.balancers.get(owner.key) if owner else None
        if balancer is None:
            return None, None
        attached = {key for one in balancer.listeners for key in one.groups}
        if group is None or group.key not in attached:
            return None, balancer.key
        return group.key, balancer.key

    def _say_gone(
        self,
        one: Resource,
        dimensions: Mapping[str, object],
        group: Key | None,
        balancer: Key | None,
    ) -> None:
        if balancer is None:
            self._reader.note(
                f"alarm {one.key}: looks at a balancer that none of these templates has "
                f"({dimensions.get('LoadBalancer')}); it is taken as reporting nothing"
            )
        elif group is None and "TargetGroup" in dimensions:
            self._reader.note(
                f"alarm {one.key}: looks at a target group that no listener of the balancer has "
                f"({dimensions['TargetGroup']}); nothing is reported for it"
            )

    def _check(self, one: Resource) -> HealthCheck:
        settings = mapping(one.properties.get("HealthCheckConfig"))
        kind = str(settings.get("Type", ""))
        endpoint, private = self._endpoint(settings)
        children = listed(settings.get("ChildHealthChecks"))
        name = one.tags.get("Name")
        return HealthCheck(
            key=one.key,
            name=f"{name} ({one.id})" if name else one.id,
            kind=kind,
            inverted=is_true(settings.get("Inverted")),
            disabled=is_true(settings.get("Disabled")),
            children=tuple(self.reference(child) for child in children),
            needed=number(settings.get("HealthThreshold"), len(children)),
            alarm=self._alarm_of(one, settings) if kind == "CLOUDWATCH_METRIC" else None,
            insufficient=str(settings.get("InsufficientDataHealthStatus", "LastKnownStatus")),
            endpoint=endpoint,
            private=private,
            port=number(settings.get("Port"), 443 if kind.startswith("HTTPS") else 80),
            interval=number(settings.get("RequestInterval"), ENDPOINT_INTERVAL_AWS_S),
            failures=number(settings.get("FailureThreshold"), ENDPOINT_FAILURES_AWS),
        )

    def reference(self, value: object) -> Key:
        """The key of the health check that a value names, or the value itself."""
        found = self._reader.named(value, CHECK)
        if found is None:
            self._reader.note(
                f"health check {value}: none of these templates has it; it is taken as healthy"
            )
        return found.key if found else str(value)

    def _alarm_of(self, one: Resource, settings: Mapping[str, object]) -> Key | None:
        said = mapping(settings.get("AlarmIdentifier"))
        name, region = said.get("Name"), str(said.get("Region", one.stack.region))
        found = self._reader.named(name, ALARM)
        key = found.key if found else self._named.get((str(name), region))
        key = key or next((of for (alarm, _), of in self._named.items() if alarm == name), None)
        if key is None:
            self._reader.note(
                f"health check {one.key}: none of these templates has its alarm ({name}); it is "
                "taken as an alarm without data"
            )
        return key

    def _endpoint(self, settings: Mapping[str, object]) -> tuple[Key | None, bool]:
        """What an endpoint check connects to, and whether that has private addresses only."""
        said = settings.get("FullyQualifiedDomainName"), settings.get("IPAddress")
        for value in (one for one in said if one):
            balancer = self._reader.named(value, LOAD_BALANCER)
            if balancer is not None:
                found = self._balancers.balancers.get(balancer.key)
                return balancer.key, bool(found and found.internal)
            node = node_of(self._reader, value)
            if node is not None:
                private = any(attribute == "PrivateIp" for _, _, attribute in marks(value))
                return node, private
            return None, str(value).startswith(_PRIVATE_PREFIXES)
        return None, False


def node_of(reader: Reader, value: object) -> Key | None:
    """The instance whose address a value is: its own, or an Elastic IP's."""
    instance = reader.named(value, INSTANCE)
    if instance is not None:
        return instance.key
    address = reader.named(value, ADDRESS)
    if address is None:
        return None
    instance = reader.named(address.properties.get("InstanceId"), INSTANCE)
    for one in reader.of(ASSOCIATION):
        said = (one.properties.get("AllocationId"), one.properties.get("EIP"))
        if any((found := reader.named(value, ADDRESS)) and found is address for value in said):
            instance = reader.named(one.properties.get("InstanceId"), INSTANCE)
    return instance.key if instance else None


def _real(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
