"""An earlier revision of the project, unpacked from its archive (`tools/upgrade_fixture.py`)."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from denodo_ha.aws import cloud_assembly
from denodo_ha.deployed import node_pins
from denodo_ha.deployed.stack import resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.model.pins import Pin, pins_file
from denodo_ha.rollout import pins_file as pins_text
from tests.support.assembly import ROOT, Template

ARCHIVES = sorted((ROOT / "tests/upgrade/fixtures").glob("*.tar.xz"))
EXAMPLES = (
    "active-active",
    "active-passive",
    "adopted",
    "haproxy",
    "internet-facing",
    "large",
    "shared-catalog",
    "standalone-failover",
    "web-cookies",
)
"""Examples in the first archive. The archive still has an example if the project removes it."""

_TIMEOUT_S = 300


@dataclass(frozen=True)
class Revision:
    """An unpacked revision.

    Attributes:
        folder: the unpacked archive.
    """

    folder: Path

    @classmethod
    def unpack(cls, archive: Path, folder: Path) -> "Revision":
        """Unpack an archive into an empty folder."""
        with tarfile.open(archive) as members:
            members.extractall(folder, filter="data")
        for name in ("node", "haproxy"):
            with zipfile.ZipFile(folder / f"programs/{name}.zip") as program:
                program.extractall(folder / "programs" / name)  # noqa: S202 - our archive
        return cls(folder)

    @cached_property
    def command(self) -> str:
        """The package that runs the commands: `python -m PACKAGE`."""
        return str(json.loads((self.folder / "revision.json").read_text())["command"])

    @property
    def code(self) -> Path:
        """The root folder of the command packages."""
        return self.folder / "code"

    @property
    def programs(self) -> Path:
        """The folder that contains the host programs as the packages `node` and `haproxy`."""
        return self.folder / "programs"

    @property
    def node_module(self) -> tuple[Path, str]:
        """The root folder and package of the node program's modules."""
        if (self.programs / "node/hosts").is_dir():
            return self.programs / "node", "hosts.denodo"
        return self.programs, "node"

    def configuration(self, example: str) -> Path:
        """Return the configuration file of an example."""
        return self.code / f"config/examples/{example}.yaml"

    def pinned_configuration(self, example: str, folder: Path) -> Path:
        """Copy an example's configuration file, and write pins for the nodes in its templates."""
        file = Path(shutil.copy(self.configuration(example), folder / "environment.yaml"))
        pins: dict[str, dict[str, Pin]] = {}
        for template in self.templates(example).values():
            for resource in template["Resources"].values():
                properties = resource.get("Properties", {})
                if resource["Type"] == "AWS::EC2::Instance":
                    cluster = resource_tag(properties, names.CLUSTER_TAG)
                    node = resource_tag(properties, names.NODE_TAG)
                    assert cluster is not None
                    assert node is not None
                    pins.setdefault(cluster, {})[node] = node_pins.pin_of(node, properties)
        pins_text.write(pins_file(file), pins_text.changed("", pins))
        return file

    def assembly(self, example: str) -> Path:
        """Return the cloud assembly of an example."""
        return self.folder / "assemblies" / example

    def templates(self, example: str) -> dict[str, Template]:
        """Return the templates of an example by stack name."""
        templates = cloud_assembly.read_templates(self.assembly(example))
        return {name: dict(template) for name, template in templates.items()}

    def run(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the revision: `denodo-ha ARGUMENTS`."""
        return python(
            self.code, "-m", self.command, *arguments, environment=environment or os.environ
        )


def python(
    root: Path, *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run Python with the packages in a root folder and the working tree's locked dependencies."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**(environment or os.environ), "PYTHONPATH": str(root)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def known(new: Any, old: Any) -> Any:
    """Return the new revision's value, without keys that are not in the old revision's value."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: known(value, old[key]) for key, value in new.items() if key in old}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [known(*pair) for pair in zip(new, old, strict=True)]
    return new
