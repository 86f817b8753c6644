"""A deployed site whose standby is ready, on a local AWS with nodes that run.

`configuration` writes the active-passive example with what a standby needs: exports, a metadata
database that is copied, and a License Manager for each site. Denodo's stand-ins export no metadata,
so this module writes the manifests of the exports. All other preparations are made by the deploy
and by commands.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.deployed.failover.location import SECONDARY, locate_failover
from denodo_ha.deployed.history.history_entry import HistoryEntry
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.facts.limits import COMPARED_QUOTAS
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.environment import Environment
from denodo_ha.standby.check_line import CheckLine
from denodo_ha.standby.standby_check import check_standby
from denodo_ha.standby.standby_facts import Standby
from tools.local_aws import bootstrap, control
from tools.local_aws.credentials import Access
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

ACTIVE, STANDBY = "active", "passive"
_EXAMPLE = ROOT / "config/examples/active-passive.yaml"
_MANAGER = "license_manager:\n  host: sm.example.com                   # yours\n"
_ACCOUNT = "111122223333"
_KEY = f"arn:aws:kms:eu-central-1:{_ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
_REGIONS = {"eu-west-1": f", copy: {{to: {STANDBY}, kms_key: '{_KEY}'}}", "eu-central-1": ""}
"""Regions of the example's clusters, each with the text that configures the copy of the cluster's
metadata database; empty without a copy."""
_QUOTA = 64.0
_RECORDED, _ATTEMPTS = (8, 10), 5
"""Lines of `failover check` whose facts only `failover check --record` records, and the attempts to
run that command."""
_CHECK_S = 60.0
"""Project default: real seconds within which `failover check` reads its facts."""
_COMMAND_S = 900
"""Project default: real seconds after which a command that hangs is killed."""


def configuration(folder: Path) -> Path:
    """Write the site's configuration into a folder, and return the path of the file."""
    text = _EXAMPLE.read_text(encoding="utf-8").replace(_MANAGER, "")
    for region, copy in _REGIONS.items():
        key = f"    region: {region}\n"
        login = f"arn:aws:secretsmanager:{region}:{_ACCOUNT}:secret:login-AbCdEf"
        text = text.replace(
            key,
            f"{key}    exports: {{login: '{login}'}}\n"
            f"    catalog: {{components: [scheduler]{copy}}}\n"
            f"    license_manager: {{host: {manager(region)}}}\n",
        )
    file = folder / "standby.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def manager(region: str) -> str:
    """Return the host of the License Manager of a region."""
    return f"lm.{region}.example.com"


