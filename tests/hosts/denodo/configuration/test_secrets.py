"""Secrets of TLS, Security Token and metadata import appear only in files that need them."""

import base64
import json
import os
import signal
from pathlib import Path

import pytest

from hosts.denodo.apply import apply, check
from hosts.denodo.errors import MetadataError, RolledBackError, StateError
from hosts.denodo.record import Record
from tests.hosts.denodo.cloud import EXPORT, LOGIN, TLS, TOKEN, Cloud
from tests.hosts.denodo.home import LICENSE, SSO, VDP, Home, let_time_pass

_SECRET = "hunter2-hunter2"  # noqa: S105 - no output or file may contain it


@pytest.fixture
def cloud(home: Home) -> Cloud:
    home.write(SSO, "# Security Token\nsso.enabled=false\n")
    return Cloud(home.folder)


def _says_nothing_secret(home: Home, output: str, *, but: tuple[Path, ...] = ()) -> None:
    assert _SECRET not in output
    given = json.dumps(Cloud(home.folder).calls()) + "\n".join(home.calls())
    assert _SECRET not in given
    for file in home.folder.rglob("*"):
        known = file in but or file.name == "answers.json"
        assert known or not file.is_file() or _SECRET.encode() not in file.read_bytes(), file


def test_the_security_token_s_settings(
    home: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    cloud.secret(TOKEN, {"sso.enabled": "true", "sso.key": _SECRET})
    state = home.state(security_token=TOKEN)
    assert _SECRET not in str(check(home.system, state))
    apply(home.system, state)
    assert home.properties(SSO) == {"sso.enabled": "true", "sso.key": _SECRET}
    assert check(home.system, state).nothing
    _says_nothing_secret(home, str(capfd.readouterr()), but=(home.path / SSO,))


def test_a_secret_that_cannot_be_read(home: Home, cloud: Cloud) -> None:
    with pytest.raises(StateError, match="token cannot be read: aws secretsmanager"):
        apply(home.system, home.state(security_token=TOKEN))
    cloud.secret(TOKEN, [_SECRET])
    with pytest.raises(StateError, match="is not a JSON object"):
        apply(home.system, home.state(security_token=TOKEN))
    assert home.calls() == []


def _certificate() -> dict[str, str]:
    store = base64.b64encode(b"store " + _SECRET.encode()).decode()
    return {
        "keystore": store,
        "truststore": base64.b64encode(b"trust").decode(),
        "certificate": "PEM",
        "credentials": f"keystore.password={_SECRET}\n",
    }


def test_tls_by_denodo_s_own_script(
    home: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    cloud.secret(TLS, _certificate())
    state = home.state(tls={"certificate": TLS})
    apply(home.system, state)
    noted = json.loads((home.path / "tls.json").read_text())
    (home.path / "tls.json").unlink()
    assert noted["files"] == {
        "--keystore": f"store {_SECRET}",
        "--truststore": "trust",
        "--cert-cer-file": "PEM",
        "--credentials-file": f"keystore.password={_SECRET}\n",
    }
    assert {noted["modes"][name] for name in noted["files"]} == {"0o600"}
    assert home.properties(VDP)["com.denodo.security.ssl.enabled"] == "true"
    # The apply keeps only the key stores, since the servers read them.
    left = [file for file in home.system.folder.rglob("*") if file.parent.name.startswith("tls-")]
    assert sorted(file.name for file in left) == ["keystore", "truststore"]
    store = next(file for file in left if file.name == "keystore")
    _says_nothing_secret(home, str(capfd.readouterr()), but=(store,))
    # A change of another setting does not run Denodo's script for TLS again.
    apply(home.system, home.state(tls={"certificate": TLS}, jvm__vdp="-Xmx1g"))
    assert not [call for call in home.calls() if "tls" in call]


def test_tls_that_fails_is_rolled_back(home: Home, cloud: Cloud) -> None:
    cloud.secret(TLS, _certificate())
    apply(home.system, home.state())
    contents = home.contents()
    state = home.state(tls={"certificate": TLS}, jvm__vdp="-Ddead")
    with pytest.raises(RolledBackError):
        apply(home.system, state)
    assert home.contents() == contents
    cloud.secret(TLS, {"keystore": "no base64!", "truststore": "", "certificate": ""})
    with pytest.raises(RolledBackError, match="lacks these keys: credentials"):
        apply(home.system, home.state(tls={"certificate": TLS}))
    assert home.contents() == contents


def test_an_export_is_imported_once(
    home: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    cloud.secret(LOGIN, {"username": "importer", "password": _SECRET})
    cloud.answer(EXPORT, "CREATE VIEW")
    state = home.state(metadata={"source": "export", "uri": EXPORT, "login": LOGIN})
    apply(home.system, state)
    given = json.loads((home.path / "imported.json").read_text())
    (home.path / "imported.json").unlink()
    (home.path / "imported-as.json").unlink()
    assert given == {
        "--file": "CREATE VIEW",
        "--servers-file": f"//127.0.0.1:{home.ports['vdp']}/admin?importer@{_SECRET}\n",
    }
    assert Record(home.system).metadata_confirmed
    apply(home.system, state)
    assert not (home.path / "imported.json").exists()
    _says_nothing_secret(home, str(capfd.readouterr()))


@pytest.mark.parametrize("fault", ["export", "login", "script"])
def test_an_import_that_fails_leaves_the_node_unconfirmed(
    home: Home, cloud: Cloud, fault: str
) -> None:
    if fault != "login":
        cloud.secret(LOGIN, {"username": "importer", "password": _SECRET})
    if fault != "export":
        cloud.answer(EXPORT, "CREATE VIEW")
    if fault == "script":
        home.behave("import.sh", "fail")
    state = home.state(metadata={"source": "export", "uri": EXPORT, "login": LOGIN})
    with pytest.raises(MetadataError, match=r"s3://bucket/export.vql"):
        apply(home.system, state)
    assert home.running()
    assert not Record(home.system).metadata_confirmed


def test_a_shared_catalog_is_right_by_itself(home: Home) -> None:
    apply(home.system, home.state(metadata={"source": "catalog"}))
    assert Record(home.system).metadata_confirmed


def test_what_nothing_needs_is_removed(home: Home, cloud: Cloud) -> None:
    """An apply removes old backups and key stores, and secret files that killed runs left."""
    for version in ("one", "two"):
        cloud.secret(TLS, _certificate())
        apply(home.system, home.state(tls={"certificate": TLS, "version": version}))
        assert len(list(home.system.folder.glob("tls-*"))) == 1
        assert not list(home.path.rglob("*.before-denodo-node"))
    state = home.state(tls={"certificate": TLS, "version": "two"})
    (store,) = home.system.folder.glob("tls-*")
    named = home.system.folder / "tls-named"
    for folder in (home.system.folder / "tls-old", named):
        folder.mkdir()
    home.write("conf/other.xml", f"<store>{named}/keystore</store>")
    left = [
        home.path / f"{VDP}.before-denodo-node",
        home.path / f"{VDP.replace('VDB', '.VDB')}.denodo-node",
        home.system.folder / "metadata.properties",
        store / "credentials",
        home.system.folder / "import/server",
        home.system.folder / "run/metadata/metadata.properties",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_SECRET)
    apply(home.system, state)
    assert [path for path in left if path.exists()] == []
    assert set(home.system.folder.glob("tls-*")) == {store, named}
    assert sorted(path.name for path in store.iterdir()) == ["keystore", "truststore"]


def test_a_journal_that_cannot_be_read_restores_all_backups(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next apply restores all files, and kills the server, whose settings may differ."""
    apply(home.system, home.state())
    before, server = home.contents(), home.running()
    kill, killed = os.kill, []

    def record(pid: int, number: int) -> None:
        kill(pid, number)
        killed.append((pid, number))

    monkeypatch.setattr(os, "kill", record)
    let_time_pass(monkeypatch, lambda: not killed)
    for file in (VDP, LICENSE):
        path = home.path / file
        path.rename(path.with_name(f"{path.name}.before-denodo-node"))
        path.write_text("half written")
    (home.system.folder / "journal.json").write_text("[" * 20000)
    apply(home.system, home.state())
    assert server is not None
    assert killed == [(server["pid"], signal.SIGKILL)]
    assert home.contents() == before
    assert home.running()
    assert not (home.system.folder / "journal.json").exists()
