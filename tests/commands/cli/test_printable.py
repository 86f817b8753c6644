"""Texts from AWS, nodes, HAProxy and files cannot control the user's terminal."""

import ast
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.handlers
import pytest
import typer

from denodo_ha.cli import logging_setup, main, output
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.errors import Failed
from denodo_ha.cli.progress import Progress
from denodo_ha.drill.text_report import OutcomeRow, Report, markdown_report
from denodo_ha.environment.loading.problem import ConfigError, Problem
from hosts.haproxy import commands
from tests.commands.account.calls import Answer, error
from tests.commands.conftest import Run
from tests.support.assembly import ROOT

HOSTILE = "\x1b[2J\x1b]0;x\x07a\nnode2 healthy\r\u202eb\u2066\ud800\x9b31m|\x00"
# The result of `printable` for the text HOSTILE.
ESCAPED = r"\x1b[2J\x1b]0;x\x07a\nnode2 healthy\r\u202eb\u2066\ud800\x9b31m|\x00"

ROWS: dict[str, list[list[str]]] = {
    "status": [["-c", "active-passive"], ["-c", "active-passive", "--format", "json"]],
    "verify": [["-c", "{hostile}"], ["-c", "active-passive", "--ca-bundle", "{hostile}"]],
    "history": [["-c", "active-passive"], ["-c", "shared-catalog", "--format", "json"]],
    "logs": [
        ["node1", "-c", "active-passive", "--cluster", "active"],
        ["{hostile}", "-c", "active-passive", "--cluster", "active", "--since", "{hostile}"],
    ],
    "support": [
        ["-c", "active-passive", "--no-plan", "--to", "{assembly}/support.tar.gz"],
        ["-c", "active-passive", "--to", "{hostile}/support.tar.gz"],
    ],
    "drain": [["node1", "-c", "active-passive", "--cluster", "active"]],
    "enable": [["node1", "-c", "active-passive", "--cluster", "active"]],
    "shift": [["eu-west-1a", "-c", "active-passive", "--cluster", "active"]],
    "pause": [["active", "--why", "\x1b[2J\n", "-c", "active-passive"]],
    "resume": [["active", "-c", "active-passive"]],
    "pin": [["-c", "active-passive", "--dry-run"]],
    "plan": [
        ["{assembly}", "{assembly}"],
        ["{assembly}", "{assembly}", "--format", "json"],
        ["{assembly}", "{hostile}"],
        ["-c", "active-passive", "{assembly}"],
    ],
    "roll": [["-c", "active-passive"]],
    "rollout": [["-c", "active-passive"], ["-c", "{hostile}"]],
    "replace": [
        ["node1", "-c", "active-passive", "--cluster", "active"],
        ["\x1b[2J\n", "-c", "{hostile}"],
        ["node1", "-c", "active-passive", "--type", "\x1b[2J\n\u202e"],
    ],
    "catalog init": [["-c", "shared-catalog"], ["-c", "{hostile}"]],
    "catalog digest-test": [["node1", "-c", "shared-catalog"]],
    "catalog import-export": [["node1", "-c", "shared-catalog", "--dry-run"]],
    "catalog learn": [["node1", "-c", "shared-catalog"]],
    "catalog restore-database": [["--in", "main", "-c", "{hostile}"]],
    "catalog rotate": [["scheduler", "-c", "shared-catalog"]],
    "catalog status": [["-c", "shared-catalog"]],
    "init": [["\x1b[2J\n"], ["mine", "--from", "\x1b[2J\n"]],
    "adopt": [
        ["--region", "eu-west-1", "--record", "denodo.example.com", "prod"],
        ["--region", "\x1b[2J\n", "--balancer", "\x1b[2J\n", "--to", "{hostile}", "\x1b[2J\n"],
    ],
    "check": [["-c", "{hostile}"], ["-c", "active-passive", "--format", "json"]],
    "drill": [
        ["{assembly}"],
        ["{assembly}", "--format", "json"],
        ["{assembly}", "--format", "markdown"],
        ["{hostile}"],
    ],
    "picture": [
        ["{assembly}"],
        ["{assembly}", "--format", "mermaid", "--against", "{assembly}"],
        ["{hostile}"],
    ],
    "review": [
        ["{assembly}", "{assembly}"],
        ["{assembly}", "{assembly}", "--format", "json"],
        ["{assembly}", "{hostile}"],
        ["{hostile}"],
    ],
    "cost": [
        ["{assembly}"],
        ["{assembly}", "--format", "json"],
        ["{assembly}", "--format", "markdown"],
        ["{hostile}"],
        ["--update", "{hostile}"],
        ["{assembly}", "--online", "--price-list", "\x1b[2J\n"],
    ],
    "nodes": [["-c", "{hostile}"], ["-c", "active-passive", "--format", "markdown"]],
    "haproxy render": [["-c", "{hostile}"]],
    "haproxy drain": [["node1", "--run", "{hostile}", "--state", "{hostile}/state"]],
    "haproxy enable": [["node1", "--run", "{hostile}", "--state", "{hostile}/state"]],
    "haproxy reload": [["{hostile}", "--run", "{hostile}", "--state", "{hostile}/state"]],
    "haproxy save": [["--run", "{hostile}", "--state", "{hostile}/state"]],
    "haproxy prepare": [
        ["--run", "{hostile}", "--state", "{hostile}/state", "--file", "{hostile}/cfg"]
    ],
    "haproxy status": [["--run", "{hostile}"], ["--run", "{hostile}", "--format", "json"]],
    "haproxy verify": [["--run", "{hostile}"], ["--run", "{hostile}", "--format", "json"]],
    "haproxy apply": [["-c", "active-passive"]],
    "failover status": [["-c", "active-passive"], ["-c", "active-passive", "--format", "json"]],
    "failover check": [["-c", "active-passive"], ["-c", "active-passive", "--format", "json"]],
    "failover to": [["passive", "-c", "active-passive"]],
    "failover back": [["-c", "active-passive"]],
    "failover from": [["active", "-c", "active-passive"]],
    "failover practice": [
        ["-c", "active-passive", "--without-client"],
        ["-c", "active-passive", "--stay", "\x1b[2J\n"],
    ],
    "failover restore": [["active", "-c", "active-passive"]],
}
"""Arguments with which each command reads hostile texts: `{hostile}` is a path, `{assembly}` is a
cloud assembly with hostile names and tags, and AWS answers every call with a hostile error."""

