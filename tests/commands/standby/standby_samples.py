"""Facts of a standby that is ready, and one fault for each line."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from denodo_ha.catalog.exports import (
    Certificate,
    Export,
    InstalledFile,
    LicenseManagerAnswer,
    SiteFacts,
)
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.database_copy import DatabaseCopy
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.failover.health_checks import HEALTHY, UNHEALTHY, Route53Check
from denodo_ha.deployed.failover.location import SECONDARY, FailoverLocation
from denodo_ha.deployed.history.history_entry import History, HistoryEntry
from denodo_ha.deployed.instances import Instance
from denodo_ha.deployed.stack import Stack
from denodo_ha.environment.loading.loader import load
from denodo_ha.standby.data_sources import DataSource
from denodo_ha.standby.machine_lines import Machines
from denodo_ha.standby.metadata_lines import SiteExports
from denodo_ha.standby.quota_line import HealthCheckQuota
from denodo_ha.standby.service_lines import Record, TargetCount
from denodo_ha.standby.standby_facts import Standby, StandbyFacts
from tests.support.configurations import Data, twins, write

NOW: Final = datetime(2026, 11, 26, 9, 47, tzinfo=UTC)
ACTIVE, STANDBY = "main", "spare"
CALLER: Final = "arn:aws:sts::111122223333:assumed-role/oncall/ann"
_BALANCER = "nlb.example.com"
_LOGIN = "arn:aws:secretsmanager:{}:111122223333:secret:login-AbCdEf"

Change = Callable[[StandbyFacts], StandbyFacts]


def configuration() -> Data:
    """Return a configuration of two clusters with exports, each in a region of its own."""
    data = twins()
    for name, region in ((ACTIVE, "eu-west-1"), (STANDBY, "us-east-1")):
        data["clusters"][name]["exports"] = {"login": _LOGIN.format(region)}
    return data


def standby(folder: Path) -> Standby:
    """Return the standby of the configuration: the secondary cluster, called `STANDBY`."""
    loaded = load(write(folder, configuration()))
    locations = {
        role: StackLocation(name, f"test-{name}", "111122223333", region)
        for role, name, region in (
            ("PRIMARY", ACTIVE, "eu-west-1"),
            ("SECONDARY", STANDBY, "us-east-1"),
        )
    }
    site = FailoverLocation(
        environment="test",
        endpoint="denodo.example.com",
        zone_id="Z0123456789",
        account="111122223333",
        region="us-east-1",
        clusters=locations,  # type: ignore[arg-type] # the keys are roles
        switch_namespace="Denodo/Failover",
        loaded=loaded,
    )
    return Standby(site, loaded, SECONDARY)


def export(node: str, **changed: object) -> Export:
    """Return an export of an hour ago; keyword arguments change its site facts."""
    site = SiteFacts(
        site_digest="abc",
        denodo_update="8.0 20240307",
        program_version="1.2.0",
        encryption_key="",
        files=(InstalledFile("lib-external/jdbc-drivers/x", "x.jar", "0" * 64),),
        certificates=(
            Certificate("denodo.example.com", "jdbc, port 9999", NOW + timedelta(days=100)),
        ),
        license_manager=LicenseManagerAnswer("lm", 10091, answered=True, reason=""),
    )
    return Export(
        NOW - timedelta(hours=1),
        node,
        "digest",
        1,
        site=replace(site, **changed),  # type: ignore[arg-type] # the names of the arguments are fields of `SiteFacts`
    )


def entry(command: str, age: timedelta, **details: object) -> HistoryEntry:
    """Return the history entry of a successful command that began `age` before NOW."""
    return HistoryEntry(
        id=command,
        at=NOW - age,
        seconds=1,
        who="ann@desk",
        caller=CALLER.replace("/ann", "/ci"),
        command=command,
        environment="test",
        verdict="done",
        exit=0,
        message="",
        changes=(),
        details=details,
    )


def practised(*, late: bool) -> dict[str, object]:
    """Return the details of the history entry of a practice."""
    steps = [{"step": "datapoint", "late": False}, {"step": "DNS", "late": late}]
    return {"practice": {"verdict": "proven", "directions": [{"steps": steps}]}}


SOURCE: Final = DataSource("sales", "JDBC", "orders")
QUOTAS: Final = {"On-Demand vCPUs": 64.0, "Elastic IPs": 5.0}
PRACTICE: Final = entry("failover practice", timedelta(days=9), **practised(late=False))
RECORDED: Final = entry("failover check", timedelta(hours=12), quotas={ACTIVE: QUOTAS}, put=True)


def database_copy(age: timedelta | None, status: str = "") -> DatabaseCopy:
    """Return a database copy of this age; for None, a copy that cannot be restored yet."""
    until = None if age is None else NOW - age
    status = status or ("pending" if age is None else "replicating")
    return DatabaseCopy("arn", "database", status, until, "")


def instance(node: str, *, state: str = "running", type_: str = "m5.xlarge") -> Instance:
    """Return the instance of a node."""
    return Instance(f"i-{node}", state, "us-east-1a", type_, "ami-1", "10.1.0.5")


def ready() -> StandbyFacts:
    """Return facts with which every line is ok."""
    location = StackLocation(STANDBY, f"test-{STANDBY}", "111122223333", "us-east-1")
    outputs = {"BalancerDnsName": _BALANCER}
    stack = Stack(
        *(location.stack, "arn", location.region, location.account, "CREATE_COMPLETE"),
        *(outputs, {}, {}, {}, {}),
    )
    nodes = ("node1", "node2")
    newest = {node: export(node) for node in nodes}
    check = Route53Check("id", "alarm", HEALTHY, "8 of 8 checkers succeed")
    return StandbyFacts(
        cluster=Cluster(location, stack, (), None, ()),
        targets=(TargetCount("jdbc", 2, 2),),
        record=Record(_BALANCER, check),
        own=SiteExports(STANDBY, nodes, timedelta(days=1), newest),
        active=SiteExports(ACTIVE, nodes, timedelta(days=1), newest),
        sources={SOURCE: "UP"},
        differs_since=None,
        has_database=True,
        is_database_copied=True,
        database=database_copy(timedelta(minutes=6)),
        licences=dict.fromkeys(nodes, ""),
        machines=Machines({node: instance(node) for node in nodes}, {}),
        quotas=QUOTAS,
        health_checks=HealthCheckQuota(200, 7),
        history=History((PRACTICE, RECORDED), (), exists=True),
        caller=CALLER,
        now=NOW,
    )


def own(**changed: object) -> Change:
    """Return a change of the site facts of the standby's node2."""

    def change(facts: StandbyFacts) -> StandbyFacts:
        assert isinstance(facts.own.newest, dict)
        newest = {**facts.own.newest, "node2": export("node2", **changed)}
        return replace(facts, own=replace(facts.own, newest=newest))

    return change


