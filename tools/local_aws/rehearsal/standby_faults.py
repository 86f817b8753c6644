"""Faults of a standby, one for each line of `denodo-ha failover check`."""

from collections.abc import Callable
from dataclasses import dataclass

from denodo_ha.deployed.failover.location import SECONDARY
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.rehearsal.standby_site import ACTIVE, STANDBY, StandbySite, manager

Plant = Callable[[StandbySite], None]
_PORT = 9999
_TOO_OLD_S = 7200
_LOW_QUOTA = 32.0


@dataclass(frozen=True)
class Fault:
    """A fault of the standby, and the lines of the check that must show it.

    Attributes:
        name: name of the fault.
        lines: the numbers of the lines that must be no.
        seen: part of the text of the first of these lines.
        plant: causes the fault.
        repair: ends the fault.
        others: the numbers of the other lines that may be no or unknown.
    """

    name: str
    lines: tuple[int, ...]
    seen: str
    plant: Plant
    repair: Plant
    others: tuple[int, ...] = ()

    def disagreement(self, states: dict[int, str], seen: dict[int, str]) -> str:
        """Return how the check's lines differ from those that must be no; empty if they agree."""
        wrong = [number for number in self.lines if states.get(number) != "no"]
        if wrong:
            state = states.get(wrong[0], "missing")
            return f"line {wrong[0]} must be no, and is {state}: {seen.get(wrong[0], '')}"
        if self.seen not in seen[self.lines[0]]:
            return f"line {self.lines[0]} does not contain {self.seen!r}: {seen[self.lines[0]]}"
        more = {
            number
            for number, state in states.items()
            if state != "ok" and number not in (*self.lines, *self.others)
        }
        return "; ".join(
            f"line {number} must be ok, and is {states[number]}: {seen[number]}"
            for number in sorted(more)
        )


def _on_machine(node: str, action: str, port: int = 0) -> Plant:
    def act(site: StandbySite) -> None:
        body = {"action": action, **({"port": port} if port else {})}
        site.control(f"machines/{site.instance(STANDBY, node)}", body)

    return act


def _cut_check(site: StandbySite) -> None:
    """Make the health check of the standby's record unhealthy."""
    failover = site.environment.failover
    assert failover is not None
    client = site.access(STANDBY).client("route53")
    for zone in client.list_hosted_zones()["HostedZones"]:
        sets = client.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        for record in sets:
            if record.get("Failover") == SECONDARY and record.get("HealthCheckId"):
                id_ = str(record["HealthCheckId"])
                check = client.get_health_check(HealthCheckId=id_)["HealthCheck"]
                parts = check["HealthCheckConfig"].get("ChildHealthChecks", [])
                site.control("cuts", {"checks": [id_, *parts]})
                return
    message = f"{STANDBY} has no record with a health check"
    raise LocalAwsError(message)


def _quotas(value: float) -> Plant:
    return lambda site: site.put_quotas(value)


def _manager(*, answers: bool) -> Plant:
    def put(site: StandbySite) -> None:
        host = manager(site.environment.clusters[STANDBY].region)
        site.control(f"managers/{host}", {"answers": answers})

    return put


def _instance(operation: str) -> Plant:
    def call(site: StandbySite) -> None:
        client = site.access(STANDBY).client("ec2")
        getattr(client, operation)(InstanceIds=[site.instance(STANDBY, "node2")])

    return call


FAULTS: tuple[Fault, ...] = (
    Fault(
        "a port of a node is closed",
        (1,),
        "1 of 2",
        _on_machine("node1", "close-port", _PORT),
        _on_machine("node1", "open-port", _PORT),
    ),
    Fault(
        "the health check is unhealthy",
        (2,),
        "unhealthy",
        _cut_check,
        lambda site: site.control("cuts", {}),
    ),
    Fault(
        "the metadata differs",
        (3,),
        "different since",
        lambda site: site.put_export(STANDBY, "node2", hours=0.5, site_digest="other"),
        lambda site: site.put_export(STANDBY, "node2"),
    ),
    Fault(
        "the copy of an export is old",
        (4,),
        "active node1 3 d",
        lambda site: site.put_export(ACTIVE, "node1", hours=72),
        lambda site: site.put_export(ACTIVE, "node1"),
    ),
    Fault(
        "the copy of the database is old",
        (5,),
        "restorable to ",
        lambda site: site.control("database-copies", {"age": _TOO_OLD_S}),
        lambda site: site.control("database-copies", {}),
    ),
    Fault(
        "the License Manager is lost",
        (6,),
        manager("eu-central-1"),
        _manager(answers=False),
        _manager(answers=True),
    ),
    # A stopped node has no healthy target (line 1) and asks no License Manager (line 6).
    Fault(
        "an instance is stopped",
        (7, 1),
        "node2 is stop",
        _instance("stop_instances"),
        _instance("start_instances"),
        (6,),
    ),
    Fault(
        "a quota is lower",
        (8,),
        "On-Demand vCPUs: 32, but 64",
        _quotas(_LOW_QUOTA),
        _quotas(2 * _LOW_QUOTA),
    ),
    Fault(
        "the encryption key differs",
        (9,),
        "encryption key not equal",
        lambda site: site.put_export(STANDBY, "node1", encryption_key="f" * 64),
        lambda site: site.put_export(STANDBY, "node1"),
    ),
    Fault(
        "a practice was too slow",
        (10,),
        "took longer than the drill expects",
        lambda site: site.put_practice(late=True),
        lambda site: site.put_practice(late=False),
    ),
)
"""Faults in the order of the lines of `failover check`; each line has a fault."""
