"""Every command that a message prints for the user is complete, and the program accepts it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.full_command import (
    COMMANDS_WITHOUT_ENVIRONMENT,
    COMMANDS_WITHOUT_REGION,
    CONFIGURED_COMMANDS,
    FILE_COMMANDS,
    LIVE_COMMANDS,
    EnvironmentChoice,
    cdk_command,
    chosen,
    chosen_file,
    environment_command,
    full_command,
    make_command,
)
from denodo_ha.environment.loading.loader import load
from tests.support import printed_commands
from tests.support.assembly import ROOT
from tests.support.program_commands import parsed_commands

MARKS = ("denodo-ha ", "full_command(", "operator_command(", "`make ", "cdk ")
BUILDERS = {"full_command", "operator_command", "environment_command"}
SUBJECT = re.compile(
    r"Written by `|`denodo-ha pin` writes this file|rotates it with `|--show-policy` "
)
"""Texts that name a command without asking the user to run it, and a text whose command name is a
variable."""
CDK = re.compile(r"`((?:npx )?cdk (?:deploy|destroy|import) [^`]+)`")
MAKE = re.compile(r"`make (?:-s )?([a-z-]+)([^`]*)`")


@cache
def trees() -> dict[Path, ast.Module]:
    """Return the syntax trees of files that name commands, parsed at the first call."""
    return {
        file: ast.parse(text)
        for folder in ("denodo_ha", "hosts", "stacks", "tools")
        for file in sorted((ROOT / folder).rglob("*.py"))
        if not {".venv", "reference_pages", "reference_page.py"} & set(file.parts)
        if any(mark in (text := file.read_text(encoding="utf-8")) for mark in MARKS)
    }


def test_built_commands_are_accepted() -> None:
    wrong, built = [], 0
    with chosen(EnvironmentChoice(config="prod")):
        for file, tree in trees().items():
            for call in ast.walk(tree):
                if isinstance(call, ast.Call) and _name(call.func) in BUILDERS:
                    wrong += [f"{file}: {fault}" for fault in _faults_of(call)]
                    built += 1
    assert not wrong, "\n".join(wrong)
    assert built > 80


def test_literal_commands_are_complete() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {fault}"
        for file, tree in trees().items()
        for line, text in _texts(tree)
        if not SUBJECT.search(text)
        for fault in _faults_in(text)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "see `denodo-ha status`",
        "`denodo-ha enable node1 -c prod` brings it back",
        "`denodo-ha status --nonsense -c prod`",
        "`denodo-ha fly -c prod`",
        "start it with `make local`",
        "run `cdk deploy prod-active-catalog`",
        "run `npx cdk deploy --all`",
        "`make fly`",
    ],
)
def test_an_incomplete_command_is_found(text: str) -> None:
    assert [*_faults_in(text)]


def test_choices_fit_the_options_of_commands() -> None:
    """The tables of commands in `full_command`'s module agree with the options of each command."""
    for name, command in parsed_commands():
        options = {option for parameter in command.params for option in parameter.opts}
        assert (name in FILE_COMMANDS) == (options >= {"--config"} and "--profile" not in options)
        if "--profile" not in options:
            continue
        if "--config" in options and name != "drill":
            assert (name in CONFIGURED_COMMANDS) == ("--environment" not in options), name
            assert (name in COMMANDS_WITHOUT_REGION) == ("--region" not in options), name
            assert (name in LIVE_COMMANDS) == ("--live" in options), name
    known = {name for name, _ in parsed_commands()}
    assert known >= COMMANDS_WITHOUT_ENVIRONMENT


