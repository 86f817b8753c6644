"""`denodo-ha init`: copies of examples."""

from pathlib import Path

import pytest

from denodo_ha.cli import configuration_choice, exit_codes
from denodo_ha.environment.loading.loader import load
from tests.commands.conftest import Run
from tests.support.assembly import ROOT


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the examples, as the command's clone and working folder."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/examples").symlink_to(ROOT / "config/examples")
    monkeypatch.setattr(configuration_choice, "configuration_root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_copy_loads_and_its_schema_is_beside_it(denodo_ha: Run, clone: Path) -> None:
    done = denodo_ha("init", "prod")
    assert (done.exit_code, done.stderr) == (exit_codes.DONE, "")
    file = clone / "config/prod.yaml"
    first = file.read_text().splitlines()[0]
    schema = first.rpartition("=")[2]
    assert (ROOT / "config" / schema).resolve() == ROOT / "config/schema.json"
    assert load(file).environment.name == "denodo70"
    # `init` lists every line that is marked `# yours`, and the name of the environment.
    assert 'account: "111122223333"' in done.stdout
    assert "name: denodo70" in done.stdout
    assert "denodo-ha check -c prod" in done.stdout


def test_another_example(denodo_ha: Run, clone: Path) -> None:
    assert denodo_ha("init", "prod", "--from", "haproxy").exit_code == exit_codes.DONE
    assert "kind: haproxy" in (clone / "config/prod.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["../prod"], "cannot be the NAME of the new file"),
        (["prod.yaml"], "cannot be the NAME of the new file"),
        (["prod.pins"], "cannot be the NAME of the new file"),
        (["prod", "--from", "nothing"], "there is no example nothing; the examples are active-"),
        (["prod", "--from", "../active-active"], "there is no example ../active-active"),
    ],
)
def test_refusals(denodo_ha: Run, clone: Path, arguments: list[str], message: str) -> None:
    done = denodo_ha("init", *arguments)
    assert done.exit_code == exit_codes.USAGE
    assert message in " ".join(done.stderr.split())
    assert [file.name for file in (clone / "config").iterdir()] == ["examples"]


def test_a_file_that_exists_stays(denodo_ha: Run, clone: Path) -> None:
    (clone / "config/prod.yaml").write_text("mine")
    done = denodo_ha("init", "prod")
    assert done.exit_code == exit_codes.USAGE
    assert "config/prod.yaml exists" in done.stderr
    assert (clone / "config/prod.yaml").read_text() == "mine"


def test_without_a_clone(denodo_ha: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration_choice, "configuration_root", lambda: tmp_path)
    done = denodo_ha("init", "prod")
    assert done.exit_code == exit_codes.USAGE
    assert "in a clone of the project" in done.stderr
