"""Test of the tutorial, followed literally in a fresh clone, and of the site that it deploys.

The tests depend on each other and run in this order: the last one takes everything down.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from tests.support.assembly import ROOT
from tests.support.fresh_clone import Shell, make_clone
from tools.local_aws.emulator import clock

pytestmark = pytest.mark.long

TUTORIAL = ROOT / "docs/tutorial.md"
LAST = "## 8. Take it down"
CODES = {
    "denodo-ha status -c lab --no-ask": {exit_codes.NO},
    "denodo-ha failover status -c lab": {exit_codes.DONE, exit_codes.NO},
    "denodo-ha replace node2 --cluster active -c lab": {exit_codes.FAILED},
}
"""Exit codes of commands of the tutorial that may end with another code than 0."""
PACE = 20
"""Speed of the local AWS: seconds of its time in a real second. It is twice the speed that `make
local` has, since a drain waits for the deregistration delay and a failover for a minute of the
switch. At a higher speed, health checks would need too much CPU time."""
REPEATS = 8
"""Maximum number of repetitions of a command that ends because AWS did not answer in time. The
tutorial tells readers to repeat such a command; on a slow machine this happens often, since time
limits do not depend on the machine."""


class Lab:
    """Clone of the repository in which the tutorial is followed, and a shell in this folder.

    Attributes:
        clone: the folder of the clone.
        shell: the shell.
        printed: the output of the last `make local`.
    """

    def __init__(self, clone: Path, shell: Shell) -> None:
        self.clone, self.shell, self.printed = clone, shell, ""

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, again if AWS did not answer in time, and return its status and output."""
        for _ in range(REPEATS):
            status, output = self.shell.run(command)
            if status != exit_codes.AWS:
                break
        if command.startswith("make local "):
            self.printed = output
        return status, output

    def must(self, command: str) -> str:
        """Run a command, which must succeed, and return its output."""
        status, output = self.run(command)
        assert status == 0, (command, output[-4000:])
        return output

    def follow(self, text: str) -> int:
        """Run the commands in a part of the tutorial, check their outputs, return their number."""
        count = 0
        for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if kind == "diff":
                _apply(self.shell, block)
                continue
            for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = step.partition("\n")
                status, output = self.run(command)
                assert status in CODES.get(command, {exit_codes.DONE}), (command, output[-4000:])
                message = (command, expected, output[-4000:])
                assert re.fullmatch(_pattern(expected), output), message
                count += 1
        return count


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    clone = make_clone(tmp_path_factory.mktemp("clone"))
    try:
        with Shell(clone, tmp_path_factory.mktemp("home")) as shell:
            lab = Lab(clone, shell)
            lab.must(f"export {clock.VARIABLE}={PACE}")
            yield lab
    finally:
        # Stop the local AWS, which is still running if a test has failed.
        subprocess.run(
            [clone / ".venv/bin/python", "-m", "tools.local_aws", "stop"],
            cwd=clone,
            capture_output=True,
            timeout=600,
            check=False,
        )


def test_every_command_of_the_tutorial(lab: Lab) -> None:
    steps, last, _ = TUTORIAL.read_text(encoding="utf-8").partition(LAST)
    assert last
    assert lab.follow(steps) > 20


def test_the_five_things_that_make_local_prints(lab: Lab) -> None:
    """The commands that `make local` prints work, and a client can connect after each command."""
    _, _, end = lab.printed.partition("What to try next:")
    commands = re.findall(r"^  \d\. .*\n     (.*)$", end, re.MULTILINE)
    assert len(commands) == 5
    environment, enable, connect, lose, move = commands
    lab.must(environment)
    lab.must(enable)
    answers = [_instance(lab.must(connect))]
    lost = re.search(
        r"^active/node1 \((i-\w+)\): all programs of the node are", lab.must(lose), re.MULTILINE
    )
    assert lost is not None
    answers.append(_instance(lab.must(connect)))
    lab.must(move)
    answers.append(_instance(lab.must(connect)))
    assert lost[1] not in answers[1:]
    assert answers[2] not in answers[:2]


def _instance(output: str) -> str:
    """Return the id of the instance to which a client is connected, from the client's output."""
    found: list[str] = re.findall(r"^(i-\w+)$", output, re.MULTILINE)
    assert len(found) == 1, output
    return found[0]


def test_everything_is_taken_down(lab: Lab) -> None:
    _, _, end = TUTORIAL.read_text(encoding="utf-8").partition(LAST)
    assert lab.follow(end) == 1


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
