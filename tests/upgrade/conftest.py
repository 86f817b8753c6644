"""Fixtures of the upgrade tests: archived earlier revisions, unpacked once for all tests."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from denodo_ha.environment.loading.loader import load
from tests.commands.conftest import credentials, denodo_ha
from tests.support import local_aws_server
from tests.support.assembly import Template, synthesise
from tests.support.patience import remove_deadlines
from tests.upgrade.revision import ARCHIVES, Revision

__all__ = ["credentials", "denodo_ha"]

NewTemplates = Callable[[Revision, str], dict[str, Template]]


@pytest.fixture(autouse=True, scope="module")
def _patient_commands() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        remove_deadlines(patch)
        yield


@pytest.fixture(scope="session", params=ARCHIVES, ids=lambda file: file.name.split(".")[0])
def revision(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Revision:
    """Return each archived revision of this project in turn."""
    return Revision.unpack(request.param, tmp_path_factory.mktemp("revision"))


@pytest.fixture(scope="session")
def new_templates(tmp_path_factory: pytest.TempPathFactory) -> NewTemplates:
    """Return a function that synthesises a pinned archived example with the working tree's code."""

    @cache
    def templates(revision: Revision, example: str) -> dict[str, Template]:
        folder = tmp_path_factory.mktemp(example)
        loaded = load(revision.pinned_configuration(example, folder))
        return dict(synthesise(loaded, folder / "out").templates)

    return templates


def pytest_sessionfinish() -> None:
    """Stop the local AWS of the test run, and remove its folder."""
    local_aws_server.finish()
