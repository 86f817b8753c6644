"""Databases of the local AWS are real PostgreSQL servers: login, loss, restore, rename, end."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from denodo_ha.catalog.roles import Roles, Step
from tests.local_aws.cloud import Cloud
from tests.local_aws.test_databases import KEY, OTHER_REGION, resources
from tests.support import local_aws_server
from tests.support.waiting import until

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Database:
    """A database of an account.

    Attributes:
        cloud: the account and region.
        id: its identifier.
    """

    cloud: Cloud
    id: str

    @property
    def name(self) -> str:
        """Name of the database in the control API of the local AWS."""
        return f"{self.cloud.access.region}/{self.id}"

    def described(self) -> dict[str, Any]:
        """Return RDS's description of the database."""
        rds = self.cloud.client("rds")
        (record,) = rds.describe_db_instances(DBInstanceIdentifier=self.id)["DBInstances"]
        return dict(record)

    def connect(self, sslmode: str = "verify-full") -> "psycopg.Connection[tuple[Any, ...]]":
        """Connect as the administrator of the database's secret."""
        record = self.described()
        secret = record["MasterUserSecret"]["SecretArn"]
        manager = self.cloud.client("secretsmanager")
        login = json.loads(manager.get_secret_value(SecretId=secret)["SecretString"])
        served = self.cloud.call("databases")[self.name]
        address, port = served["endpoint"]
        return psycopg.connect(
            host=record["Endpoint"]["Address"],
            hostaddr=address,
            port=port,
            user=login["username"],
            password=login["password"],
            dbname="postgres",
            sslmode=sslmode,
            sslrootcert=served["authority"],
            autocommit=True,
            connect_timeout=60,
        )

    def answers(self) -> bool:
        """Return whether a client can connect."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def rows(self) -> list[tuple[Any, ...]]:
        """Return all rows of the table `kept`, once the database answers."""
        until(self.answers)
        with self.connect() as connection:
            return connection.execute("SELECT * FROM kept").fetchall()


def make(step: Step) -> bool:
    """Carry out a step of `catalog init` if the step is needed; return whether it was needed."""
    needed = step.needed()
    if needed:
        step.make()
    return needed


@pytest.fixture
def database() -> Iterator[Database]:
    """Return a database with a table and a copy in another region."""
    cloud = Cloud(local_aws_server.endpoint(), local_aws_server.new_account())
    cloud.call("living", {"databases": True, "names": True}, "PUT")
    copied = {
        "AutomaticBackupReplicationRegion": OTHER_REGION,
        "AutomaticBackupReplicationKmsKeyId": KEY,
    }
    stack = cloud.deploy(resources(StorageEncrypted=True, **copied))
    database = Database(cloud, stack.ids["It"])
    until(database.answers)
    with database.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    yield database
    cloud.call("living", {"databases": False}, "PUT")


def test_a_database_serves_is_lost_and_is_restored_elsewhere(database: Database) -> None:
    cloud = database.cloud
    host = database.described()["Endpoint"]["Address"]
    (address,) = cloud.call(f"names/{host}")["addresses"]
    assert cloud.call("databases")[database.name]["endpoint"] == [address, 5432]
    with database.connect() as connection:
        row = connection.execute("SELECT usesuper FROM pg_user WHERE usename = user").fetchone()
    assert row == (False,)
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        database.connect("disable")

    # As `denodo-ha catalog init` does, an administrator who is not a superuser creates roles.
    with database.connect() as connection:
        made = [step.what for step in Roles(connection, "scheduler", "it").steps() if make(step)]
        again = [step for step in Roles(connection, "scheduler", "it").steps() if step.needed()]
    assert "database scheduler" in made
    assert again == []

    cloud.call(f"databases/{database.name}", {"action": "kill"}, "PUT")
    assert not database.answers()
    there = Database(cloud.of(region=OTHER_REGION), "restored")
    rds = there.cloud.client("rds")
    (copy,) = rds.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceAutomatedBackupsArn=copy["DBInstanceAutomatedBackupsArn"],
        TargetDBInstanceIdentifier=there.id,
        UseLatestRestorableTime=True,
    )
    rds.modify_db_instance(DBInstanceIdentifier=there.id, ManageMasterUserPassword=True)
    assert there.rows() == [(7,)]
    rds.modify_db_instance(DBInstanceIdentifier=there.id, NewDBInstanceIdentifier="own")
    renamed = Database(there.cloud, "own")
    assert "own." in renamed.described()["Endpoint"]["Address"]
    assert renamed.rows() == [(7,)]

    cloud.call(f"databases/{database.name}", {"action": "start"}, "PUT")
    assert database.rows() == [(7,)]
    rds.delete_db_instance(DBInstanceIdentifier="own", SkipFinalSnapshot=True)
    assert [*cloud.call("databases")] == [database.name]