def set_facts(**changed: object) -> Change:
    """Return a change that sets these fields of the facts."""
    return lambda facts: replace(facts, **changed)  # type: ignore[arg-type] # the names of the arguments are fields


def old_copy(facts: StandbyFacts) -> StandbyFacts:
    """Make one copy of the active cluster's exports too old."""
    assert isinstance(facts.active.newest, dict)
    stale = replace(facts.active.newest["node1"], at=NOW - timedelta(days=3))
    newest = {**facts.active.newest, "node1": stale}
    return replace(facts, active=replace(facts.active, newest=newest))


def digest(facts: StandbyFacts) -> StandbyFacts:
    """Give the active cluster's nodes another site digest than the standby's nodes."""
    assert isinstance(facts.active.newest, dict)
    newest = {
        node: replace(each, site=replace(each.site, site_digest="xyz"))
        for node, each in facts.active.newest.items()
    }
    active = replace(facts.active, newest=newest)
    return replace(facts, active=active, differs_since=NOW - timedelta(hours=7, minutes=47))


def history(*entries: HistoryEntry) -> Change:
    """Return a change that replaces the entries of the history."""
    return set_facts(history=History(entries, (), exists=True))


def stopped(facts: StandbyFacts) -> StandbyFacts:
    """Stop a node of the standby for which no place in a Capacity Reservation is reserved."""
    machines = {"node1": instance("node1"), "node2": instance("node2", state="stopped")}
    return replace(facts, machines=Machines(machines, {}))


