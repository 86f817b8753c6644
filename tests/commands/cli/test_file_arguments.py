"""Files that users name: only regular files of bounded size are read, others are refused."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

import pytest
from typer.testing import Result

from denodo_ha.catalog import database_setup
from denodo_ha.catalog.postgres_server import read_certificates
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import CommandError, Failed, Refused
from denodo_ha.rollout import pins_file
from tests.support.assembly import ROOT

Run = Callable[..., Result]
EXAMPLE = ROOT / "config/examples/haproxy.yaml"
LIMIT_S = 120
"""Seconds after which a reader counts as blocked."""


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


HOSTILE: Mapping[Callable[[Path], None], str] = {
    fifo: "a pipe, not a regular file",
    folder: "Is a directory",
    device: "a device, not a regular file",
    endless: "the file has more than",
}
KINDS = pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    """Fail a test after `LIMIT_S`, so that a reader that blocks does not block the test run."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(result: Result, *texts: str) -> None:
    assert result.exit_code == exit_codes.USAGE, result.output
    words = " ".join(result.stderr.split())
    assert "Traceback" not in words
    for text in texts:
        assert text in words


@KINDS
def test_pins_beside_a_configuration(
    make: Callable[[Path], None], denodo_ha: Run, tmp_path: Path
) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(EXAMPLE.read_text())
    make(tmp_path / "mine.pins.yaml")
    result = denodo_ha("haproxy", "render", "-c", str(config))
    refused(result, "mine.pins.yaml:1:1: the file can't be read", HOSTILE[make])


@KINDS
def test_a_configuration(make: Callable[[Path], None], denodo_ha: Run, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    make(config)
    result = denodo_ha("verify", "-c", str(config))
    others = "is a folder" if make is folder else "is not a regular file"
    reason = HOSTILE[make] if make is endless else others
    refused(result, "mine.yaml", reason)


@KINDS
def test_templates(make: Callable[[Path], None], denodo_ha: Run, tmp_path: Path) -> None:
    good = ROOT / "tests/drill/templates/site-a.yaml"
    bad = tmp_path / "bad.json"
    make(bad)
    reason = "has no manifest.json" if make is folder else HOSTILE[make]
    for arguments in ((str(bad),), (str(good), "--against", str(bad))):
        refused(denodo_ha("drill", *arguments), "bad.json", reason)


@KINDS
@pytest.mark.parametrize("which", ["manifest.json", "one.json"])
def test_assemblies(
    make: Callable[[Path], None], which: str, denodo_ha: Run, tmp_path: Path
) -> None:
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "one.json"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"one": artifact}}))
    (tmp_path / "one.json").write_text(json.dumps({"Resources": {}}))
    (tmp_path / which).unlink()
    make(tmp_path / which)
    is_missing = which == "manifest.json" and make is not endless
    for arguments in (("drill", str(tmp_path)), ("plan", str(tmp_path), str(tmp_path))):
        reason = "has no manifest.json" if is_missing else HOSTILE[make]
        refused(denodo_ha(*arguments), reason)


@KINDS
def test_certificates_of_verify(
    make: Callable[[Path], None], denodo_ha: Run, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    make(bundle)
    result = denodo_ha("verify", "-c", str(EXAMPLE), "--ca-bundle", str(bundle))
    refused(result, "--ca-bundle", HOSTILE[make])


@KINDS
@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (read_certificates, Refused),
        (database_setup.read_script, Refused),
        (pins_file.read, Failed),
    ],
)
def test_certificates_scripts_and_pins(
    make: Callable[[Path], None],
    read: Callable[[Path], str],
    kind: type[CommandError],
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    make(file)
    with pytest.raises(kind, match=HOSTILE[make]):
        read(file)