@dataclass(frozen=True)
class StandbySite:
    """The deployed site.

    Attributes:
        endpoint: endpoint of the local AWS.
        paths: paths of the local AWS.
        loaded: the configuration.
        config: the configuration's file.
        aws: credentials of the local AWS.
    """

    endpoint: str
    paths: Paths
    loaded: Loaded
    config: Path
    aws: Aws

    @property
    def environment(self) -> Environment:
        """The configured environment."""
        return self.loaded.environment

    def access(self, cluster: str) -> Access:
        """Return account and region of a cluster."""
        settings = self.environment.clusters[cluster]
        return Access(self.endpoint, settings.account, settings.region)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `denodo-ha` with the configuration, as an operator does."""
        access = Access(self.endpoint, *bootstrap.home_location(self.environment))
        return subprocess.run(
            [sys.executable, "-m", "denodo_ha", *arguments, "-c", str(self.config)],
            cwd=ROOT,
            env=access.environment(self.paths),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )

    def check(self) -> dict[int, CheckLine]:
        """Return the lines of `failover check` for the standby, by number.

        The time limit is longer than that of the command, since this machine also runs the whole
        site.
        """
        location = locate_failover(
            self.aws, config=str(self.config), environment=None, regions=None
        )
        standby = Standby(location, self.loaded, SECONDARY)
        report = check_standby(self.aws, standby, RealClock(), seconds=_CHECK_S)
        return {line.number: line for line in report.lines}

    def control(self, path: str, body: Mapping[str, Any]) -> None:
        """Call the control API."""
        control.call(self.endpoint, path, body, method="PUT")

    def instance(self, cluster: str, node: str) -> str:
        """Return the id of a node's instance."""
        client = self.access(cluster).client("cloudformation")
        pages = client.get_paginator("list_stack_resources").paginate(
            StackName=f"{self.environment.name}-{cluster}"
        )
        ids = [
            item["PhysicalResourceId"]
            for page in pages
            for item in page["StackResourceSummaries"]
            if item["ResourceType"] == "AWS::EC2::Instance"
        ]
        described = self.access(cluster).client("ec2").describe_instances(InstanceIds=ids)
        for reservation in described["Reservations"]:
            for instance in reservation["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
                if node in tags.values():
                    return str(instance["InstanceId"])
        message = f"{cluster}/{node} has no instance"
        raise LocalAwsError(message)

    def nodes(self) -> Iterator[tuple[str, str]]:
        """Yield cluster and name of each node."""
        for cluster, settings in self.environment.clusters.items():
            yield from ((cluster, node) for node in settings.nodes)

    def make_ready(self) -> None:
        """Enable the nodes, and create what the local AWS does not: exports and quotas.

        Raises:
            LocalAwsError: a node cannot be enabled.
        """
        for cluster, node in self.nodes():
            done = self.run("enable", node, "--cluster", cluster, "--metadata-ok")
            if done.returncode:
                message = f"{cluster}/{node} cannot be enabled: {done.stderr.strip()[-500:]}"
                raise LocalAwsError(message)
            self.put_export(cluster, node)
        self.put_practice(late=False)
        self.put_quotas(_QUOTA)
        # Repeat the command: on a busy machine it may reach its time limit before it has recorded
        # everything.
        for _ in range(_ATTEMPTS):
            self.run("failover", "check", "--for", STANDBY, "--record")
            if all(self.check()[number].state == "ok" for number in _RECORDED):
                break

    def put_quotas(self, standby: float) -> None:
        """Apply quotas in both regions; `standby` is the quota of vCPUs in the standby's region."""
        quotas = {code: _QUOTA for _, code in COMPARED_QUOTAS.values()}
        active, other = (self.environment.clusters[name] for name in (ACTIVE, STANDBY))
        (_, virtual_cpus), *_ = COMPARED_QUOTAS.values()
        values = {active.region: quotas, other.region: {**quotas, virtual_cpus: standby}}
        self.control(f"quotas/{active.account}", values)

    def put_export(self, cluster: str, node: str, *, hours: float = 1, **changed: object) -> None:
        """Write the manifest of a metadata export, as a node does.

        S3 copies the manifest to the other region.
        """
        at = datetime.now(UTC) - timedelta(hours=hours)
        manifest = {
            "schema": 2,
            "at": at.isoformat(),
            "node": node,
            "digest": "digest",
            "size": 1,
            "site_digest": "equal",
            "denodo_update": "7.0 20230914",
            "program_version": "1.2.0",
            "encryption_key": "",
            "files": [],
            "certificates": [],
            "license_manager": None,
            **changed,
        }
        key, _ = node_metadata.export_keys(node)
        self._put(cluster, key, json.dumps(manifest).encode())

    def put_practice(self, *, late: bool) -> None:
        """Write a history entry of a practice that ends now; with `late`, a step was late."""
        steps = [{"step": "DNS, first answer", "late": late}]
        entry = HistoryEntry(
            id=secrets.token_hex(4),
            at=datetime.now(UTC),
            seconds=1,
            who="rehearsal",
            caller="",
            command="failover practice",
            environment=self.environment.name,
            verdict="done",
            exit=0,
            message="",
            changes=(),
            details={"practice": {"directions": [{"steps": steps}]}},
        )
        self._put(STANDBY, entry.key, entry.as_json())

    def _put(self, cluster: str, key: str, content: bytes) -> None:
        bucket = node_metadata.export_bucket_name(self.environment, cluster)
        self.access(cluster).client("s3").put_object(Bucket=bucket, Key=key, Body=content)
