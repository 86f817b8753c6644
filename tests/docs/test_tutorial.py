"""The tutorial, followed literally in a fresh clone on the local AWS."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from tests.support.assembly import ROOT
from tests.support.fresh_clone import Shell, make_clone

pytestmark = pytest.mark.long

TUTORIAL = ROOT / "docs/tutorial.md"
CODES = {
    "denodo-ha status -c lab --no-ask": {exit_codes.NO},
    "denodo-ha failover status -c lab": {exit_codes.DONE, exit_codes.NO},
    "denodo-ha replace node2 --cluster active -c lab": {exit_codes.FAILED},
}
"""Exit codes of the commands that do not end with 0 alone."""
REPEATS = 8
"""Most repetitions of a command that ends because AWS did not answer in time, as the tutorial says:
the time limits of commands do not grow on a slow machine."""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    clone = make_clone(tmp_path_factory.mktemp("clone"))
    try:
        with Shell(clone, tmp_path_factory.mktemp("home")) as shell:
            yield shell
    finally:
        # Ends the local AWS if a step has failed; after the last step it is stopped already.
        subprocess.run(
            [clone / ".venv/bin/python", "-m", "tools.local_aws", "stop"],
            cwd=clone,
            capture_output=True,
            timeout=600,
            check=False,
        )


def test_every_command_of_the_tutorial(shell: Shell) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    count = 0
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if kind == "diff":
            _apply(shell, block)
            continue
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = step.partition("\n")
            for _ in range(REPEATS):
                status, output = shell.run(command)
                if status != exit_codes.AWS:
                    break
            assert status in CODES.get(command, {exit_codes.DONE}), (command, output[-4000:])
            assert re.fullmatch(_pattern(expected), output), (command, expected, output[-4000:])
            count += 1
    assert count > 20


def _apply(shell: Shell, difference: str) -> None:
    """Make the change that a reader makes by hand: lines with + come after the line before them."""
    _, _, body = difference.partition("@@ @@\n")
    before, added = [line[1:] for line in body.splitlines()]
    name = difference.splitlines()[0].removeprefix("--- a/")
    status, folder = shell.run("pwd")
    assert status == 0
    file = Path(folder.strip()) / name
    text = file.read_text(encoding="utf-8")
    assert text.count(f"{before}\n") == 1
    file.write_text(text.replace(f"{before}\n", f"{before}\n{added}\n"), encoding="utf-8")


def _pattern(expected: str) -> str:
    """Return a regular expression of an output, in which `…` stands for any text."""
    parts = []
    for line in expected.splitlines():
        if line == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*".join(map(re.escape, line.split("…"))) + r"[ \t]*\n")
    return "".join(parts)
