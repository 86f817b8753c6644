"""Components use the metadata database once their logins exist; no output shows the logins."""

import json
from typing import Any

import pytest

from hosts.denodo import boot
from hosts.denodo.apply import apply, check
from hosts.denodo.configuration import properties_file
from hosts.denodo.errors import ImageError, RolledBackError, StateError
from hosts.denodo.record import Record
from tests.hosts.denodo.cloud import DATA_CATALOG, SCHEDULER, VDP, Cloud
from tests.hosts.denodo.home import DATA_CATALOG as FILE
from tests.hosts.denodo.home import SCHEDULER as SCHEDULER_FILE
from tests.hosts.denodo.home import VDP as VDP_FILE
from tests.hosts.denodo.home import WRITTEN_BY_FORM, Home
from tools.local_aws.living.denodo import metadata_scripts

_SECRET = "hunter2-hunter2"  # noqa: S105 - no output or file may contain it
_OTHER, _BY_HAND = "another-one", "by-hand"
SERVERS = ["vdp", "data-catalog", "scheduler"]
BOTH = {"scheduler": {"secret": SCHEDULER}, "data-catalog": {"secret": DATA_CATALOG}}


def login(name: str, **more: Any) -> dict[str, Any]:
    return {
        "host": "db.example.com",
        "port": 5432,
        "dbname": name,
        "username": f"{name}_a",
        "password": _SECRET,
        **more,
    }


@pytest.fixture
def cloud(home: Home) -> Cloud:
    home.with_data_catalog()
    cloud = Cloud(home.folder)
    cloud.secret(SCHEDULER, login("scheduler", ca="PEM"))
    cloud.secret(DATA_CATALOG, login("data_catalog"))
    cloud.secret(VDP, login("vdp", ca="PEM"))
    return cloud


