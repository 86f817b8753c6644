"""Route 53 of a cloud: states of health checks, DNS answers, and the failover switch.

    world = Route53(cloud)
    world.down.add("active")        # the cluster's health check fails
    world.thrown                    # datapoints of the switch, in their order

In moto, health checks always pass and have no link to alarms, and zones answer no DNS queries.
"""

from typing import Any

import pytest

from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.dns_answer import Resolved
from denodo_ha.environment.derived import failover_plan
from denodo_ha.failover import command as failover
from tests.commands.account.calls import Answer, Call, Fault, answer, error
from tests.commands.account.cloud import Cloud

SWITCH_S = 75.0
"""Seconds from a datapoint of the switch until the switch's health check changes its status."""
_CHECK = "AWS::Route53::HealthCheck"
_OPERATIONS = (
    *("GetHealthCheck", "GetHealthCheckStatus", "GetHealthCheckLastFailureReason"),
    *("TestDNSAnswer", "PutMetricData"),
)


class Route53:
    """Health checks and DNS answers of a cloud.

    Attributes:
        down: clusters whose health checks fail.
        silent: clusters whose health checks have no report yet.
        thrown: values that were put into the switch's metric.
        resolves: True if this machine resolves the names.
        public: True if the zone is public, which TestDNSAnswer requires.
        deaf: True if the switch's health check ignores the metric.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.down: set[str] = set()
        self.silent: set[str] = set()
        self.thrown: list[float] = []
        self.resolves, self.public, self.deaf = True, True, False
        self._at = 0.0
        failover = cloud.environment.failover
        assert failover is not None
        self.primary, self.secondary = failover.primary, failover.secondary

    def begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answer Route 53's calls (after earlier faults), and replace clock and resolver."""
        monkeypatch.setattr(failover, "real_clock", lambda: self.cloud.clock)
        monkeypatch.setattr(dns_answer, "lookup", self.lookup)
        self.cloud.faults.add(Fault(lambda call: call.operation in _OPERATIONS, self._answer))

    def _answer(self, call: Call) -> Answer | None:
        match call.operation:
            case "GetHealthCheck":
                return self._config(call.parameters["HealthCheckId"])
            case "GetHealthCheckStatus" | "GetHealthCheckLastFailureReason":
                return self._status(call.parameters["HealthCheckId"])
            case "TestDNSAnswer" if not self.public:
                return error("InvalidInput", "TestDNSAnswer supports public hosted zones only")
            case "TestDNSAnswer":
                return answer({"RecordData": [f"{self.target(self.answered)}."]})
            case _:
                self.put(call)
                return answer({})

    def put(self, call: Call) -> None:
        """Record a datapoint of the switch, whose health check follows after `SWITCH_S`."""
        values = [
            datum["Value"]
            for datum in call.parameters["MetricData"]
            if datum["MetricName"] == failover_plan.SWITCH_METRIC
        ]
        if not values:
            return
        (value,) = values
        self.thrown.append(value)
        if not self.deaf and call.parameters["Namespace"] == self._namespace():
            self.cloud.clock.at(
                self.cloud.clock.monotonic() + SWITCH_S, lambda: setattr(self, "_at", value)
            )

    def put_now(self, value: float) -> None:
        """Set the switch without a datapoint of the code under test, and without a delay."""
        self._at = value

    def _namespace(self) -> str:
        """Return the namespace that the switch's alarm watches."""
        resources = self.cloud.stack("failover").template["Resources"].values()
        alarm = next(one for one in resources if one["Type"] == "AWS::CloudWatch::Alarm")
        return str(alarm["Properties"]["Namespace"])

    def _of(self, check_id: str) -> tuple[str, dict[str, Any]]:
        """Return the name of the stack with a health check, and the health check's settings.

        The name is without the environment: the name of a cluster, or `failover`.
        """
        for stack in self.cloud.stacks.all:
            for id_, resource in stack.template["Resources"].items():
                if resource["Type"] == _CHECK and stack.physical_ids[id_] == check_id:
                    config = dict(resource["Properties"]["HealthCheckConfig"])
                    return stack.name.removeprefix(f"{self.cloud.environment.name}-"), config
        raise KeyError(check_id)

    def _config(self, check_id: str) -> Answer:
        _, config = self._of(check_id)
        region = self.cloud.stack("failover").region
        response = self.cloud.client("route53", region).get_health_check(HealthCheckId=check_id)
        settings = {**config, **response["HealthCheck"]["HealthCheckConfig"]}
        if "AlarmIdentifier" in config:
            named = config["AlarmIdentifier"]
            names = {
                key: value
                for stack in self.cloud.stacks.all
                for key, value in stack.physical_ids.items()
            }
            settings["AlarmIdentifier"] = {
                "Name": names[named["Name"]["Ref"]],
                "Region": named["Region"],
            }
            settings["InsufficientDataHealthStatus"] = config["InsufficientDataHealthStatus"]
        return answer({"HealthCheck": {"Id": check_id, "HealthCheckConfig": settings}})

    def _status(self, check_id: str) -> Answer:
        place, config = self._of(check_id)
        if config["Type"] == "CALCULATED":
            return error("InvalidInput", "not for calculated health checks")
        if place == "failover" and config["Type"] == "CLOUDWATCH_METRIC":
            healthy = self._at == 0
        else:
            healthy = place not in self.down
        text = "Success: it is OK" if healthy else "Failure: no healthy node"
        count = 0 if place in self.silent else 8
        observation = {"Region": "eu-west-1", "StatusReport": {"Status": text}}
        return answer({"HealthCheckObservations": [observation] * count})

    @property
    def answered(self) -> str:
        """Return the cluster to which Route 53 resolves the failover name."""
        primary = self._at == 0 and self.primary not in self.down
        return self.primary if primary or self.secondary in self.down else self.secondary

    def target(self, cluster: str) -> str:
        """Return the DNS name of a cluster's load balancer."""
        return self.cloud.stack(cluster).outputs["BalancerDnsName"].lower()

    def lookup(self, name: str) -> Resolved | None:
        """Return the answer of this machine's resolver for a name; None without an answer."""
        if not self.resolves:
            return None
        failover = self.cloud.environment.failover
        assert failover is not None
        if name == f"{failover.record}.{failover.zone.name}":
            return Resolved(frozenset({name}), self._addresses(self.answered))
        for cluster in (self.primary, self.secondary):
            if name == self.target(cluster):
                return Resolved(frozenset({name}), self._addresses(cluster))
        return None

    def _addresses(self, cluster: str) -> frozenset[str]:
        return frozenset({"192.0.2.1" if cluster == self.primary else "192.0.2.2"})
