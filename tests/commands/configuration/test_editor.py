"""An editor with yaml-language-server accepts a copied example, and marks what is wrong in it."""

from pathlib import Path

import pytest

from denodo_ha.cli import configuration_choice, exit_codes
from tests.commands.conftest import Run
from tests.support.assembly import EXAMPLES, ROOT
from tests.support.language_server import PROGRAM, YamlLanguageServer

pytestmark = pytest.mark.skipif(
    not PROGRAM.exists(), reason="needs the packages of `make dev` (yaml-language-server)"
)


def test_copies_of_all_examples_have_no_diagnostics_and_a_wrong_key_has_one(
    denodo_ha: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    for name in ("examples", "schema.json"):
        (tmp_path / "config" / name).symlink_to(ROOT / "config" / name)
    monkeypatch.setattr(configuration_choice, "configuration_root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    names = [example.stem for example in EXAMPLES]
    for name in names:
        done = denodo_ha("init", f"my-{name}", "--from", name)
        assert done.exit_code == exit_codes.DONE
    file = tmp_path / "config/my-active-passive.yaml"
    wrong = tmp_path / "config/wrong.yaml"
    wrong.write_text(file.read_text().replace("\ndenodo:\n", "\ndenodoo: 1\ndenodo:\n", 1))
    line = wrong.read_text().splitlines().index("denodoo: 1") + 1

    with YamlLanguageServer(tmp_path) as server:
        for name in names:
            assert server.diagnostics(tmp_path / f"config/my-{name}.yaml") == [], name
        assert server.diagnostics(wrong) == [f"{line}: Property denodoo is not allowed."]