def test_files_say_where_the_metadata_is(
    home: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    state = home.state(servers=SERVERS, catalog=BOTH)
    assert _SECRET not in str(check(home.system, state))
    apply(home.system, state)
    ca = home.system.folder / "catalog-scheduler.pem"
    url = "jdbc:postgresql://db.example.com:5432/scheduler?sslmode=verify-full&"
    scheduler = home.properties(SCHEDULER_FILE)
    assert scheduler["ComplexDataSource/url"] == f"{url}sslrootcert={ca}"
    assert scheduler["org.quartz.dataSource.quartzds.URL"] == f"{url}sslrootcert={ca}"
    assert scheduler["ComplexDataSource/password"] == _SECRET
    assert scheduler["org.quartz.jobStore.isClustered"] == "true"
    assert scheduler["org.quartz.jobStore.clusterCheckinInterval"] == "3000"
    assert scheduler["org.quartz.scheduler.instanceId"] == "node1"
    catalog = home.properties(FILE)
    assert catalog["spring.datasource.url"].endswith("DefaultJavaSSLFactory")
    assert catalog["spring.datasource.username"] == "data_catalog_a"
    assert ca.read_text() == "PEM"
    for file in (SCHEDULER_FILE, FILE):
        assert (home.path / file).stat().st_mode & 0o077 == 0
    for server in ("vdp", "web", "scheduler"):
        assert home.running(server)
    assert check(home.system, state).nothing
    _is_nowhere_else(home, cloud, str(capfd.readouterr()))


def _is_nowhere_else(home: Home, cloud: Cloud, output: str) -> None:
    told = output + json.dumps(cloud.calls()) + "\n".join(home.calls())
    assert _SECRET not in told
    known = {home.path / SCHEDULER_FILE, home.path / FILE, *cloud.files}
    for file in home.folder.rglob("*"):
        assert file in known or not file.is_file() or _SECRET.encode() not in file.read_bytes()


@pytest.mark.parametrize("how", ["missing", "without a host"])
def test_a_component_without_its_user_waits_and_the_others_start(
    home: Home, cloud: Cloud, how: str
) -> None:
    if how == "missing":
        cloud.missing(SCHEDULER)
    else:
        cloud.secret(SCHEDULER, {"username": "scheduler_a", "password": _SECRET, "dbname": "s"})
    state = home.state(servers=SERVERS, catalog=BOTH)
    boot.boot(home.system, state)
    assert home.running("vdp")
    assert home.running("web")
    assert not home.running("scheduler")
    assert home.properties(SCHEDULER_FILE)["ComplexDataSource/url"] == "jdbc:derby:schedulerDB"

    cloud.secret(SCHEDULER, login("scheduler"))
    apply(home.system, state)
    assert home.running("scheduler")
    assert home.properties(SCHEDULER_FILE)["ComplexDataSource/user"] == "scheduler_a"
    assert check(home.system, state).nothing


def test_metadata_that_waits_is_not_confirmed_by_itself(home: Home, cloud: Cloud) -> None:
    cloud.missing(VDP)
    state = home.state(catalog={"vdp": {"secret": VDP}}, metadata={"source": "manual"})
    boot.boot(home.system, state)
    assert not home.running()
    assert not Record(home.system).metadata_confirmed


@pytest.mark.parametrize("value", [["list"], {"host": "h"}, {**login("s"), "port": "x"}])
def test_a_login_that_is_none(home: Home, cloud: Cloud, value: Any) -> None:
    cloud.secret(SCHEDULER, value)
    with pytest.raises(StateError, match="denodo-ha catalog init"):
        apply(home.system, home.state(servers=SERVERS, catalog=BOTH))
    cloud.fault(f"--secret-id={SCHEDULER}", "An error occurred (AccessDeniedException)")
    with pytest.raises(StateError, match="AccessDenied"):
        apply(home.system, home.state(servers=SERVERS, catalog=BOTH))
    assert home.calls() == []


def test_a_rotated_login_is_taken_over(home: Home, cloud: Cloud) -> None:
    state = home.state(servers=SERVERS, catalog=BOTH)
    apply(home.system, state)
    home.calls()
    cloud.secret(SCHEDULER, login("scheduler", username="scheduler_b", password=_OTHER))
    assert not check(home.system, state).nothing
    apply(home.system, state)
    assert home.properties(SCHEDULER_FILE)["ComplexDataSource/user"] == "scheduler_b"
    assert any(call.startswith("scheduler_startup") for call in home.calls())


def test_what_denodo_has_encrypted_is_left_alone(home: Home, cloud: Cloud) -> None:
    state = home.state(servers=SERVERS, catalog=BOTH)
    apply(home.system, state)
    text = (home.path / SCHEDULER_FILE).read_text()
    home.write(SCHEDULER_FILE, text.replace(f"={_SECRET}", "=encrypted:FM7g"))
    assert check(home.system, state).nothing
    cloud.secret(SCHEDULER, login("scheduler", password=_OTHER))
    apply(home.system, state)
    assert home.properties(SCHEDULER_FILE)["ComplexDataSource/password"] == _OTHER


@pytest.mark.usefixtures("cloud")
def test_keys_and_files_of_another_version(home: Home) -> None:
    file = "conf/data-catalog/other.properties"
    own = {
        "file": file,
        "entries": {
            "spring.datasource.url": None,
            "x.address": "{host}:{port}/{database}",
            "x.odd": "{nothing} {} {x:y}",
        },
    }
    home.write(file, "# other\n")
    apply(
        home.system,
        home.state(servers=SERVERS, catalog={"data-catalog": {"secret": DATA_CATALOG, **own}}),
    )
    found = home.properties("conf/data-catalog/other.properties")
    assert found["x.address"] == "db.example.com:5432/data_catalog"
    assert found["x.odd"] == "{nothing} {} {x:y}"
    assert "spring.datasource.url" not in found
    assert found["spring.datasource.username"] == "data_catalog_a"


def test_virtual_dataport_is_put_on_its_database_once(
    home: Home, cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    state = home.state(catalog={"vdp": {"secret": VDP}}, metadata={"source": "catalog"})
    apply(home.system, state)
    given = json.loads((home.path / "metadata.json").read_text())
    (home.path / "metadata.json").unlink()
    assert given["mode"] == "0o600"
    storage = "com.denodo.vdb.catalog.storage"
    assert f"{storage}.uri=jdbc\\:postgresql\\://db.example.com\\:5432/vdp?" in given["text"]
    hidden = metadata_scripts.encrypted(_SECRET)
    assert f"{storage}.encryptedPassword={properties_file.escaped(hidden)}" in given["text"]
    assert Record(home.system).metadata_confirmed
    assert check(home.system, state).nothing
    apply(home.system, state)
    assert not (home.path / "metadata.json").exists()
    assert not (home.system.folder / "metadata.properties").exists()
    told = str(capfd.readouterr()) + json.dumps(cloud.calls()) + "\n".join(home.calls())
    assert _SECRET not in told
    assert hidden not in told

    cloud.secret(VDP, login("vdp", username="vdp_b", encrypted_password=_BY_HAND))
    assert "Virtual DataPort's catalog" in str(check(home.system, state))
    apply(home.system, state)
    text = json.loads((home.path / "metadata.json").read_text())["text"]
    assert f"{storage}.user=vdp_b\n" in text
    assert f"{storage}.encryptedPassword=by-hand\n" in text


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("regenerateMetadata.sh", "fail"),
        ("encrypt_password.sh", "silent"),
        ("encrypt_password.sh", "fail"),
        ("jvm", "-Ddead"),
    ],
)
def test_a_catalog_that_does_not_come_up_is_undone_and_tried_again(
    home: Home, script: str, how: str
) -> None:
    apply(home.system, home.state())
    contents = home.contents()
    wanted: dict[str, Any] = {"catalog": {"vdp": {"secret": VDP}}}
    if script == "jvm":
        with pytest.raises(RolledBackError):
            apply(home.system, home.state(jvm__vdp=how, **wanted))
    else:
        home.behave(script, how)
        with pytest.raises(RolledBackError, match=script):
            apply(home.system, home.state(**wanted))
        home.behave(script)
    assert home.contents() == contents
    assert home.running()
    (home.path / "metadata.json").unlink(missing_ok=True)
    apply(home.system, home.state(**wanted))
    assert (home.path / "metadata.json").exists()
    assert "com.denodo.vdb.catalog.storage.plugin" in home.properties(VDP_FILE)


