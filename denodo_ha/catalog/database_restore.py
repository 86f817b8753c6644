"""Restore of a metadata database from its copy in the region of another cluster.

    restore = DatabaseRestore(aws, location, clock=clock, progress=progress)
    restore.run(copy, "denodo-passive-restored", timeout=14400)

The restore creates a new database and leaves the other cluster's own database unchanged. No node
uses the restored database until an operator lets the nodes use it (docs/how-to/catalog.md), so a
restore never lets two Schedulers run the same jobs. If the command runs again, it continues after
the steps that are done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock, PollTimeout, poll_until
from denodo_ha.cli.errors import Failed, Interrupted, NotFound, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.database_copy import DatabaseCopy, DatabaseSource, read_database_copy
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.stack import Stack, read_stack
from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.environment import Environment

RESTORE_S: Final = 14_400
"""Project default: seconds for a restore, which may take "up to a few hours" (AWS Prescriptive
Guidance, "Amazon RDS PITR snapshot replication")."""
_EVERY_S: Final = 15
_DATABASE: Final = "AWS::RDS::DBInstance"
_AVAILABLE: Final = "available"
_ACTIVE: Final = "active"
_FAILED: Final = frozenset({"failed", "incompatible-restore", "incompatible-parameters"})
"""Statuses of a database that never becomes `available` (Amazon RDS User Guide, "Viewing Amazon RDS
DB instance status")."""


@dataclass(frozen=True)
class RestoredDatabase:
    """A restored database.

    Attributes:
        name: identifier of the database.
        host: DNS name of the database.
        admin_secret: ARN of the secret with the administrator's password.
        until: newest time that was restorable when the restore began; None if an earlier run of the
            command began the restore.
    """

    name: str
    host: str
    admin_secret: str
    until: datetime | None


def find_copy(
    aws: Aws, environment: Environment, location: StackLocation
) -> tuple[DatabaseCopy, str]:
    """Return a database copy in a cluster's region, and the name of the copied database's cluster.

    Raises:
        Refused: The configuration copies no database to this region, or RDS has no copy yet.
    """
    missing = ""
    for name in node_metadata.copied_databases(environment, location.name):
        cluster = environment.clusters[name]
        stack = names.catalog_stack(environment.name, name)
        source = DatabaseSource(stack, cluster.account, cluster.region)
        copy = read_database_copy(aws, location.region, source)
        if copy is not None:
            return copy, name
        missing = (
            f"the database of {stack} has no copy in {location.region} yet: deploy {stack}, and "
            "wait for the first copy"
        )
    no_copy = f"no cluster of {environment.name} has catalog.copy with to: {location.name}"
    message = f"{missing or no_copy}. Nothing was changed"
    raise Refused(message)


class DatabaseRestore:
    """Restore of a database copy in the region of another cluster.

    The restored database gets the network settings of that cluster's own metadata database.

    Args:
        aws: the credentials.
        environment: name of the environment.
        location: the cluster in whose region the copy is.
        clock: the clock.
        progress: receives progress messages.
    """

    def __init__(
        self,
        aws: Aws,
        environment: str,
        location: StackLocation,
        *,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._aws, self._environment, self._location = aws, environment, location
        self._clock, self._progress = clock, progress

    def settings(self, stack_location: StackLocation) -> Mapping[str, Any]:
        """Return the settings for the restored database: those of the cluster's own database.

        Raises:
            Refused: The cluster has no metadata database on RDS.
        """
        database = self._own_database(stack_location)
        with translated_errors():
            return {
                "DBInstanceClass": database["DBInstanceClass"],
                "DBSubnetGroupName": database["DBSubnetGroup"]["DBSubnetGroupName"],
                "VpcSecurityGroupIds": [
                    group["VpcSecurityGroupId"] for group in database["VpcSecurityGroups"]
                ],
                "DBParameterGroupName": database["DBParameterGroups"][0]["DBParameterGroupName"],
                "MultiAZ": bool(database["MultiAZ"]),
            }

    def run(
        self, copy: DatabaseCopy, name: str, settings: Mapping[str, Any], *, timeout: float
    ) -> RestoredDatabase:
        """Restore the newest state of a copy, and let RDS manage the administrator's password.

        Raises:
            Refused: The copy has no state that can be restored. Nothing was changed.
            Failed: The database did not become available. The message says what remains.
            AwsError: AWS did not answer or denied a call.
            Interrupted: The command was interrupted. The message says what remains.
        """
        again = (
            f"RDS may be restoring {name} in {self._location.region}; run the same command again "
            "to continue"
        )
        try:
            until = None
            if self._describe(name) is None:
                if copy.latest_restorable is None:
                    message = (
                        f"the copy of {copy.database} is {copy.status}, and has no state that can "
                        "be restored yet. Nothing was changed"
                    )
                    raise Refused(message)
                recording.note(self._location.name, name, before="did not exist")
                self._restore(copy, name, settings)
                until = copy.latest_restorable
            database = self._wait(name, _is_available, timeout, again)
            if not database.get("MasterUserSecret"):
                # The restore itself cannot request a password that RDS manages (Amazon RDS API
                # Reference, RestoreDBInstanceToPointInTime: for RDS for Oracle only).
                recording.note(self._location.name, name, before="restored")
                self._manage_password(name)
            database = self._wait(name, _has_password, timeout, again)
        except KeyboardInterrupt:
            message = f"interrupted: {again}"
            raise Interrupted(message) from None
        recording.note(self._location.name, name, after="restored, and used by no node yet")
        with translated_errors():
            return RestoredDatabase(
                name,
                str(database["Endpoint"]["Address"]),
                str(database["MasterUserSecret"]["SecretArn"]),
                until,
            )

    def _own_database(self, location: StackLocation) -> Mapping[str, Any]:
        stack = self._read_stack(location)
        ids = [id_ for id_, _ in stack.resources(_DATABASE)] if stack else []
        database = self._describe(stack.physical_ids[ids[0]]) if stack and ids else None
        if database is None:
            message = (
                f"{location.name} has no metadata database in {location.region}; a restored "
                "database gets the subnets, security group and parameters of that database: deploy "
                f"{location.name} with `catalog` first. Nothing was changed"
            )
            raise Refused(message)
        return database

    def _read_stack(self, location: StackLocation) -> Stack | None:
        try:
            return read_stack(self._aws, location)
        except NotFound:
            return None

    @property
    def _client(self) -> Any:
        return self._aws.client("rds", self._location.region)

    def _describe(self, name: str) -> Mapping[str, Any] | None:
        try:
            with translated_errors():
                answer = self._client.describe_db_instances(DBInstanceIdentifier=name)
                database: Mapping[str, Any] = answer["DBInstances"][0]
                _ = database["DBInstanceStatus"]
                return database
        except NotFound:
            return None

    def _restore(self, copy: DatabaseCopy, name: str, settings: Mapping[str, Any]) -> None:
        tags = {
            names.ENVIRONMENT_TAG: self._environment,
            names.CLUSTER_TAG: self._location.name,
        }
        with translated_errors():
            self._client.restore_db_instance_to_point_in_time(
                SourceDBInstanceAutomatedBackupsArn=copy.arn,
                TargetDBInstanceIdentifier=name,
                UseLatestRestorableTime=True,
                PubliclyAccessible=False,
                CopyTagsToSnapshot=True,
                DeletionProtection=True,
                Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
                **settings,
            )

    def _manage_password(self, name: str) -> None:
        with translated_errors():
            self._client.modify_db_instance(
                DBInstanceIdentifier=name, ManageMasterUserPassword=True, ApplyImmediately=True
            )

    def _wait(
        self,
        name: str,
        done: Callable[[Mapping[str, Any]], bool],
        timeout: float,
        again: str,
    ) -> Mapping[str, Any]:
        """Poll until the database fulfils a condition, and return the database."""

        def observe() -> Mapping[str, Any]:
            database = self._describe(name) or {}
            if (status := _status(database)) in _FAILED:
                message = (
                    f"{name} is {status}: the events of RDS show the reason; delete {name}, then "
                    "run the same command again"
                )
                raise Failed(message)
            return database

        with self._progress.step(f"{name}: restoring") as step:
            try:
                return poll_until(
                    observe,
                    done=done,
                    clock=self._clock,
                    timeout=timeout,
                    every=_EVERY_S,
                    progress=lambda seen, passed: step.update(f"{_status(seen)} ({passed:.0f} s)"),
                )
            except PollTimeout:
                message = f"{name} is not available after {timeout:.0f} s; {again}"
                raise Failed(message) from None


def _status(database: Mapping[str, Any]) -> str:
    return str(database.get("DBInstanceStatus", "unknown"))


def _is_available(database: Mapping[str, Any]) -> bool:
    return database.get("DBInstanceStatus") == _AVAILABLE


def _has_password(database: Mapping[str, Any]) -> bool:
    secret = database.get("MasterUserSecret") or {}
    return _is_available(database) and secret.get("SecretStatus") == _ACTIVE