@pytest.mark.parametrize(
    ("choice", "command", "expected"),
    [
        (EnvironmentChoice(), "status", "-c CONFIG"),
        (EnvironmentChoice(config="my file"), "status", "-c 'my file'"),
        (
            EnvironmentChoice(config="prod", regions=("a", "b")),
            "roll",
            "-c prod --region a --region b",
        ),
        (EnvironmentChoice(config="prod", regions=("a",), profile="p"), "check", "-c prod"),
        (
            EnvironmentChoice(config="prod", regions=("a",), profile="p"),
            "verify",
            "-c prod --profile p",
        ),
        (
            EnvironmentChoice(environment="e", regions=("a",), profile="p"),
            "failover status",
            "--environment e --region a --profile p",
        ),
        (EnvironmentChoice(environment="e", profile="p"), "pin", "-c CONFIG --profile p"),
        (
            EnvironmentChoice(is_live=True, record="x.example.com", regions=("a",)),
            "status",
            "--live --record x.example.com --region a",
        ),
        (EnvironmentChoice(is_live=True, balancer="b"), "roll", "-c CONFIG"),
        (EnvironmentChoice(config="prod"), "haproxy status", ""),
    ],
)
def test_the_options_of_a_choice(choice: EnvironmentChoice, command: str, expected: str) -> None:
    with chosen(choice):
        assert full_command(command) == f"denodo-ha {command} {expected}".rstrip()
    assert full_command("status") == "denodo-ha status -c CONFIG"


def test_other_programs_get_the_choice_too() -> None:
    with chosen(EnvironmentChoice(config="config=prod")):
        assert cdk_command("synth", "--output", "a b") == (
            "npx cdk synth -c config=prod --output 'a b'"
        )
        assert make_command("diff") == "make diff CONFIG=prod"
        assert environment_command("status", "e", ["a"]) == (
            "denodo-ha status --environment e --region a"
        )
        with chosen_file("other"):
            assert make_command("diff") == "make diff CONFIG=prod"
    with chosen_file("config/prod.yaml"):
        assert make_command("diff") == "make diff CONFIG=config/prod.yaml"


def test_a_rule_names_the_file_that_is_loaded() -> None:
    file = ROOT / "config/examples/active-passive.yaml"
    findings = [str(finding) for finding in load(file).findings]
    printed = [text for finding in findings for text in printed_commands.PRINTED.findall(finding)]
    assert printed
    assert all(f" -c {file}" in text for text in printed)


def _faults_of(call: ast.Call) -> Iterator[str]:
    """Yield the faults of the command that a call builds; `x` stands for each variable."""
    arguments = [each for each in call.args if not isinstance(each, ast.Starred)]
    if _name(call.func) == "operator_command":
        arguments = arguments[1:]
    if _name(call.func) == "environment_command":
        arguments = arguments[:1]
    texts = [_text(argument) or "x" for argument in arguments]
    # `--x-sql` is an option whose component is a variable.
    texts = [text.replace("--x-sql", "--scheduler-sql") for text in texts]
    if isinstance(call.args[0], ast.Name) and _name(call.func) == "full_command":
        # Such a call cannot be checked: the command's name is a loop variable, or the call is in
        # the definition of another builder.
        return
    has_cluster = any(keyword.arg == "cluster" for keyword in call.keywords)
    is_host = _name(call.func) == "operator_command"
    cluster = "x" if has_cluster or is_host else None
    yield from printed_commands.faults(full_command(*texts, cluster=cluster))


def _faults_in(text: str) -> Iterator[str]:
    commands = printed_commands.PRINTED.findall(text)
    if re.match(r"denodo-ha [a-z].* -", text):
        commands.append(text)
    for command in commands:
        yield from printed_commands.faults(" ".join(command.split()))
    for command in CDK.findall(text):
        if not command.startswith("npx ") or "config=" not in command:
            yield f"{command}: must begin with npx, and name the configuration"
    for verb, rest in MAKE.findall(text):
        if verb not in printed_commands.verbs():
            yield f"make {verb}: there is no such verb"
        elif printed_commands.verbs()[verb] and "CONFIG=" not in rest:
            yield f"make {verb}: names no configuration"


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of each literal that is neither a docstring nor a help text."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        helps: list[Any] = []
        is_help = isinstance(node, ast.keyword) and node.arg in {"help", "description"}
        if isinstance(node, ast.Expr | ast.keyword) and (is_help or isinstance(node, ast.Expr)):
            helps.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            helps += node.values
        elif isinstance(node, ast.AnnAssign) and "Field(" in ast.unparse(node.annotation):
            helps.append(node.annotation)
        skipped |= {id(part) for each in helps for part in ast.walk(each)}
        if id(node) not in skipped and (text := _text(node)):
            yield getattr(node, "lineno", 0), text


def _text(node: ast.AST) -> str:
    """Return the text of a literal; `x` stands for each value in an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
        )
    return ""


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""