def test_an_image_without_the_script(home: Home, cloud: Cloud) -> None:
    (home.path / "bin/regenerateMetadata.sh").unlink()
    with pytest.raises(ImageError, match=r"regenerateMetadata\.sh"):
        apply(home.system, home.state(catalog={"vdp": {"secret": VDP}}))
    assert cloud.calls()


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("left", ["className", "query", "both", "other"])
def test_a_scheduler_that_would_mix_databases_is_refused_before_it_stops(
    home: Home, left: str
) -> None:
    home.form_was_used = False
    apply(home.system, home.state(servers=["vdp", "scheduler"]))
    home.calls()
    class_name, query = WRITTEN_BY_FORM
    entries = {
        "className": {query: WRITTEN_BY_FORM[query]},
        "query": {class_name: WRITTEN_BY_FORM[class_name]},
        "both": {},
        "other": {**WRITTEN_BY_FORM, "JobReportManagerFactory/className": "com.example.DerbyOne"},
    }[left]
    shared = {"scheduler": {"secret": SCHEDULER, "entries": entries}}
    state = home.state(servers=["vdp", "scheduler"], catalog=shared)
    # `roll` calls `check` first. Since the check fails, `roll` does not take the node out of
    # service.
    with pytest.raises(ImageError, match="the shared database cannot be used"):
        check(home.system, state)
    with pytest.raises(ImageError) as error:
        apply(home.system, state)
    said = str(error.value)
    assert ("DerbyJobReportRepositoryImpl" in said) == (left in ("className", "both"))
    assert ("IDENTITY_VAL_LOCAL" in said) == (left in ("query", "both"))
    assert ("DerbyOne" in said) == (left == "other")
    assert "catalog.settings.scheduler.entries" in said
    assert home.calls() == []
    assert home.running("scheduler")


