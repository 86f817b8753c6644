"""Facts that `failover check` reads and moto does not simulate: exports, quotas, and history.

site = StandbyCloud(cloud, config)
site.put_export("passive", "node1", site_digest="xyz")
site.quotas["eu-central-1"]["L-1216C47A"] = 32.0
"""

import json
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.facts.limits import COMPARED_QUOTAS
from denodo_ha.environment.loading.loader import load
from tests.commands.account.calls import Answer, Call, Fault, answer, error
from tests.commands.account.cloud import Cloud
from tests.support.assembly import ROOT
from tests.support.configurations import UUID

LOST, KEPT = "eu-west-1", "eu-central-1"
ACTIVE, STANDBY = "active", "passive"
_EXPORTS = "    exports: {{login: 'arn:aws:secretsmanager:{}:111122223333:secret:login-AbCdEf'}}\n"
_DATABASE = "components: [data-catalog]"
_COPY = f"copy: {{to: {STANDBY}, kms_key: 'arn:aws:kms:{KEPT}:111122223333:key/{UUID}'}}"
_CATALOGS = {
    LOST: f"    catalog: {{{_DATABASE}, {_COPY}}}\n",
    KEPT: f"    catalog: {{{_DATABASE}}}\n",
}
_OPERATIONS = (
    *("GetServiceQuota", "GetAWSDefaultServiceQuota", "GetAccountLimit"),
    *("DescribeCapacityReservations", "DescribeDBInstanceAutomatedBackups"),
)


def configuration(folder: Path) -> Path:
    """Write the active-passive example with everything that makes a standby ready.

    Both clusters have exports and a metadata database, the active cluster's database is copied, and
    the clusters share no License Manager.
    """
    file = folder / "active-passive.yaml"
    text = (ROOT / "config/examples/active-passive.yaml").read_text()
    for region in (LOST, KEPT):
        key = f"    region: {region}\n"
        assert key in text
        text = text.replace(key, key + _EXPORTS.format(region) + _CATALOGS[region])
    manager = "license_manager:\n  host: sm.example.com                   # yours\n"
    assert manager in text
    file.write_text(text.replace(manager, ""))
    return file


