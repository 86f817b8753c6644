"""The exit code of the process depends neither on its streams nor on when a signal arrives."""

import json
import os
import signal
import subprocess
import sys

import pytest

from denodo_ha.cli import exit_codes, process
from denodo_ha.cli.commands import COMMANDS
from tests.support.assembly import ROOT

pytestmark = pytest.mark.slow

CODES = {
    "--help": exit_codes.DONE,
    "--nonsense": exit_codes.USAGE,
    "states": exit_codes.DOWN,
    "document": exit_codes.DONE,
    "fails": exit_codes.FAILED,
    "broken": exit_codes.FAILED,
    "killed": exit_codes.INTERRUPTED,
}

SIGNALLED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {number})

# A shell starts jobs in the background with SIGINT ignored, which a program keeps.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["denodo-ha", "nodes", "-c", "active-passive"]
from denodo_ha.__main__ import main
sys.meta_path.insert(0, Finder())
main()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_exit_code_depends_on_no_stream() -> None:
    done = run("-m", "tests.commands.cli.stream_runs")
    assert done.returncode == 0, done.stderr
    commands = set()
    differences = []
    results = json.loads(done.stdout)
    for stream, descriptors, arguments, code in results["runs"]:
        commands.add(arguments[0])
        expected = CODES[arguments[-1]]
        if (arguments[-1], stream) == ("document", "full") and 1 in descriptors:
            # The full device truncates the command's only output, so the command fails.
            expected = exit_codes.FAILED
        if code != expected:
            differences.append((stream, descriptors, arguments, code))
    assert differences == []
    assert commands >= {command.name for command in COMMANDS}
    # Each command and subcommand is run with arguments that make it fail.
    assert len(results["failing"]) > len(COMMANDS)
    for arguments, expected, code in results["failing"]:
        assert code == expected != exit_codes.DONE, arguments


@pytest.mark.parametrize(
    ("number", "module"),
    [
        (signal.SIGINT, "typer"),
        (signal.SIGHUP, "denodo_ha.cli.main"),
        (signal.SIGTERM, "denodo_ha.status.node_table"),
    ],
)
def test_a_signal_during_imports_is_an_interruption(number: int, module: str) -> None:
    done = run("-c", SIGNALLED.format(module=module, number=int(number)))
    assert (done.returncode, done.stdout, done.stderr) == (
        exit_codes.INTERRUPTED,
        "",
        "denodo-ha: interrupted\n",
    )


def test_a_full_disk_is_reported() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "denodo_ha", "--version"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == exit_codes.DONE
    assert done.stderr == "denodo-ha: the output is incomplete: No space left on device\n"


def test_a_stream_that_a_child_made_non_blocking_gets_everything() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = 20_000
    code = f"print('x' * 99 + chr(10) * 1, end='') or [print('x' * 99) for _ in range({lines - 1})]"
    script = f"from denodo_ha.cli import process; process.run(lambda: lambda: exec({code!r}))"
    with (
        subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=writer) as writing,
        os.fdopen(reader, "rb") as pipe,
    ):
        os.close(writer)
        assert len(pipe.read()) == lines * 100
        assert writing.wait(300) == 0


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    script = (
        "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "from denodo_ha.cli import process; "
        "process.run(lambda: lambda: os.kill(os.getpid(), signal.SIGHUP))"
    )
    assert run("-c", script).returncode == exit_codes.DONE


def test_outside_a_process_of_its_own_no_output_is_lost() -> None:
    assert process.stdout_error() is None


def test_a_second_signal_ends_at_once_with_what_stands() -> None:
    script = """
import os, signal, time
from denodo_ha.cli import process

def program():
    process.set_state_left("node1 may be out of jdbc")
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)

process.run(lambda: program)
"""
    done = run("-c", script)
    assert (done.returncode, done.stdout) == (exit_codes.INTERRUPTED, "")
    assert done.stderr == (
        "denodo-ha: interrupted again, so the command undoes nothing more: "
        "node1 may be out of jdbc\n"
    )
