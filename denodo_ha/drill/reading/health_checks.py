"""Reader of the alarms and the Route 53 health checks in templates."""

from collections.abc import Iterator, Mapping

from denodo_ha.drill.model.balancers import Balancer
from denodo_ha.drill.model.dns import Alarm, HealthCheck
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.reading.resource_reader import (
    ALARM,
    DATABASE,
    ELASTIC_IP,
    ELASTIC_IP_ASSOCIATION,
    HEALTH_CHECK,
    INSTANCE,
    LISTENER,
    LOAD_BALANCER,
    TARGET_GROUP,
    Resource,
    ResourceReader,
)
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, is_true, references
from denodo_ha.environment.derived.node_alarms import NODE_DIMENSION
from denodo_ha.environment.facts.limits import ENDPOINT_FAILURES_AWS, ENDPOINT_INTERVAL_AWS_S
from denodo_ha.environment.names import NODE_METRICS_PREFIX, NODE_TAG

_BALANCER_NAMESPACES = ("AWS/NetworkELB", "AWS/ApplicationELB")
_PRIVATE_PREFIXES = ("10.", "192.168.", *(f"172.{part}." for part in range(16, 32)))


class HealthCheckReader:
    """Reader of alarms and health checks.

    Args:
        reader: the resources.
        balancers: the balancers to which alarms and checks may refer.

    Attributes:
        alarms: all alarms by key.
        checks: all health checks by key.
    """

    def __init__(self, reader: ResourceReader, balancers: Mapping[Key, Balancer]) -> None:
        self._reader, self._balancers = reader, balancers
        self._alarms_of_checks = {*self._names_of_checks()}
        self.alarms = {resource.key: self._alarm(resource) for resource in reader.of_type(ALARM)}
        self._alarms_by_name = {
            (str(resource.properties["AlarmName"]), resource.stack.region): resource.key
            for resource in reader.of_type(ALARM)
            if "AlarmName" in resource.properties
        }
        self.checks = {
            resource.key: self._check(resource) for resource in reader.of_type(HEALTH_CHECK)
        }

    def _names_of_checks(self) -> Iterator[str]:
        """Yield the keys and names of the alarms that health checks refer to."""
        for check in self._reader.of_type(HEALTH_CHECK):
            config = as_mapping(check.properties.get("HealthCheckConfig"))
            name = as_mapping(config.get("AlarmIdentifier")).get("Name")
            if name is None:
                continue
            alarm = self._reader.referenced(name, ALARM)
            yield alarm.key if alarm else str(name)

    def _is_of_check(self, resource: Resource) -> bool:
        """Return whether a health check refers to an alarm."""
        names = {resource.key, resource.properties.get("AlarmName")}
        return not self._alarms_of_checks.isdisjoint(names)

    def _alarm(self, resource: Resource) -> Alarm:
        properties = resource.properties
        dimensions = {
            str(as_mapping(dimension).get("Name")): as_mapping(dimension).get("Value")
            for dimension in as_list(properties.get("Dimensions"))
        }
        namespace = str(properties.get("Namespace", ""))
        balancer, group = self._watched(dimensions)
        if not self._is_of_check(resource):
            pass  # no health check monitors the alarm, so no failover record depends on it
        elif namespace in _BALANCER_NAMESPACES:
            if balancer is None:
                name = dimensions.get("LoadBalancer")
                self._reader.notes.alarm_of_unknown_balancer(resource.key, name)
            elif group is None and "TargetGroup" in dimensions:
                name = dimensions["TargetGroup"]
                known = self._reader.referenced(name, TARGET_GROUP) is not None
                self._reader.notes.alarm_of_detached_target_group(resource.key, name, known=known)
        elif namespace.startswith("AWS/") or not namespace:
            self._reader.notes.unread_check(
                resource.key, "the drill does not work out the metric of this alarm"
            )
        zone = dimensions.get("AvailabilityZone")
        proxy, proxy_port = self._proxy(dimensions)
        periods = resource.integer("EvaluationPeriods", 1)
        return Alarm(
            key=resource.key,
            name=resource.tags.get("Name") or str(properties.get("AlarmName") or resource.id),
            region=resource.stack.region,
            metric=str(properties.get("MetricName", "")),
            statistic=str(properties.get("Statistic", "")),
            operator=str(properties.get("ComparisonOperator", "")),
            threshold=_as_number(properties.get("Threshold")),
            period=resource.integer("Period", 60),
            periods=periods,
            datapoints=min(resource.integer("DatapointsToAlarm", periods), periods),
            missing=str(properties.get("TreatMissingData", "missing")),
            target_group=group,
            balancer=balancer,
            zone=str(zone) if zone is not None else None,
            switch=bool(namespace) and not namespace.startswith(("AWS/", NODE_METRICS_PREFIX)),
            source=_source(properties),
            machine=(
                self._node(resource, dimensions.get(NODE_DIMENSION))
                if namespace.startswith(NODE_METRICS_PREFIX)
                else self._machine(resource, dimensions.get("InstanceId"))
            ),
            by_node=namespace.startswith(NODE_METRICS_PREFIX),
            proxy=proxy,
            proxy_port=proxy_port,
            check=self._check_of(dimensions.get("HealthCheckId")),
            database=self._database(dimensions.get("DBInstanceIdentifier")),
        )

    def _machine(self, alarm: Resource, value: object) -> Key | None:
        """Return the key of the machine whose instance id is in an alarm's dimensions."""
        if value is None:
            return None
        instance = self._reader.referenced(value, INSTANCE)
        return instance.key if instance is not None else f"{alarm.stack.name}/{value}"

    def _node(self, alarm: Resource, name: object) -> Key | None:
        """Return the key of the node with a given name in the stack of an alarm."""
        for instance in self._reader.of_type(INSTANCE):
            if instance.stack.name == alarm.stack.name and instance.tags.get(NODE_TAG) == name:
                return instance.key
        return None

    def _proxy(self, dimensions: Mapping[str, object]) -> tuple[Key | None, int]:
        """Return the inner balancer in an alarm's dimensions, and the port of its targets.

        An inner balancer is a target of another balancer. Without one, return None and 0.
        """
        balancer = self._reader.referenced(dimensions.get("LoadBalancer"), LOAD_BALANCER)
        group = self._reader.referenced(dimensions.get("TargetGroup"), TARGET_GROUP)
        if balancer is None or group is None or balancer.key in self._balancers:
            return None, 0
        return balancer.key, group.integer("Port", 0)

    def _check_of(self, value: object) -> Key | None:
        """Return the key of the health check in an alarm's dimensions."""
        check = self._reader.referenced(value, HEALTH_CHECK)
        return check.key if check is not None else None

    def _database(self, value: object) -> Key | None:
        """Return the key of the database in an alarm's dimensions."""
        database = self._reader.referenced(value, DATABASE)
        return database.key if database is not None else None

    def _watched(self, dimensions: Mapping[str, object]) -> tuple[Key | None, Key | None]:
        """Return the balancer in an alarm's dimensions, and the target group if attached to it."""
        reader = self._reader
        name = dimensions.get("LoadBalancer")
        owner = reader.referenced(name, LOAD_BALANCER)
        listener = reader.referenced(name, LISTENER)
        if owner is None and listener is not None:
            owner = reader.referenced(listener.properties.get("LoadBalancerArn"), LOAD_BALANCER)
        balancer = self._balancers.get(owner.key) if owner else None
        if balancer is None:
            return None, None
        group = reader.referenced(dimensions.get("TargetGroup"), TARGET_GROUP)
        attached = group is not None and group.key in balancer.target_groups
        return balancer.key, group.key if group is not None and attached else None

    def _check(self, resource: Resource) -> HealthCheck:
        settings = as_mapping(resource.properties.get("HealthCheckConfig"))
        kind = str(settings.get("Type", ""))
        endpoint, private = self._endpoint(settings)
        if kind not in ("CALCULATED", "CLOUDWATCH_METRIC") and endpoint is None and not private:
            self._reader.notes.unread_check(
                resource.key,
                "the target of this health check is not among the resources that were read",
            )
        children = as_list(settings.get("ChildHealthChecks"))
        name = resource.tags.get("Name")
        return HealthCheck(
            key=resource.key,
            name=f"{name} ({resource.id})" if name else resource.id,
            kind=kind,
            inverted=is_true(settings.get("Inverted")),
            disabled=is_true(settings.get("Disabled")),
            children=tuple(self.check_key(child) for child in children),
            needed=as_integer(settings.get("HealthThreshold"), len(children)),
            alarm=self._alarm_key(resource, settings) if kind == "CLOUDWATCH_METRIC" else None,
            insufficient=str(settings.get("InsufficientDataHealthStatus", "LastKnownStatus")),
            endpoint=endpoint,
            private=private,
            port=as_integer(settings.get("Port"), 443 if kind.startswith("HTTPS") else 80),
            interval=as_integer(settings.get("RequestInterval"), ENDPOINT_INTERVAL_AWS_S),
            failures=as_integer(settings.get("FailureThreshold"), ENDPOINT_FAILURES_AWS),
        )

    def check_key(self, value: object) -> Key:
        """Return the key of the health check to which a value refers, or else the value itself."""
        check = self._reader.referenced(value, HEALTH_CHECK)
        if check is None:
            self._reader.notes.unknown_health_check(value)
        return check.key if check else str(value)

    def _alarm_key(self, resource: Resource, settings: Mapping[str, object]) -> Key | None:
        """Return the key of a metric check's alarm, found by reference or by name in any region."""
        identifier = as_mapping(settings.get("AlarmIdentifier"))
        name, region = identifier.get("Name"), str(identifier.get("Region", resource.stack.region))
        alarm = self._reader.referenced(name, ALARM)
        key = alarm.key if alarm else self._alarms_by_name.get((str(name), region))
        in_any_region = (
            of_name for (other, _), of_name in self._alarms_by_name.items() if other == name
        )
        key = key or next(in_any_region, None)
        if key is None:
            self._reader.notes.unknown_alarm(resource.key, name)
        elif reason := _unsupported(self._reader.resources[key], self.alarms[key]):
            self._reader.notes.unsupported_alarm(resource.key, key, reason)
        return key

    def _endpoint(self, settings: Mapping[str, object]) -> tuple[Key | None, bool]:
        """Return the endpoint of a check, and whether the endpoint has only private addresses."""
        value = settings.get("FullyQualifiedDomainName") or settings.get("IPAddress")
        if not value:
            return None, False
        balancer = self._reader.referenced(value, LOAD_BALANCER)
        if balancer is not None:
            of_model = self._balancers.get(balancer.key)
            return balancer.key, bool(of_model and of_model.internal)
        node = node_with_address(self._reader, value)
        if node is not None:
            return node, any(attribute == "PrivateIp" for _, _, attribute in references(value))
        return None, str(value).startswith(_PRIVATE_PREFIXES)