@pytest.mark.usefixtures("cloud")
def test_a_scheduler_on_derby_by_choice_is_not_refused(home: Home) -> None:
    home.form_was_used = False
    own = {"ComplexDataSource/url": "jdbc:derby://db.example.com/schedulerDB"}
    state = home.state(
        servers=["scheduler"], catalog={"scheduler": {"secret": SCHEDULER, "entries": own}}
    )
    apply(home.system, state)
    assert home.running("scheduler")


@pytest.mark.usefixtures("cloud")
def test_a_scheduler_that_runs_on_mixed_databases_gets_a_warning(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(home.system, home.state(servers=["scheduler"], catalog={"scheduler": BOTH["scheduler"]}))
    home.form_was_used = False
    mixed = {"scheduler": {"secret": SCHEDULER, "entries": {}}}
    home.set(SCHEDULER_FILE, "JobReportRepositoryFactory/className", "com.example.DerbyOne")
    apply(home.system, home.state(servers=["scheduler"], catalog=mixed))
    assert "com.example.DerbyOne" in capsys.readouterr().out
    assert home.running("scheduler")


_PASSWORDS = {
    "ComplexDataSource/password": "ComplexDataSource/password/encrypted",
    "org.quartz.dataSource.quartzds.password": "org.quartz.dataSource.quartzds.password.encrypted",
}


def test_the_oldest_is_told_that_its_password_is_plain(make_home: Any) -> None:
    """In 7.0, a flag says whether a password is encrypted: `true` in new installations."""
    home = make_home("7.0")
    cloud = Cloud(home.folder)
    cloud.secret(SCHEDULER, login("scheduler"))
    state = home.state(servers=["scheduler"], catalog={"scheduler": BOTH["scheduler"]})
    apply(home.system, state)
    file = home.properties(SCHEDULER_FILE)
    assert [(file[key], file[flag]) for key, flag in _PASSWORDS.items()] == [(_SECRET, "false")] * 2
    for key, flag in _PASSWORDS.items():
        home.set(SCHEDULER_FILE, key, "AbC\\=\\=")
        home.set(SCHEDULER_FILE, flag, "true")
    assert check(home.system, state).nothing
    cloud.secret(SCHEDULER, login("scheduler", password=_OTHER))
    apply(home.system, state)
    file = home.properties(SCHEDULER_FILE)
    assert [(file[key], file[flag]) for key, flag in _PASSWORDS.items()] == [(_OTHER, "false")] * 2
    # An earlier version of the program wrote plain passwords and left the flags true.
    for flag in _PASSWORDS.values():
        home.set(SCHEDULER_FILE, flag, "true")
    apply(home.system, state)
    assert {home.properties(SCHEDULER_FILE)[flag] for flag in _PASSWORDS.values()} == {"false"}


@pytest.mark.usefixtures("cloud")
def test_later_versions_have_no_such_keys(home: Home) -> None:
    apply(home.system, home.state(servers=["scheduler"], catalog={"scheduler": BOTH["scheduler"]}))
    assert not set(_PASSWORDS.values()) & home.properties(SCHEDULER_FILE).keys()


def test_the_oldest_cannot_share_its_catalog(make_home: Any) -> None:
    with pytest.raises(StateError, match=r"7\.0 cannot share its catalog"):
        make_home("7.0").state(catalog={"vdp": {"secret": VDP}})
