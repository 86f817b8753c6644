"""Broken streams do not change a host program's exit code, and signals leave no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hosts.common.errors import CRASH
from hosts.denodo import log
from tests.support.assembly import ROOT
from tests.support.waiting import read_until, until

_PROGRAM = """
import sys, time
from hosts.common import program
def main():
    program.write(sys.stdout, "output " * 20000 + "\\n")
    if sys.argv[1] == "wait":
        print("waiting", flush=True)
        time.sleep(300)
    if sys.argv[1] == "crash":
        raise RecursionError("a fault")
    if sys.argv[1] == "file":
        return open("/dev/null").fileno() > 2
    return int(sys.argv[1])
sys.exit(program.run(main))
"""


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", _PROGRAM, *arguments]


@pytest.mark.parametrize("redirection", ["", ">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full", "| true"])
@pytest.mark.parametrize(("does", "code"), [("0", 0), ("9", 9), ("crash", CRASH), ("file", 1)])
def test_streams_do_not_change_the_exit_code(redirection: str, does: str, code: int) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", f'set -o pipefail; "$@" {redirection}', "-", *_command(does)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done
    assert (b"Traceback" in done.stderr) == (does == "crash" and "2>&-" not in redirection)


def test_foreign_words_control_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Denodo's output can neither control a terminal nor set the priority of a journal entry."""
    words = "caf\u00e9 \x1b[2J\u202e\x9b\udcff\rforged\n<0>forged"
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    log.warning(words)
    escaped = "caf\u00e9 \\x1b[2J\\u202e\\x9b\\udcff\nforged\n<0>forged\n"
    assert capsys.readouterr().out == escaped
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    log.error(words)
    assert [line[:3] for line in capsys.readouterr().out.splitlines()] == ["<3>"] * 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_with_its_code(number: signal.Signals) -> None:
    with subprocess.Popen(
        _command("wait"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        read_until(process.stdout, "waiting")
        process.send_signal(number)
        _output, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert errors == f"interrupted by {number.name}\n"


def test_a_signal_in_the_first_second_leaves_no_traceback(tmp_path: Path) -> None:
    """The signal arrives while the program imports its modules."""
    started = tmp_path / "started"
    hook = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(300)\n"
    (tmp_path / "argparse.py").write_text(hook)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, "-m", "hosts.denodo", "status"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
    ) as process:
        until(started.exists)
        process.send_signal(signal.SIGINT)
        _output, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGINT
    assert errors == b""