TEMPLATE = {
    "Resources": {
        f"Node{HOSTILE}": {
            "Type": "AWS::EC2::Instance",
            "Properties": {
                "AvailabilityZone": f"eu-west-1a{HOSTILE}",
                "Tags": [
                    {"Key": "denodo:node", "Value": HOSTILE},
                    {"Key": "denodo:cluster", "Value": HOSTILE},
                    {"Key": "Name", "Value": HOSTILE},
                ],
            },
        },
        f"Database{HOSTILE}": {
            "Type": "AWS::RDS::DBInstance",
            "Properties": {"Tags": [{"Key": "denodo:cluster", "Value": HOSTILE}]},
        },
    }
}


@pytest.fixture(autouse=True)
def text_log() -> Iterator[None]:
    logging_setup.set_up(logging_setup.Format.text, 0)
    yield
    logging_setup.set_up(logging_setup.Format.text, 0)


def leaves() -> Iterator[str]:
    """Yield the name of each command, with its subcommand if it has subcommands."""
    for command in COMMANDS:
        imported = command.load()
        if not isinstance(imported, typer.Typer):
            yield command.name
            continue
        for registered in imported.registered_commands:
            function: Callable[..., Any] | None = registered.callback
            assert function is not None
            yield f"{command.name} {registered.name or function.__name__}"


