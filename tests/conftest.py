"""What the tests share: each example is loaded and synthesised once."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from config.load import load
from tests.assembly import EXAMPLES, ROOT, Assembly, synthesise

# Before any test starts jsii: the Node and the cache of the set-up, as in scripts/app.
os.environ.setdefault("JSII_NODE", str(ROOT / ".venv/node"))
os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE_ROOT", str(ROOT / ".venv/jsii-cache"))


@pytest.fixture(params=[file.stem for file in EXAMPLES])
def example(request: pytest.FixtureRequest) -> str:
    """Each example's name in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def assembly_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Assembly]:
    """Gives the assembly of an example, synthesised once, cdk-nag included."""

    @cache
    def assembly(name: str) -> Assembly:
        file = Path("config/examples") / f"{name}.yaml"
        return synthesise(load(ROOT / file), tmp_path_factory.mktemp(name), nag=True)

    return assembly