class StandbyCloud:
    """A cloud with exports, their copies, a practice and quotas, with which the standby is ready.

    Attributes:
        cloud: the cloud.
        config: the configuration file.
        quotas: applied quotas by region and code; a missing quota has AWS's default.
        health_checks: limit and number of the account's health checks.
        reservations: Capacity Reservations of the standby's region, as EC2 describes them.
        database_age: age of the newest state in the copy of the active cluster's database.
    """

    def __init__(self, cloud: Cloud, config: Path) -> None:
        self.cloud, self.config = cloud, config
        self.environment = load(config).environment
        codes = {code: 64.0 for _, code in COMPARED_QUOTAS.values()}
        self.quotas = {LOST: dict(codes), KEPT: dict(codes)}
        self.health_checks = (200, 7)
        self.reservations: list[dict[str, Any]] = []
        self.database_age = timedelta(minutes=6)
        for name, region in self.buckets().items():
            self.s3(region).create_bucket(
                Bucket=name, CreateBucketConfiguration={"LocationConstraint": region}
            )
        for cluster in (ACTIVE, STANDBY):
            for node in ("node1", "node2"):
                self.put_export(cluster, node)
        self.put_practice(timedelta(days=3))
        self.install()

    def install(self) -> None:
        """Answer the calls that moto lacks; call again after `faults.heal()`."""
        self.cloud.faults.add(Fault(lambda call: call.operation in _OPERATIONS, self._answer))

    def buckets(self) -> dict[str, str]:
        """Return the region of each bucket of exports and of their copies."""
        return {
            node_metadata.export_bucket_name(self.environment, ACTIVE): LOST,
            node_metadata.export_bucket_name(self.environment, STANDBY): KEPT,
            node_metadata.export_copy_bucket_name(self.environment, ACTIVE): KEPT,
            node_metadata.export_copy_bucket_name(self.environment, STANDBY): LOST,
        }

    def s3(self, region: str = KEPT) -> Any:
        """Return a client of S3."""
        return self.cloud.client("s3", region)

    def put_export(self, cluster: str, node: str, *, hours: float = 1, **changed: Any) -> None:
        """Put the manifest of a node's export into the bucket in the standby's region."""
        now = self.cloud.clock.now()
        manifest = {
            "schema": 2,
            "at": (now - timedelta(hours=hours)).isoformat(),
            "node": node,
            "digest": "digest",
            "size": 1,
            "site_digest": "abc",
            "denodo_update": "7.0 20230914",
            "program_version": "1.2.0",
            "encryption_key": "",
            "files": [],
            "certificates": [
                {
                    "subject": "denodo.example.com",
                    "where": "jdbc, port 9999",
                    "not_after": (now + timedelta(days=100)).isoformat(),
                }
            ],
            "license_manager": None,
            **changed,
        }
        bucket = (
            node_metadata.export_bucket_name(self.environment, cluster)
            if cluster == STANDBY
            else node_metadata.export_copy_bucket_name(self.environment, cluster)
        )
        body = json.dumps(manifest).encode()
        self.s3().put_object(Bucket=bucket, Key=f"{node}/export.json", Body=body)

    def put_entry(self, command: str, age: timedelta, **details: Any) -> None:
        """Put an entry of the history into the bucket in the standby's region."""
        at = self.cloud.clock.now() - age
        id_ = f"{abs(hash((command, age))):08x}"[:8]
        entry = {
            "id": id_,
            "at": at.isoformat(),
            "seconds": 90,
            "who": "ann@desk",
            "caller": "",
            "command": command,
            "environment": self.environment.name,
            "verdict": "done",
            "exit": 0,
            "changes": [],
            "details": details,
        }
        time, slug = f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}", command.replace(" ", "-")
        bucket = node_metadata.export_bucket_name(self.environment, STANDBY)
        key = f".history/{time}-{id_}-{slug}.json"
        self.s3().put_object(Bucket=bucket, Key=key, Body=json.dumps(entry).encode())

    def put_practice(self, age: timedelta, *, late: bool = False) -> None:
        """Put a practice into the history; with `late`, its step "DNS" took too long."""
        legs = [{"steps": [{"step": "DNS", "late": late}]}]
        self.put_entry("failover practice", age, practice={"directions": legs})

    def forget_history(self) -> None:
        """Delete all history entries in the standby's region."""
        bucket = node_metadata.export_bucket_name(self.environment, STANDBY)
        for each in (
            self.s3().list_objects_v2(Bucket=bucket, Prefix=".history/").get("Contents", [])
        ):
            self.s3().delete_object(Bucket=bucket, Key=each["Key"])

    def _answer(self, call: Call) -> Answer:
        match call.operation:
            case "GetServiceQuota" if call.parameters["QuotaCode"] not in self.quotas[call.region]:
                return error("NoSuchResourceException", "there is no applied value")
            case "GetServiceQuota":
                value = self.quotas[call.region][call.parameters["QuotaCode"]]
                return answer({"Quota": {"Value": value}})
            case "GetAWSDefaultServiceQuota":
                return answer({"Quota": {"Value": 5.0}})
            case "GetAccountLimit":
                limit, count = self.health_checks
                kind = call.parameters["Type"]
                return answer({"Limit": {"Type": kind, "Value": limit}, "Count": count})
            case "DescribeDBInstanceAutomatedBackups":
                return answer({"DBInstanceAutomatedBackups": [self._database_copy()]})
            case _:
                return answer({"CapacityReservations": self.reservations})

    def _database_copy(self) -> dict[str, Any]:
        """Return the copy of the active cluster's database, as RDS describes the copy."""
        active = self.environment.clusters[ACTIVE]
        stack = names.catalog_stack(self.environment.name, ACTIVE)
        database = f"{stack}-databaseinstance1234-abcdefghijkl"
        return {
            "DBInstanceAutomatedBackupsArn": f"arn:aws:rds:{KEPT}:{active.account}:auto-backup:ab",
            "DBInstanceArn": f"arn:aws:rds:{LOST}:{active.account}:db:{database}",
            "DBInstanceIdentifier": database,
            "Status": "replicating",
            "RestoreWindow": {"LatestTime": self.cloud.clock.now() - self.database_age},
        }
