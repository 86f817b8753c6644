"""Metadata is exported and restored completely or not at all."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hosts.denodo.apply import apply
from hosts.denodo.commands import main
from hosts.denodo.errors import BusyError, ExportError, MetadataError
from hosts.denodo.metadata import metadata_confirmation, metadata_export
from hosts.denodo.record import Record
from tests.hosts.denodo.cloud import BUCKET, LOGIN, Cloud
from tests.hosts.denodo.home import Home

_SECRET = "hunter2: hunter2"  # noqa: S105 - no output or file may contain it
METADATA, MANIFEST = "node1/metadata.vql", "node1/export.json"
WANTED = {"bucket": BUCKET, "prefix": "node1/", "login": LOGIN, "every": 3600}
TEXT = "# Exported on a day\n\nCREATE VIEW a;\n CREATE VIEW b;\n"


@pytest.fixture
def cloud(home: Home) -> Cloud:
    cloud = Cloud(home.folder)
    cloud.secret(LOGIN, {"username": "exporter", "password": _SECRET})
    (home.path / "metadata").write_text(TEXT)
    return cloud


@pytest.fixture
def exporting(home: Home, cloud: Cloud) -> Home:
    assert LOGIN in cloud.told
    apply(home.system, home.state(exports=WANTED))
    home.calls()
    return home


def manifest(cloud: Cloud) -> dict[str, Any]:
    newest = max(cloud.object(MANIFEST).iterdir(), key=lambda one: int(one.name))
    data: dict[str, Any] = json.loads(newest.read_text())
    return data


def restoring(home: Home, **changes: Any) -> Any:
    source = {"source": "export", "uri": f"s3://{BUCKET}/{MANIFEST}", "login": LOGIN}
    return home.state(exports=WANTED, metadata=source, **changes)


def test_an_export_tells_of_itself(
    exporting: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    metadata_export.export(exporting.system, if_due=False)
    told = manifest(cloud)
    stored = cloud.object(METADATA) / told["version"]
    assert stored.read_text() == TEXT
    assert (told["node"], told["denodo"], told["size"]) == ("node1", "8.0", len(TEXT))
    noted = json.loads((exporting.path / "exported.json").read_text())
    (exporting.path / "exported.json").unlink()
    assert noted == {
        "login": "password=hunter2\\: hunter2\n",
        "mode": "0o600",
        "user": "exporter",
    }
    (call,) = exporting.calls()
    assert "excludeServerConfigurationProperties=com.denodo.vdb.vdbinterface.server" in call
    assert "VDBManagerImpl.registryURL" in call
    said = str(capfd.readouterr()) + json.dumps(cloud.calls()) + call
    assert "hunter2" not in said
    for file in exporting.folder.rglob("*"):
        known = file in cloud.files or not file.is_file()
        assert known or b"hunter2" not in file.read_bytes(), file


def test_only_what_differs_has_another_digest(exporting: Home, cloud: Cloud) -> None:
    metadata_export.export(exporting.system, if_due=False)
    first = manifest(cloud)
    (exporting.path / "metadata").write_text(
        "\ufeff# Another day\r\nCREATE VIEW a;\nCREATE VIEW b;"
    )
    metadata_export.export(exporting.system, if_due=False)
    second = manifest(cloud)
    assert second["digest"] == first["digest"]
    assert second["sha256"] != first["sha256"]
    (exporting.path / "metadata").write_text("CREATE VIEW a;")
    metadata_export.export(exporting.system, if_due=False)
    assert manifest(cloud)["digest"] != first["digest"]


def test_the_manifest_states_what_two_sites_must_have_in_common(
    exporting: Home, cloud: Cloud
) -> None:
    (exporting.path / "metadata").write_text(
        "# Generated with Denodo Platform 8.0 update 20230301.\n"
        "CREATE USER a 'one' ENCRYPTED;\nCREATE VIEW scratch_1 AS SELECT 1;"
    )
    metadata_export.export(exporting.system, if_due=False)
    first = manifest(cloud)
    assert (first["schema"], first["denodo_update"]) == (2, "8.0 update 20230301")
    assert first["not_compared"] == []
    assert {"program_version", "encryption_key", "files", "license_manager"} <= {*first}
    (exporting.path / "metadata").write_text(
        "CREATE USER a 'other' ENCRYPTED;\nCREATE VIEW scratch_1 AS SELECT 2;"
    )
    metadata_export.export(exporting.system, if_due=False)
    assert manifest(cloud)["site_digest"] != first["site_digest"]
    wanted = {**WANTED, "not_compared": ["/VIEW scratch_*"]}
    apply(exporting.system, exporting.state(exports=wanted))
    metadata_export.export(exporting.system, if_due=False)
    second = manifest(cloud)
    assert second["not_compared"] == ["/VIEW scratch_*"]
    (exporting.path / "metadata").write_text("CREATE USER a 'third' ENCRYPTED;")
    metadata_export.export(exporting.system, if_due=False)
    assert manifest(cloud)["site_digest"] == second["site_digest"]


@pytest.mark.long
def test_a_manifest_stays_readable_with_any_files(
    exporting: Home, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exporting.path / "lib-external/jdbc-drivers"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"driver-\xff.jar")).write_bytes(b"x")
    metadata_export.export(exporting.system, if_due=False)
    (name,) = (one["file"] for one in manifest(cloud)["files"] if "driver-" in one["file"])
    assert name == "driver-\ufffd.jar"
    monkeypatch.setattr(metadata_export, "_MOST_MANIFEST", 1000)
    metadata_export.export(exporting.system, if_due=False)
    assert "files" not in manifest(cloud)
    assert manifest(cloud)["site_digest"]


def test_there_and_back(exporting: Home) -> None:
    metadata_export.export(exporting.system, if_due=False)
    # The node is replaced: another machine gets the same desired state.
    (exporting.folder / "machine").write_text("i-0aaaaaaaaaaaaaaaa\n")
    apply(exporting.system, restoring(exporting))
    imported = json.loads((exporting.path / "imported.json").read_text())
    assert imported["--file"] == TEXT
    assert Record(exporting.system).metadata_confirmed


@pytest.mark.parametrize("how", ["half", "nothing", "fail", "some"])
def test_a_half_written_export_is_never_restored(exporting: Home, cloud: Cloud, how: str) -> None:
    metadata_export.export(exporting.system, if_due=False)
    (exporting.path / "metadata").write_text("CREATE VIEW c; and more")
    exporting.behave("export.sh", how)
    with pytest.raises(ExportError, match=r"export\.sh"):
        metadata_export.export(exporting.system, if_due=False)
    assert len(list(cloud.object(METADATA).iterdir())) == 1
    assert "export.sh" in Record(exporting.system).exported["reason"]
    assert Record(exporting.system).exported["good"]
    apply(exporting.system, restoring(exporting))
    assert json.loads((exporting.path / "imported.json").read_text())["--file"] == TEXT


def test_an_export_that_is_broken_off_between_its_two_parts(exporting: Home, cloud: Cloud) -> None:
    """If the upload of the manifest fails, a restore uses the previous export."""
    metadata_export.export(exporting.system, if_due=False)
    (exporting.path / "metadata").write_text("CREATE VIEW c;")
    cloud.fault(f"--key={MANIFEST}", "An error occurred (InternalError)")
    with pytest.raises(ExportError, match="InternalError"):
        metadata_export.export(exporting.system, if_due=False)
    cloud.forget(f"--key={MANIFEST}")
    assert len(list(cloud.object(METADATA).iterdir())) == 2
    apply(exporting.system, restoring(exporting))
    assert json.loads((exporting.path / "imported.json").read_text())["--file"] == TEXT


@pytest.mark.parametrize("fault", ["cut", "other", "gone", "no manifest"])
def test_an_export_that_is_not_what_it_tells_is_not_imported(
    exporting: Home, cloud: Cloud, fault: str
) -> None:
    metadata_export.export(exporting.system, if_due=False)
    stored = cloud.object(METADATA) / "1"
    match fault:
        case "cut":
            stored.write_text(TEXT[:10])
        case "other":
            stored.write_text(TEXT.upper())
        case "gone":
            stored.unlink()
        case _:
            (cloud.object(MANIFEST) / "1").write_text("{}")
    with pytest.raises(MetadataError, match="cannot be imported"):
        apply(exporting.system, restoring(exporting))
    assert not (exporting.path / "imported.json").exists()
    assert not Record(exporting.system).metadata_confirmed
    assert exporting.running()


def test_a_new_node_has_no_export_and_waits_for_an_operator(
    home: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    apply(home.system, restoring(home))
    assert home.running()
    assert not Record(home.system).metadata_confirmed
    assert "never exported" in capfd.readouterr().out
    assert cloud.calls()


def test_exports_are_made_when_they_are_due(exporting: Home, cloud: Cloud) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def at(hours: float) -> Any:
        return replace(exporting.system, now=lambda: now + timedelta(hours=hours))

    for hours, made in ((0, 1), (0.9, 1), (1, 2), (1.5, 2), (3, 3)):
        metadata_export.export(at(hours), if_due=True)
        assert len(list(cloud.object(MANIFEST).iterdir())) == made
    exporting.behave("export.sh", "fail")
    with pytest.raises(
        ExportError, match=r"the previous export, made at 2026-01-01T03:00:00\+00:00, remains"
    ):
        metadata_export.export(at(5), if_due=True)
    exporting.behave("export.sh")
    # After a failed export, the next export is due immediately.
    metadata_export.export(at(5.1), if_due=True)
    assert len(list(cloud.object(MANIFEST).iterdir())) == 4


def test_one_at_a_time_and_none_that_nobody_wants(exporting: Home, cloud: Cloud) -> None:
    with exporting.system.locked("export-lock"), pytest.raises(BusyError):
        metadata_export.export(exporting.system, if_due=False)
    # The lock of a running apply does not block an export.
    with exporting.system.locked():
        metadata_export.export(exporting.system, if_due=False)
    apply(exporting.system, exporting.state())
    metadata_export.export(exporting.system, if_due=False)
    assert len(list(cloud.object(MANIFEST).iterdir())) == 1


def test_a_bucket_without_versions_is_refused(exporting: Home, cloud: Cloud) -> None:
    cloud.answer("put-object", {})
    with pytest.raises(ExportError, match="is not versioned"):
        metadata_export.export(exporting.system, if_due=False)


def test_a_login_that_is_none(exporting: Home, cloud: Cloud) -> None:
    cloud.secret(LOGIN, ["x"])
    with pytest.raises(ExportError, match="not a JSON object"):
        metadata_export.export(exporting.system, if_due=False)


def test_the_command(exporting: Home, cloud: Cloud) -> None:
    assert main([*exporting.arguments, "export"]) == 0
    assert main([*exporting.arguments, "export", "--if-due"]) == 0
    assert len(list(cloud.object(MANIFEST).iterdir())) == 1
    exporting.behave("export.sh", "fail")
    assert main([*exporting.arguments, "export"]) == ExportError.code


def test_a_digest_test_stores_nothing_and_shows_no_value(
    exporting: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*exporting.arguments, "digest-test"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["differences"], report["elements"]) == ({}, 2)
    exporting.behave("export.sh", "random")
    assert main([*exporting.arguments, "digest-test"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["differences"] == {"/VIEW random": "differs after AS"}
    assert not cloud.object(METADATA).exists()
    exporting.behave("export.sh", "fail")
    assert main([*exporting.arguments, "digest-test"]) == ExportError.code


def test_an_export_is_imported_and_confirmed(exporting: Home) -> None:
    metadata_export.export(exporting.system, if_due=False)
    (exporting.folder / "machine").write_text("i-0aaaaaaaaaaaaaaaa\n")
    uri = f"s3://{BUCKET}/{MANIFEST}"
    assert main([*exporting.arguments, "import-export", "--uri", uri, "--who", "me"]) == 0
    imported = json.loads((exporting.path / "imported.json").read_text())
    assert imported["--file"] == TEXT
    assert Record(exporting.system).metadata_confirmed
    missing = f"s3://{BUCKET}/other/export.json"
    assert main([*exporting.arguments, "import-export", "--uri", missing]) == MetadataError.code


def test_an_import_waits_for_a_version_that_has_not_arrived(
    exporting: Home, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata_export.export(exporting.system, if_due=False)
    version = cloud.object(METADATA) / manifest(cloud)["version"]
    late = version.rename(version.with_name("99"))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            late.rename(version)

    monkeypatch.setattr(metadata_confirmation, "sleep", pause)
    uri = f"s3://{BUCKET}/{MANIFEST}"
    metadata_confirmation.import_export(exporting.system, uri, "me")
    assert pauses == [metadata_confirmation.ARRIVAL_PAUSE_S] * 3
    assert json.loads((exporting.path / "imported.json").read_text())["--file"] == TEXT


@pytest.mark.long
def test_a_version_that_never_arrives_ends_the_import(
    exporting: Home, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata_export.export(exporting.system, if_due=False)
    (cloud.object(METADATA) / "1").unlink()
    monkeypatch.setattr(metadata_confirmation, "ARRIVAL_ATTEMPTS", 3)
    with pytest.raises(MetadataError, match="does not exist any more"):
        metadata_confirmation.import_export(
            exporting.system, f"s3://{BUCKET}/{MANIFEST}", "me", pause=0.001
        )


def test_another_encryption_key_is_a_warning(
    exporting: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    metadata_export.export(exporting.system, if_due=False)
    (exporting.path / "conf/denodo-key.keystore").write_bytes(b"another key")
    uri = f"s3://{BUCKET}/{MANIFEST}"
    metadata_confirmation.import_export(exporting.system, uri, "me")
    assert "another installation encryption key" in capfd.readouterr().out
