"""Command line: help, exit codes, and errors shown as a message without a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from denodo_ha.cli import commands, exit_codes
from tests.commands.account.cloud import Cloud
from tests.commands.cli.sample_commands import SAMPLE
from tests.commands.conftest import Run
from tests.support.assembly import ROOT

PROGRAM = (
    "from denodo_ha.__main__ import main; "
    "from denodo_ha.cli import commands as registry; "
    "from tests.commands.cli.sample_commands import SAMPLE; "
    "registry.COMMANDS = SAMPLE; main()"
)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a process, with the sample commands."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_command_has_help_with_an_example(denodo_ha: Run) -> None:
    for command in commands.COMMANDS:
        shown = denodo_ha(command.name, "--help")
        assert shown.exit_code == exit_codes.DONE, command.name
        # The usage line has the command's name once, and the example has the name again.
        assert shown.stdout.count(f"denodo-ha {command.name}") > 1, command.name


def test_the_programs_help_has_the_first_sentence_of_every_commands_help(denodo_ha: Run) -> None:
    shown = denodo_ha("--help", env={"COLUMNS": "200"})
    assert shown.exit_code == exit_codes.DONE
    for command in commands.COMMANDS:
        imported = command.load()
        text = imported.info.help if isinstance(imported, typer.Typer) else imported.__doc__
        assert command.help == " ".join(str(text).split("\n\n")[0].split())
        assert f" {command.name} " in shown.stdout
        assert command.help in shown.stdout


def test_help_lists_exit_codes(denodo_ha: Run) -> None:
    shown = denodo_ha("--help")
    documented = [line.split("|")[0].strip() for line in str(exit_codes.__doc__).split("\n| ")[2:]]
    for code in documented:
        assert f" {code} " in shown.stdout, code


def test_documented_codes_are_the_codes() -> None:
    values = sorted(value for name, value in vars(exit_codes).items() if name.isupper())
    table = [
        line.split("|")[1].strip() for line in str(exit_codes.__doc__).splitlines() if "| " in line
    ]
    assert table == ["code", *(str(value) for value in values)]


def test_version_is_the_projects(denodo_ha: Run) -> None:
    assert denodo_ha("--version").stdout == "denodo-ha 0.1.0\n"


def test_nothing_asked_shows_help_and_is_wrong_usage(denodo_ha: Run) -> None:
    shown = denodo_ha(commands=SAMPLE)
    assert shown.exit_code == exit_codes.USAGE
    assert "Usage: " in shown.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fails"], exit_codes.FAILED, "denodo-ha: node1 is out of jdbc, and in odbc\n"),
        (["below", "deep"], exit_codes.REFUSED, "denodo-ha: node2 is the last one that serves\n"),
        (
            ["misconfigured"],
            exit_codes.USAGE,
            "a.yaml:1:1: name: one; because; write x\na.yaml:1:1: name: two; because; write x\n",
        ),
        (["interrupted"], exit_codes.INTERRUPTED, "denodo-ha: interrupted\n"),
    ],
)
def test_an_error_is_its_message_and_its_code(
    denodo_ha: Run, arguments: list[str], code: int, said: str
) -> None:
    done = denodo_ha(*arguments, commands=SAMPLE)
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", said)


@pytest.mark.parametrize("arguments", [["nonsense"], ["where", "--nonsense"], ["-c", "x"]])
def test_wrong_usage(denodo_ha: Run, arguments: list[str]) -> None:
    done = denodo_ha(*arguments, commands=SAMPLE)
    assert done.exit_code == exit_codes.USAGE
    assert "Traceback" not in done.stderr


def test_errors_of_the_sdk_that_nobody_caught_are_translated(cloud: Cloud, denodo_ha: Run) -> None:
    cloud.faults.expire("DescribeInstances")
    done = denodo_ha("calls", commands=SAMPLE)
    assert done.exit_code == exit_codes.AWS
    assert done.stderr.startswith("denodo-ha: AWS does not accept the credentials: ")
    assert done.stderr.count("\n") == 1


class TestLog:
    """Log lines on stderr."""

    def test_warnings_only_unless_asked(self, denodo_ha: Run) -> None:
        assert denodo_ha("logs", commands=SAMPLE).stderr.split(" ", 1)[1] == "warning sample: odd\n"

    def test_more_with_every_v(self, denodo_ha: Run) -> None:
        lines = [denodo_ha(v, "logs", commands=SAMPLE).stderr.splitlines() for v in ("-v", "-vv")]
        assert [len(one) for one in lines] == [2, 3]
        assert lines[1][0].endswith(" debug sample: seen (node=node1)")

    def test_json(self, denodo_ha: Run) -> None:
        done = denodo_ha("--log-format", "json", "logs", commands=SAMPLE)
        info, warning = (json.loads(line) for line in done.stderr.splitlines())
        assert info.items() >= {"level": "info", "message": "done", "node": "node1"}.items()
        assert warning["logger"] == "denodo_ha.sample"

    def test_errors_are_json_too(self, denodo_ha: Run) -> None:
        done = denodo_ha("--log-format", "json", "fails", commands=SAMPLE)
        (line,) = [json.loads(line) for line in done.stderr.splitlines()]
        assert (line["level"], line["exit"]) == ("error", exit_codes.FAILED)

    def test_the_trace_is_there_for_who_asks(self, denodo_ha: Run) -> None:
        assert "Traceback" in denodo_ha("-vv", "fails", commands=SAMPLE).stderr


@pytest.mark.slow
class TestProcess:
    """Behaviour that can be tested only in a separate process."""

    def test_a_fault_of_ours_shows_no_traceback(self) -> None:
        done = process("broken")
        assert done.returncode == exit_codes.FAILED
        assert done.stderr == (
            "denodo-ha: internal error: ZeroDivisionError: division by zero; run the command again "
            "with -vv to see the traceback\n"
        )

    def test_a_signal_is_an_interruption(self) -> None:
        done = process("killed")
        assert (done.returncode, done.stderr) == (
            exit_codes.INTERRUPTED,
            "denodo-ha: interrupted\n",
        )

    def test_ctrl_c_waits_for_no_call(self) -> None:
        done = process("hangs")
        assert (done.returncode, done.stderr) == (
            exit_codes.INTERRUPTED,
            "denodo-ha: interrupted\n",
        )

    def test_codes_reach_the_shell(self) -> None:
        done = process("below", "deep")
        assert (done.returncode, done.stdout) == (exit_codes.REFUSED, "")

    def test_completes_names_of_configurations(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={
                **os.environ,
                "_DENODO_HA_COMPLETE": "complete_bash",
                "COMP_WORDS": "denodo-ha where -c active-p",
                "COMP_CWORD": "3",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stdout.split() == ["active-passive"]


@pytest.mark.slow
class TestImports:
    """A command's module is imported when the command runs, libraries when they are needed."""

    HEAVY = frozenset({"aws_cdk", "boto3", "botocore", "psycopg", "ruamel"})
    """Libraries that are slow to import. pydantic is left out, because typer itself uses pydantic
    to parse arguments."""

    @pytest.mark.parametrize(
        ("arguments", "words", "output"),
        [
            (["--version"], "", "denodo-ha "),
            (["--help"], "", "failover"),
            ([], "denodo-ha roll", "rollout"),
            ([], "denodo-ha status -c active-p", "active-passive"),
            ([], "denodo-ha failover to -c active-p", "active-passive"),
        ],
    )
    def test_the_start_imports_neither_commands_nor_their_libraries(
        self, arguments: list[str], words: str, output: str
    ) -> None:
        done = self._run(arguments, words)
        assert output in done.stdout
        modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "denodo_ha.cli.main" in modules
        assert {module.partition(".")[0] for module in modules} & self.HEAVY == set()
        packages = {".".join(module.split(".")[:2]) for module in modules}
        ours = {name for name in packages if name.startswith("denodo_ha.")}
        assert ours <= {"denodo_ha.__main__", "denodo_ha.cli", "denodo_ha.environment"}

    def test_the_options_of_a_command_do_not_import_the_sdk(self) -> None:
        done = self._run([], "denodo-ha status --conf")
        assert done.stdout.split() == ["--config"]
        assert "denodo_ha.status.command" in done.stderr
        modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert modules & {"boto3", "botocore.parsers", "urllib3"} == set()

    @staticmethod
    def _run(arguments: list[str], words: str) -> subprocess.CompletedProcess[str]:
        completion = {
            "_DENODO_HA_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        return subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "denodo_ha", *arguments],
            cwd=ROOT,
            env={**os.environ, "TERM": "dumb", **(completion if words else {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )


@pytest.mark.slow
class TestLauncher:
    """`tools/denodo-ha` also works through a link, such as `.venv/bin/denodo-ha`."""

    def test_runs_in_the_callers_folder_by_any_link(self, tmp_path: Path) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "one").symlink_to(ROOT / "tools/denodo-ha")
        (tmp_path / "bin/two").symlink_to("../one")
        # A module of this name would be imported if Python searched the current folder.
        (tmp_path / "typer.py").write_text("raise SystemExit('not this one')")
        done = subprocess.run(
            [tmp_path / "bin/two", "--version"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "denodo-ha 0.1.0\n")
