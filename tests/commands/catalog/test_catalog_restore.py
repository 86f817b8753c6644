"""`catalog init` completes a database restored from a dump (docs/how-to/catalog.md)."""

import json

from denodo_ha.cli import exit_codes
from tests.commands.account.catalog_cloud import Catalog
from tests.commands.account.postgres import ADMIN, PASSWORD
from tests.commands.conftest import Init, Run


def test_init_completes_a_restored_database(catalog: Catalog, init: Init, denodo_ha: Run) -> None:
    """Restore a dump that was made before the last rotation of a password."""
    init()
    with catalog.connect("scheduler") as connection:
        connection.execute("CREATE TABLE qrtz_jobs (name text)")
        connection.execute("INSERT INTO qrtz_jobs VALUES ('nightly')")
    roles = catalog.server.dump("pg_dumpall", "--roles-only")
    data = catalog.server.dump("pg_dump", "--create", "scheduler")
    assert denodo_ha("catalog", "rotate", "scheduler", *catalog.reach).exit_code == exit_codes.DONE

    catalog.server.reset()
    catalog.server.load(roles)
    catalog.server.load(data)
    # The restored server's administrator has a password of its own, in another secret.
    value = {"username": ADMIN, "password": PASSWORD}
    made = catalog.secrets.create_secret(Name="restored", SecretString=json.dumps(value))
    catalog.secrets.delete_secret(SecretId="admin", ForceDeleteWithoutRecovery=True)
    assert init().exit_code == exit_codes.AWS
    done = init("--admin-secret", made["ARN"])
    assert done.exit_code == exit_codes.DONE, done.output
    assert "scheduler: password of scheduler_b" in done.output
    assert "data-catalog: database data_catalog" in done.output
    with catalog.connect("scheduler") as connection:
        assert connection.execute("SELECT name FROM qrtz_jobs").fetchall() == [("nightly",)]
        connection.execute("INSERT INTO qrtz_jobs VALUES ('more')")
