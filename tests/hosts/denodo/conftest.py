"""Fixtures: Denodo installations whose processes are killed when the test ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hosts.denodo import image_findings, license_manager, privileges
from hosts.denodo.metadata import database_tables
from hosts.denodo.readiness import http_event_loop, ping, probes
from tests.hosts.denodo.first_boot_machine import Machine
from tests.hosts.denodo.home import VERSIONS, Home, Version

_LONG_S = 120.0


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the tables that the program finds in every database; most tests run no database."""
    found = ["qrtz_locks"]
    monkeypatch.setattr(database_tables, "read_tables", lambda _: found)
    return found


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengthen time limits that a busy machine could reach; tests of a limit set the limit."""
    for module, name in (
        (http_event_loop, "_REQUEST_SECONDS"),
        (http_event_loop, "_SEND_SECONDS"),
        (image_findings, "_VERSION_SECONDS"),
        (license_manager, "SECONDS"),
        (ping, "SECONDS"),
        (privileges, "_SUDO_SECONDS"),
        (probes, "SECONDS"),
    ):
        monkeypatch.setattr(module, name, _LONG_S)


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[Callable[[Version], Home]]:
    homes: list[Home] = []

    def make(version: Version) -> Home:
        homes.append(Home(tmp_path / f"home{len(homes)}", version))
        return homes[-1]

    yield make
    for home in homes:
        home.end()


@pytest.fixture
def home(make_home: Callable[[Version], Home]) -> Home:
    return make_home("8.0")


@pytest.fixture(params=VERSIONS)
def each_home(make_home: Callable[[Version], Home], request: pytest.FixtureRequest) -> Home:
    return make_home(request.param)


@pytest.fixture
def machine(home: Home, tmp_path: Path) -> Machine:
    folder = tmp_path / "machine"
    folder.mkdir()
    return Machine(home, folder)
