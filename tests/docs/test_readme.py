"""The README lists every command of the program."""

import re
from collections.abc import Iterator

from tests.support.assembly import ROOT
from tests.support.program_commands import command_functions

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_lists_every_command() -> None:
    names = {name for name, _ in command_functions()}
    assert {*_listed(names)} == names


def _listed(names: set[str]) -> Iterator[str]:
    """Yield the full names of the commands in the table; `…` stands for all commands of a group."""
    groups = {name.split()[0] for name in names if " " in name}
    for row in re.findall(r"^\| (`denodo-ha .+?) \|", README, re.MULTILINE):
        first, *more = re.findall(r"`(?:denodo-ha )?([^`]+)`", row)
        group, _, subcommand = first.partition(" ")
        if group not in groups:
            yield from (command.split()[0] for command in (first, *more))
        elif subcommand == "…":
            yield from (name for name in names if name.startswith(f"{group} "))
        else:
            yield from (f"{group} {command.split()[0]}" for command in (subcommand, *more))
