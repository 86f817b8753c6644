"""The example of outbound access in the documentation is a valid configuration."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from tests.support.assembly import ROOT
from tests.support.configurations import changed, errors, minimal


def test_the_example_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/network.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)
    network = YAML(typ="safe").load(example)["network"]
    assert {"nat", "egress"} <= network.keys()
    changes = {
        "clusters/main/network": network,
        "license_manager": {"host": "lm.example.com"},
    }
    assert errors(tmp_path, changed(minimal(), changes)) == []
