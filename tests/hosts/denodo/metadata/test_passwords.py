"""Passwords with characters that have a special meaning in Denodo's files, URLs and scripts."""

import json
from typing import Any

import pytest

from hosts.denodo.apply import apply
from hosts.denodo.errors import ExportError, MetadataError
from hosts.denodo.metadata import metadata_export
from hosts.denodo.record import Record
from tests.hosts.denodo import java_properties
from tests.hosts.denodo.cloud import BUCKET, EXPORT, LOGIN, VDP, Cloud
from tests.hosts.denodo.home import Home
from tools.local_aws.living.denodo import metadata_scripts

PASSWORDS = [
    "a@b&c",
    "x:y=z#!",
    "!#=:&@",
    "p\u00e4ssw\u00f6rd-\u20ac",
    "\u5bc6\u7801 with space",
    "back\\slash\\u0041",
    "&queryTimeout=1",
    "plain.text-1_2",
]
_HIDDEN = metadata_scripts.encrypted("a@b")
_EXPORTS = {"bucket": BUCKET, "prefix": "node1/", "login": LOGIN, "every": 60}


@pytest.fixture
def cloud(home: Home, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    # The systemd units set no locale, so the program runs without one.
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    return Cloud(home.folder)


def _importing(home: Home) -> Any:
    return home.state(metadata={"source": "export", "uri": EXPORT, "login": LOGIN})


@pytest.mark.parametrize("password", PASSWORDS)
def test_import(home: Home, cloud: Cloud, password: str) -> None:
    cloud.secret(LOGIN, {"username": "importer", "password": password})
    cloud.answer(EXPORT, "CREATE VIEW")
    apply(home.system, _importing(home))
    assert json.loads((home.path / "imported-as.json").read_text()) == ["importer", password]
    assert Record(home.system).metadata_confirmed


@pytest.mark.parametrize(
    "login",
    [
        {"username": "importer", "password": f"encrypted:{_HIDDEN}"},
        {"username": "importer", "password": "a@b", "encrypted_password": f"encrypted:{_HIDDEN}"},
        {"username": "importer", "password": "a@b", "encrypted_password": _HIDDEN},
    ],
)
def test_an_import_with_an_encrypted_password(
    home: Home, cloud: Cloud, login: dict[str, str]
) -> None:
    cloud.secret(LOGIN, login)
    cloud.answer(EXPORT, "CREATE VIEW")
    apply(home.system, _importing(home))
    line = json.loads((home.path / "imported.json").read_text())["--servers-file"]
    assert line.endswith(f"/admin?importer@encrypted:{_HIDDEN}\n")
    assert "encrypt_password.sh" not in home.calls()


def test_a_user_that_no_address_can_hold_is_refused(home: Home, cloud: Cloud) -> None:
    cloud.secret(LOGIN, {"username": "importer@corp", "password": "x"})
    cloud.answer(EXPORT, "CREATE VIEW")
    with pytest.raises(MetadataError, match="the user 'importer@corp' of the secret arn"):
        apply(home.system, _importing(home))


def test_an_encrypted_password_may_be_in_the_line_of_its_label(home: Home, cloud: Cloud) -> None:
    home.behave("encrypt_password.sh", "one-line")
    cloud.secret(LOGIN, {"username": "importer", "password": "a@b"})
    cloud.answer(EXPORT, "CREATE VIEW")
    apply(home.system, _importing(home))
    assert json.loads((home.path / "imported-as.json").read_text()) == ["importer", "a@b"]


@pytest.mark.parametrize("how", ["silent", "prompt", "fault"])
def test_a_password_that_cannot_be_encrypted_is_no_wrong_login(
    home: Home, cloud: Cloud, how: str
) -> None:
    """Denodo's encryption script exits with 0 even if it has encrypted nothing."""
    home.behave("encrypt_password.sh", how)
    cloud.secret(LOGIN, {"username": "importer", "password": "a@b"})
    cloud.answer(EXPORT, "CREATE VIEW")
    with pytest.raises(MetadataError, match="add the result to the secret of the login as"):
        apply(home.system, _importing(home))
    assert not (home.path / "imported.json").exists()


@pytest.mark.parametrize("password", PASSWORDS)
def test_export(home: Home, cloud: Cloud, password: str) -> None:
    """Java reads the right password from the file that the program passes to Denodo's script."""
    cloud.secret(LOGIN, {"username": "exporter", "password": password})
    (home.path / "metadata").write_text("CREATE VIEW a;")
    apply(home.system, home.state(exports=_EXPORTS))
    metadata_export.export(home.system, if_due=False)
    login = json.loads((home.path / "exported.json").read_text())["login"]
    assert java_properties.properties(login.encode("latin-1")) == {"password": password}


@pytest.mark.parametrize("password", PASSWORDS)
def test_encryption(home: Home, cloud: Cloud, password: str) -> None:
    place = {"host": "db.example.com", "port": 5432, "dbname": "vdp", "ca": "PEM"}
    cloud.secret(VDP, {**place, "username": "vdp_a", "password": password})
    apply(
        home.system,
        home.state(catalog={"vdp": {"secret": VDP}}, metadata={"source": "catalog"}),
    )
    text = json.loads((home.path / "metadata.json").read_text())["text"]
    key = "com.denodo.vdb.catalog.storage.encryptedPassword"
    assert home.decrypted(java_properties.properties(text.encode("latin-1"))[key]) == password


def test_some_elements_are_told_from_other_failures(home: Home, cloud: Cloud) -> None:
    cloud.secret(LOGIN, {"username": "importer", "password": "x"})
    cloud.answer(EXPORT, "CREATE VIEW")
    home.behave("import.sh", "some")
    with pytest.raises(MetadataError, match=r"could not import some elements \(status 126\)"):
        apply(home.system, _importing(home))
    assert not Record(home.system).metadata_confirmed
    home.behave("import.sh", "fail")
    with pytest.raises(MetadataError, match="ended with status 1; the script's log has the reason"):
        apply(home.system, _importing(home))

    (home.path / "metadata").write_text("CREATE VIEW a;")
    apply(home.system, home.state(exports=_EXPORTS))
    home.behave("export.sh", "some")
    with pytest.raises(ExportError, match=r"could not export some elements \(status 126\)"):
        metadata_export.export(home.system, if_due=False)
