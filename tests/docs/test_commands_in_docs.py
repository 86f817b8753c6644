"""Every command, option and make verb that the documentation names exists."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.assembly import ROOT
from tests.support.printed_commands import faults
from tests.support.program_commands import parsed_commands
from tests.support.repository import project_files

PAGES = [page for page in project_files(".md") if page.name != "CHANGELOG.md"]
GLOBAL = {"-v", "-vv", "--verbose", "--log-format", "--version", "--help"}
GLOBAL |= {"--install-completion", "--show-completion"}
_ABBREVIATED = {"…", "...", "COMMAND"}


def test_commands_and_options_exist() -> None:
    commands = dict(_commands())
    groups = {name.split()[0] for name in commands if " " in name}
    wrong = []
    for page, line in _lines("denodo-ha"):
        words = _words(line)
        while words and words[0].startswith("-"):
            # Leave out a global option such as --json; --log-format also has a value.
            words = words[2 if words[0] == "--log-format" else 1 :]
        if not words or words[0] in _ABBREVIATED:
            continue
        name = words[0]
        if name in groups and len(words) > 1 and not words[1].startswith("-"):
            name = f"{name} {words[1]}"
        if name.rpartition(" ")[2] in _ABBREVIATED:
            continue
        if name not in commands and name not in groups:
            wrong.append(f"{page}: denodo-ha {name}: there is no such command")
            continue
        options = {option for option in words if re.match(r"--?[a-z]", option)}
        known = commands.get(name, set()) | GLOBAL
        wrong += [
            f"{page}: denodo-ha {name} has no {option}"
            for option in sorted({option.partition("=")[0] for option in options} - known)
        ]
    assert wrong == []


def test_commands_to_run_are_complete() -> None:
    """On how-to pages, each command with arguments has all arguments that it needs."""
    wrong = [
        f"{page}: {fault}"
        for page, line in _lines("denodo-ha")
        if page.is_relative_to("docs/how-to")
        or page.name in {"alarms.md", "commands.md", "tutorial.md"}
        if (words := _words(line)) and not words[0].startswith("-")
        if not _ABBREVIATED & set(words) and "…" not in line and "[OPTIONS]" not in line
        if " ".join(words)
        not in dict(_parsed()).keys() | {name.split()[0] for name, _ in _parsed()}
        for fault in faults(shlex.join(["denodo-ha", *words]))
    ]
    assert not wrong, "\n".join(wrong)


def test_cdk_commands_name_what_they_need() -> None:
    """`cdk` commands name `config=`, without which the CDK CLI takes the default example.

    `cdk bootstrap` with `--trust` also names the policies that AWS demands.
    """
    lines = list(_lines("npx cdk"))
    wrong = [
        f"{page}: npx cdk {line}"
        for page, line in lines
        if line.split()[0] in {"deploy", "destroy", "diff", "import", "synth"}
        if "config=" not in line and "…" not in line
    ]
    wrong += [
        f"{page}: npx cdk {line}"
        for page, line in lines
        if "--trust" in line
        if "aws://" not in line or "--cloudformation-execution-policies" not in line
    ]
    assert not wrong, "\n".join(wrong)
    assert len(lines) > 10


def test_make_verbs_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    wrong = []
    for page, line in _lines("make"):
        named = [word for word in line.split() if re.fullmatch(r"[a-z][a-z-]*", word)]
        wrong += [f"{page}: make {verb}" for verb in named[:1] if verb not in verbs]
    assert wrong == []


def test_options_that_do_not_exist_are_found() -> None:
    commands = dict(_commands())
    assert "--json" in commands["status"]
    assert "--nonsense" not in commands["status"]
    lines = list(_lines("denodo-ha"))
    assert len(lines) > 300
    assert any("--even-if-running" in line or "--metadata-ok" in line for _, line in lines)


def _commands() -> Iterator[tuple[str, set[str]]]:
    for name, command in _parsed():
        options = {
            option
            for each in command.params
            for option in (*each.opts, *getattr(each, "secondary_opts", ()))
        }
        yield name, options


@cache
def _parsed() -> tuple[tuple[str, Any], ...]:
    return tuple(parsed_commands())


def _lines(program: str) -> Iterator[tuple[Path, str]]:
    """Yield the page and the arguments of each call of a program, in blocks and in `code`."""
    begin = re.compile(rf"^(?:\$ |- run: |[ \t]*)(?:\S*/)?{program} (.+)$", re.MULTILINE)
    inline = re.compile(rf"(?<!`)`(?:[A-Z_]+=\S+ )*(?:\S*/)?{program} ([^`]+)`", re.DOTALL)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```.*?\n(.*?)```", text, re.DOTALL):
            for call in begin.findall(block.replace("\\\n", " ")):
                yield page.relative_to(ROOT), call
        for call in inline.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            yield page.relative_to(ROOT), " ".join(call.split())


def _words(line: str) -> list[str]:
    """Return the words of a command line, up to a comment, a pipe or a redirection."""
    line = re.split(r"\s+#\s|\s[|>]\s?|\s&&\s|;", line)[0].rstrip(",.:")
    try:
        return shlex.split(line)
    # A closing quotation mark is missing, because the page abbreviates a quoted argument.
    except ValueError:
        return line.split()
