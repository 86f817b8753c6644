"""Fixtures of the tests of `roll`, `rollout` and `replace`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Run
from tests.commands.rollout.pinned_site import EXAMPLE, Site


@pytest.fixture
def site(clouds: Callable[[str], Cloud], tmp_path: Path, denodo_ha: Run) -> Site:
    file = tmp_path / "prod.yaml"
    shutil.copyfile(EXAMPLE, file)
    made = Site(clouds(str(EXAMPLE)), file)
    done = denodo_ha("pin", "-c", str(file))
    assert done.exit_code == exit_codes.DONE, done.output
    return made
