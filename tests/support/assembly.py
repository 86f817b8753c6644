"""Synthesise a configuration in this process, as `cdk synth` would.

The CDK is imported only when a test synthesises, since importing `aws_cdk` starts Node.js.
"""

import fcntl
import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.pins import pins_file
from hosts import archive

if TYPE_CHECKING:
    from denodo_ha.environment.loading.loader import Loaded

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    file for file in (ROOT / "config/examples").glob("*.yaml") if ".pins" not in file.name
)

Template = dict[str, Any]


@dataclass(frozen=True)
class Assembly:
    """Result of a synth: templates, messages, dependencies, and the validation report."""

    templates: dict[str, Template]
    messages: dict[str, list[str]]
    report: dict[str, Any] = field(default_factory=dict)
    dependencies: dict[str, set[str]] = field(default_factory=dict)

    def resources(self, stack: str, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of a stack's resources of a type by logical id."""
        resources = self.templates[stack].get("Resources", {})
        return {
            id_: resource.get("Properties", {})
            for id_, resource in resources.items()
            if resource["Type"] == kind
        }


def synthesise(loaded: "Loaded", out: Path, *, validated: bool = False) -> Assembly:
    """Synthesise with the context of `cdk.json` and the context that the CLI adds.

    Args:
        loaded: the configuration.
        out: folder of the cloud assembly.
        validated: run the CDK's own validation, which takes a third of the time of a synth, and
            cdk-nag's AwsSolutions.
    """
    # ruff: noqa: PLC0415 - importing aws_cdk starts Node.js
    from aws_cdk import App, Validations

    from stacks.composition import compose
    from stacks.file_asset import LocalFile

    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    context |= {
        "aws:cdk:enable-path-metadata": True,
        "aws:cdk:enable-asset-metadata": True,
        "aws:cdk:disable-version-reporting": True,
    }
    app = App(
        outdir=str(out),
        context=context,
        analytics_reporting=False,
        stack_traces=False,
        builtin_cloud_formation_validation=validated,
    )
    with TemporaryDirectory() as folder:
        node, haproxy = (
            LocalFile(str(file), archive.sha256(file))
            for file in (
                archive.write("denodo", Path(folder) / "node.zip"),
                archive.write("haproxy", Path(folder) / "haproxy.zip"),
            )
        )
        compose(app, loaded=loaded, node_program=node, haproxy_program=haproxy)
    if validated:
        from cdk_nag import AwsSolutionsChecks

        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    assembly = app.synth()
    report = out / "validation-report.json"
    return Assembly(
        {stack.stack_name: stack.template for stack in assembly.stacks},
        {
            stack.stack_name: [
                f"{message.level.name}: {message.entry.data}" for message in stack.messages
            ]
            for stack in assembly.stacks
        },
        json.loads(report.read_text()) if report.exists() else {},
        {
            stack.stack_name: {dependency.id for dependency in stack.dependencies}
            for stack in assembly.stacks
        },
    )


class SharedAssemblies:
    """Assemblies of configuration files: each file is synthesised once per test run.

    The workers of pytest-xdist share the assemblies, since many test modules need the assemblies of
    the examples. An assembly is found by the content of its configuration file, so a test may
    change the file.
    """

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        """Share assemblies in the folder of the test run, which has the folders of all workers."""
        own = factory.getbasetemp()
        run = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
        self._folder = run / "assemblies"
        self._folder.mkdir(exist_ok=True)
        self._of_content = cache(self._read)

    def of(self, file: Path, *, validated: bool = False) -> Assembly:
        """Return the assembly of a configuration file and its pins.

        Examples are always synthesised with validations, since some tests need them. Validations do
        not change templates.
        """
        validated = validated or file in EXAMPLES
        pins = pins_file(file)
        content = file.read_bytes(), pins.read_bytes() if pins.exists() else None
        key = hashlib.sha256(repr((file.name, content, validated)).encode()).hexdigest()
        return self._of_content(key, file, validated=validated)

    def _read(self, key: str, file: Path, *, validated: bool) -> Assembly:
        """Return an assembly from the shared folder; the first worker synthesises the assembly."""
        saved = self._folder / f"{key}.json"
        with (self._folder / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not saved.exists():
                made = synthesise(load(file), self._folder / key, validated=validated)
                saved.write_text(json.dumps(vars(made), default=sorted))
        content = json.loads(saved.read_text())
        dependencies = {name: set(ids) for name, ids in content.pop("dependencies").items()}
        return Assembly(dependencies=dependencies, **content)