def is_printable(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def forged(text: str) -> list[str]:
    """Return the output lines that a hostile text has forged."""
    return [line for line in text.split("\n") if line.startswith("node2 healthy")]


def test_every_command_has_a_row() -> None:
    assert sorted(ROWS) == sorted(leaves())


@pytest.mark.parametrize("words", ROWS)
def test_no_output_of_a_command_controls_a_terminal(
    words: str, denodo_ha: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(**_: object) -> Answer:
        return error("ValidationError", HOSTILE)

    handlers = [*botocore.handlers.BUILTIN_HANDLERS, ("before-call", reject)]
    monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)
    assembly = tmp_path / "cdk.out"
    assembly.mkdir()
    (assembly / "t.json").write_text(json.dumps(TEMPLATE))
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "t.json"}}
    manifest = {"artifacts": {f"stack{HOSTILE}": stack}}
    (assembly / "manifest.json").write_text(json.dumps(manifest))
    paths = {"hostile": "/nowhere/\x1b[2J\n\u202e", "assembly": str(assembly)}
    outputs = ""
    for arguments in ROWS[words]:
        done = denodo_ha(*words.split(), *(each.format(**paths) for each in arguments))
        assert done.output.strip(), arguments
        assert is_printable(done.stdout), (arguments, done.stdout)
        assert is_printable(done.stderr), (arguments, done.stderr)
        assert forged(done.output) == [], (arguments, done.output)
        if "json" in arguments and done.stdout:
            json.loads(done.stdout)
        outputs += done.output
    assert r"\x1b[2J" in outputs


def written(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


class TestGates:
    """All functions that write texts to a terminal."""

    def test_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_table(["A"], [[HOSTILE], [output.styled(HOSTILE)]], title=HOSTILE)
        text = written(capsys)
        assert is_printable(text)
        assert len(text.splitlines()) == 4
        assert text.splitlines()[0] == ESCAPED

    def test_lines_and_messages(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_line(HOSTILE)
        output.print_message(HOSTILE)
        assert written(capsys) == f"{ESCAPED}\n{ESCAPED}\n"

    def test_markdown(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_markdown(["A"], [[f"{HOSTILE}\\| forged | <img>"]])
        text = written(capsys)
        assert is_printable(text)
        assert len(text.splitlines()) == 3
        assert text.endswith("\\\\x00\\\\\\| forged \\| &lt;img> |\n")

    def test_progress(self, capsys: pytest.CaptureFixture[str]) -> None:
        progress = Progress()
        with progress.step(HOSTILE) as step:
            step.update(HOSTILE)
        progress.say(HOSTILE)
        assert written(capsys).splitlines() == [ESCAPED, f"{ESCAPED}: {ESCAPED}", ESCAPED]

    def test_progress_on_a_terminal(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        with Progress().step("draining") as step:
            step.update(HOSTILE)
        text = written(capsys)
        assert "\x1b[2J\x1b]0" not in text
        assert "\u202e" not in text

    def test_log(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = logging.getLogger("denodo_ha.sample")
        log.warning(HOSTILE, extra={"node": HOSTILE})
        log.error("failed", exc_info=Failed(HOSTILE))
        text = written(capsys)
        assert is_printable(text)
        assert forged(text) == []
        assert f"{ESCAPED} (node={ESCAPED})\n" in text

    @pytest.mark.parametrize(
        "raised",
        [
            Failed(HOSTILE),
            ValueError(HOSTILE),
            ConfigError([Problem(("a",), "what", "why", "instead", file=HOSTILE)] * 2),
        ],
    )
    def test_errors(self, raised: Exception, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(typer.Exit):
            main.exit_with_error(raised)
        text = written(capsys)
        assert is_printable(text)
        assert len(text.splitlines()) == (2 if isinstance(raised, ConfigError) else 1)
        assert ESCAPED in text

    def test_report_of_the_drill(self) -> None:
        row = OutcomeRow((HOSTILE.replace("\n", ""),) * 5, is_severe=True)
        assert is_printable(markdown_report(Report(HOSTILE, [row], notes=[HOSTILE])))

    def test_json_keeps_the_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        output.print_json({"why": HOSTILE})
        text = written(capsys)
        assert is_printable(text)
        assert json.loads(text) == {"why": HOSTILE}


def test_words_of_haproxy(capsys: pytest.CaptureFixture[str]) -> None:
    commands.report(HOSTILE)
    assert written(capsys) == f"{ESCAPED}\n"


@pytest.mark.slow
def test_no_other_module_writes_to_a_terminal() -> None:
    writers = {
        str(file.relative_to(ROOT / "denodo_ha"))
        for file in (ROOT / "denodo_ha").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"echo", "secho", "print", "Console"}
    }
    # `status --watch` writes to the terminal itself, to clear it.
    assert {name for name in writers if not name.startswith("cli/")} == {"status/command.py"}
