"""Losses of a failover, in one sentence, from what is copied to the region that takes over."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.cli.errors import AwsError
from denodo_ha.environment.loading.loader import load
from denodo_ha.standby import data_loss
from denodo_ha.standby.data_loss import Loss, read_losses, sentence
from denodo_ha.standby.standby_facts import Standby
from tests.commands.standby import standby_samples as samples
from tests.commands.standby.standby_samples import NOW
from tests.support.configurations import UUID, changed, write

AWS: Any = None
CATALOG = {
    "components": ["scheduler"],
    "copy": {"to": "spare", "kms_key": f"arn:aws:kms:us-east-1:111122223333:key/{UUID}"},
}


def with_catalog(standby: Standby, folder: Path, components: list[str]) -> Standby:
    data = changed(
        samples.configuration(),
        {
            "clusters/main/catalog": {**CATALOG, "components": components},
            "clusters/spare/catalog": {"components": components},
        },
    )
    loaded = load(write(folder, data))
    return replace(standby, loaded=loaded)


def test_the_oldest_copy_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standby = with_catalog(samples.standby(tmp_path), tmp_path, ["scheduler"])
    exports = {
        "node1": samples.export("node1"),
        "node2": replace(samples.export("node2"), at=NOW - timedelta(hours=7, minutes=47)),
    }
    copy = samples.database_copy(timedelta(minutes=6))
    monkeypatch.setattr(data_loss, "read_active_exports", lambda *_: exports)
    monkeypatch.setattr(data_loss, "read_copy", lambda *_: copy)
    # The sentence does not name the Schedulers' jobs, since they are stored in the database.
    assert sentence(standby, read_losses(AWS, standby), NOW) == (
        "if main does not come back, what is lost: metadata since 02:00 UTC (7 h); database since "
        "09:41 UTC (6 min)"
    )
    del exports["node2"]
    assert read_losses(AWS, standby)[0] == Loss(
        "metadata", None, "there is no copied export of node2"
    )
    monkeypatch.setattr(data_loss, "read_copy", lambda *_: None)
    assert read_losses(AWS, standby)[1] == Loss("database", None, "not copied")


def test_what_cannot_be_read_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AwsError("S3 does not answer")

    standby = with_catalog(samples.standby(tmp_path), tmp_path, ["data-catalog"])
    monkeypatch.setattr(data_loss, "read_active_exports", fail)
    monkeypatch.setattr(data_loss, "read_copy", fail)
    assert sentence(standby, read_losses(AWS, standby), NOW).partition("lost: ")[2] == (
        "metadata: not known (S3 does not answer); database: not known (S3 does not answer); "
        "jobs' state of the Schedulers: not copied; stored only on the nodes"
    )
