"""The program looks for the JDBC drivers of the shared database before it stops a server."""

import json
from typing import Any

import pytest

from hosts.denodo.apply import apply
from hosts.denodo.errors import ImageError
from tests.hosts.denodo import java_properties
from tests.hosts.denodo.cloud import DATA_CATALOG, SCHEDULER, VDP, Cloud
from tests.hosts.denodo.home import Home

_INSTALLED = "lib/extensions/jdbc-drivers"
_SERVERS = ["vdp", "data-catalog", "scheduler"]


@pytest.fixture
def cloud(home: Home) -> Cloud:
    cloud = Cloud(home.folder)
    for arn, name in ((SCHEDULER, "sched"), (DATA_CATALOG, "dc"), (VDP, "vdp")):
        place = {"host": "db.example.com", "port": 5432, "dbname": name, "ca": "PEM"}
        cloud.secret(arn, {**place, "username": f"{name}_a", "password": "x"})
    return cloud


def _shared(home: Home, *components: str, **changes: Any) -> Any:
    arns = {"scheduler": SCHEDULER, "data-catalog": DATA_CATALOG, "vdp": VDP}
    catalog = {name: {"secret": arns[name]} for name in components}
    return home.state(servers=_SERVERS, catalog=catalog, **changes)


@pytest.mark.usefixtures("cloud")
def test_missing_drivers_are_named_with_the_command(home: Home) -> None:
    home.with_data_catalog()
    apply(home.system, home.state(servers=_SERVERS))
    first = home.running()
    home.remove_drivers()
    home.add_driver(f"{_INSTALLED}/postgresql-12", "42.3.1")
    home.add_driver(f"{_INSTALLED}/postgresql-9", "42.1.4")
    with pytest.raises(ImageError) as refused:
        apply(home.system, _shared(home, "scheduler", "data-catalog", "vdp"))
    lines = str(refused.value).splitlines()
    jar = home.path / _INSTALLED / "postgresql-12/postgresql-42.3.1.jar"
    for line, component in zip(lines[1:], ("scheduler", "data-catalog"), strict=True):
        folder = home.path / f"lib/{component}-extensions"
        command = f"`mkdir -p {folder} && cp {jar} {folder}/`"
        expected = f"  {component} finds no JDBC driver of PostgreSQL in {folder}; run {command}"
        assert line == expected
    assert home.running() == first, "something was stopped"
    assert "shutdown" not in "".join(home.calls())


@pytest.mark.usefixtures("cloud")
def test_a_driver_without_scram_is_refused(home: Home) -> None:
    home.remove_drivers()
    home.add_driver("lib/scheduler-extensions", "42.1.4")
    text = "would use postgresql-42.1.4.jar .* copy postgresql-42.7 or later from jdbc.postgresql"
    with pytest.raises(ImageError, match=text):
        apply(home.system, _shared(home, "scheduler"))
    home.add_driver("lib/scheduler-extensions", "42.2.0")
    apply(home.system, _shared(home, "scheduler"))


@pytest.mark.usefixtures("cloud")
def test_a_component_on_its_database_gets_a_warning(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(home.system, _shared(home, "scheduler"))
    home.remove_drivers()
    apply(home.system, _shared(home, "scheduler", jvm__vdp="-Xmx2048m"))
    assert "scheduler finds no JDBC driver" in capsys.readouterr().out
    assert home.running("scheduler")


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("folders", "newest"),
    [
        (["10", "12"], "12"),
        (["9", "10"], "10"),
        (["9", "100"], "100"),
        (["10", "12.old"], "10"),
    ],
)
def test_virtual_dataport_uses_the_newest_folder(
    home: Home, folders: list[str], newest: str
) -> None:
    home.remove_drivers()
    for name in folders:
        home.add_driver(f"{_INSTALLED}/postgresql-{name}")
    (home.path / _INSTALLED / "postgresql-999").mkdir()  # a folder without a driver
    apply(home.system, _shared(home, "vdp", metadata={"source": "catalog"}))
    text = json.loads((home.path / "metadata.json").read_text())["text"]
    values = java_properties.properties(text.encode("latin-1"))
    storage = "com.denodo.vdb.catalog.storage"
    assert values[f"{storage}.classpath"] == f"postgresql-{newest}"
    assert values[f"{storage}.version"] == newest