def _source(properties: Mapping[str, object]) -> tuple[str, ...]:
    """Return the namespace, metric and dimensions of an alarm."""
    dimensions = (
        f"{as_mapping(item).get('Name')}={as_mapping(item).get('Value')}"
        for item in as_list(properties.get("Dimensions"))
    )
    metric = (str(properties.get(name, "")) for name in ("Namespace", "MetricName"))
    return (*metric, *sorted(dimensions))


def node_with_address(reader: ResourceReader, value: object) -> Key | None:
    """Return the key of the instance to whose address, or Elastic IP address, a value refers."""
    instance = reader.referenced(value, INSTANCE)
    if instance is not None:
        return instance.key
    address = reader.referenced(value, ELASTIC_IP)
    if address is None:
        return None
    instance = reader.referenced(address.properties.get("InstanceId"), INSTANCE)
    for association in reader.of_type(ELASTIC_IP_ASSOCIATION):
        properties = association.properties
        for reference in (properties.get("AllocationId"), properties.get("EIP")):
            if reader.referenced(reference, ELASTIC_IP) is address:
                instance = reader.referenced(properties.get("InstanceId"), INSTANCE)
    return instance.key if instance else None


def _unsupported(resource: Resource, alarm: Alarm) -> str:
    """Return the reason why a health check cannot monitor an alarm, empty if it can.

    Source: AWS, Monitoring a CloudWatch alarm, "Supported alarms".
    """
    if alarm.datapoints != alarm.periods:
        return f"the alarm needs {alarm.datapoints} breaching periods out of {alarm.periods}"
    if "ExtendedStatistic" in resource.properties:
        return "the alarm has an extended statistic"
    is_short = alarm.period < 60
    return f"the alarm's period of {alarm.period} s is less than a minute" if is_short else ""


def _as_number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
