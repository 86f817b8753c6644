"""Files that a command writes only if no file with the same name exists."""

import os
from pathlib import Path

import pytest

from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.new_file import write_new


class Killed(BaseException):
    """End of the process in the middle of a write."""


def test_a_file_is_written_once(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    write_new(file, "first", Path("config/prod.yaml"))
    with pytest.raises(UsageError, match=r"config/prod\.yaml exists: choose another name"):
        write_new(file, "second", Path("config/prod.yaml"))
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [
        ("prod.yaml", "first")
    ]


def test_a_process_that_ends_while_it_writes_leaves_no_file_of_this_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(file: Path, text: str, encoding: str) -> None:
        file.write_bytes(text.encode(encoding)[:2])
        raise Killed

    monkeypatch.setattr(Path, "write_text", write_half)
    with pytest.raises(Killed):
        write_new(tmp_path / "prod.yaml", "name: prod", Path("prod.yaml"))
    assert not (tmp_path / "prod.yaml").exists()


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="x cannot be written: No such file"):
        write_new(tmp_path / "no/x", "", Path("x"))


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    write_new(tmp_path / "x", "first", Path("x"))
    with pytest.raises(UsageError, match="x exists"):
        write_new(tmp_path / "x", "second", Path("x"))
    assert (tmp_path / "x").read_text() == "first"
