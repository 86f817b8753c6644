"""The page of the first production deploy shows the message that the loader really prints."""

import re
from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from tests.support.assembly import ROOT


def test_the_error_is_what_the_loader_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/how-to/first-production-deploy.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```\n(config/prod\.yaml:\d+:\d+: .+?)\n```", page)
    example = (ROOT / "config/examples/active-passive.yaml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    file = Path("config/prod.yaml")
    file.parent.mkdir()
    file.write_text(example.replace("29997", "19997", 1), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(error.value) == shown
