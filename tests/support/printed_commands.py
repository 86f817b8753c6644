"""Commands that messages print for the user: parsed as the program and the Makefile parse them."""

import re
import shlex
from functools import cache
from typing import Any

from tests.support.assembly import ROOT
from tests.support.program_commands import parsed_commands

PRINTED = re.compile(r"`(denodo-ha [^`]+)`")
_CHOICES = ("config", "environment", "live")


def faults(command: str) -> list[str]:
    """Return the reasons why a command of denodo-ha cannot be run as printed; empty if it can."""
    words = shlex.split(command)[1:]
    commands = _commands()
    name = next((name for name in (" ".join(words[:2]), *words[:1]) if name in commands), "")
    if not name:
        return [f"{command}: there is no such command"]
    parser = commands[name]
    try:
        values = parser.make_context(name, words[len(name.split()) :]).params
    except Exception as error:  # noqa: BLE001 - the parser's errors have no common public class
        return [f"{command}: {type(error).__name__}: {getattr(error, 'message', error)}"]
    missing = []
    if "config" in values and not (
        any(values.get(key) for key in _CHOICES)
        or values.get("show_policy")
        or _has_folders(values)
    ):
        missing.append(f"{command}: names no environment")
    if "cluster" in values and values.get("node") and not (values["cluster"] or values.get("live")):
        missing.append(f"{command}: names no cluster")
    return missing


def _has_folders(values: dict[str, Any]) -> bool:
    """Return whether a command compares folders of cdk synth, which need no configuration."""
    return any(values.get(key) for key in ("paths", "base_folder", "base"))


def assert_complete(output: str) -> None:
    """Assert that each command in an output can be run as printed."""
    # Comments are removed: a comment in a printed file names the command that has written the file.
    text = re.sub(r"^\s*#.*$", "", output, flags=re.MULTILINE)
    printed = dict.fromkeys(" ".join(command.split()) for command in PRINTED.findall(text))
    wrong = [fault for command in printed for fault in faults(command)]
    assert wrong == [], output


@cache
def _commands() -> dict[str, Any]:
    return dict(parsed_commands())


@cache
def verbs() -> dict[str, bool]:
    """Return each target of the Makefile, and whether its recipe uses CONFIG."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = re.findall(r"^([a-z][a-z-]*):(?:.*\n)((?:\t.*\n)*)", makefile, re.MULTILINE)
    return {verb: "$(CONFIG)" in recipe for verb, recipe in recipes}
