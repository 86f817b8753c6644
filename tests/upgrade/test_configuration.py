"""Configuration files of an earlier revision load without an error or a new warning."""

import json

import pytest

from denodo_ha.environment.loading.loader import load
from tests.upgrade.revision import EXAMPLES, Revision, known, python

_LOAD = """
import sys
from pathlib import Path
from config.load import load
loaded = load(Path(sys.argv[1]))
print(loaded.environment.model_dump_json(), end="")
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_configuration_files_load(revision: Revision, example: str) -> None:
    load(revision.configuration(example))


@pytest.mark.parametrize("example", EXAMPLES)
def test_both_revisions_read_the_same_values(revision: Revision, example: str) -> None:
    if revision.command != "ops":
        pytest.skip("the loader of this revision has another path")
    file = revision.configuration(example)
    done = python(revision.code, "-c", _LOAD, str(file))
    assert done.returncode == 0, done.stderr
    old, new = json.loads(done.stdout), json.loads(load(file).environment.model_dump_json())
    # Keys that were added later have default values; the old revision does not output them.
    assert known(new, old) == old