UNHEALTHY_CHECK: Final = Route53Check("id", "alarm", UNHEALTHY, "no healthy node")
FAULTS: Final[dict[str, tuple[int, str, Change]]] = {
    "one target": (1, "jdbc 1 of 2", set_facts(targets=(TargetCount("jdbc", 1, 2),))),
    "no target": (1, "jdbc 0 of 0", set_facts(targets=(TargetCount("jdbc", 0, 0),))),
    "unhealthy": (2, "no healthy node", set_facts(record=Record(_BALANCER, UNHEALTHY_CHECK))),
    "another balancer": (2, "the record names old", set_facts(record=Record("old", None))),
    "other metadata": (3, "different since 02:00 UTC: spare node1, spare node2 | main", digest),
    "a data source down": (
        3,
        "sales/JDBC/orders DOWN: connection refused",
        set_facts(sources={SOURCE: "DOWN: connection refused"}),
    ),
    "old copy": (4, "main node1 3 d", old_copy),
    "no database copy": (5, "there is no copy", set_facts(database=None)),
    "first database copy": (
        5,
        "no copy yet, status pending",
        set_facts(database=database_copy(None)),
    ),
    "database not copied": (5, "is not copied", set_facts(is_database_copied=False)),
    "stopped database copy": (
        5,
        "restorable to 2026-11-24 09:47 UTC, status stopped",
        set_facts(database=database_copy(timedelta(days=2), "stopped")),
    ),
    "no licence": (6, "node1: 503", set_facts(licences={"node1": "503", "node2": ""})),
    "node gone": (
        7,
        "the instance of node2 is gone",
        set_facts(machines=Machines({"node1": instance("node1"), "node2": None}, {})),
    ),
    "no place": (7, "node2 is stopped, and no place is reserved", stopped),
    "smaller machines": (
        7,
        "instance types m5.large, but m5.xlarge in the active cluster",
        set_facts(machines=Machines({"node1": instance("node1", type_="m5.large")}, {})),
    ),
    "lower quota": (
        8,
        "On-Demand vCPUs: 32, but 64 in the active cluster's region",
        set_facts(quotas={**QUOTAS, "On-Demand vCPUs": 32.0}),
    ),
    "no health check left": (
        8,
        "200 Route 53 health checks, quota 200",
        set_facts(health_checks=HealthCheckQuota(200, 200)),
    ),
    "another update": (9, "Denodo's update not equal", own(denodo_update="8.0 20230301")),
    "another program": (9, "the node program not equal", own(program_version="1.1.0")),
    "another key": (9, "encryption key not equal", own(encryption_key="f" * 64)),
    "another driver": (9, "drivers and extensions not equal", own(files=())),
    "certificate ends": (
        9,
        "expires 2026-12-01",
        own(certificates=(Certificate("a", "jdbc", NOW + timedelta(days=5)),)),
    ),
    "never practised": (10, "the history has no practice", history(RECORDED)),
    "practice long ago": (
        10,
        "practice of 2026-07",
        history(entry("failover practice", timedelta(days=120), **practised(late=False)), RECORDED),
    ),
    "practice too slow": (
        10,
        "took longer than the drill expects",
        history(entry("failover practice", timedelta(days=2), **practised(late=True)), RECORDED),
    ),
    "practice failed": (
        10,
        "failed: Route 53",
        history(replace(PRACTICE, verdict="failed", message="Route 53"), RECORDED),
    ),
}
"""Faults by name: number of the line that becomes "no", a text of this line, and the change of
facts."""
