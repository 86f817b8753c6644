"""The five things that `make local` prints are commands that work when they are pasted."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.assembly import ROOT
from tools.local_aws.paths import Paths

_TIMEOUT_S = 900
_CONFIG = "active-passive"

_MAKE = """\
#!/bin/sh
# `make local-VERB`, for a local AWS in a folder of the test.
while [ $# -gt 0 ]; do
    case "$1" in
        local-*) verb=${{1#local-}} ;;
        NAME=*) name=${{1#NAME=}} ;;
        NODE=*) node=${{1#NODE=}} ;;
        DO=*) action=${{1#DO=}} ;;
    esac
    shift
done
exec {python} -m tools.local_aws "$verb" --folder {folder} --config {config} \\
    --name "$name" --node "$node" --do "$action"
"""


def _commands(output: str) -> list[str]:
    """Return the numbered commands at the end of the output of `make local`."""
    _, _, end = output.partition("What to try next:")
    return re.findall(r"^  \d\. .*\n     (.*)$", end, re.MULTILINE)


@pytest.mark.long
def test_the_five_things_work(paths: Paths, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    make = folder / "make"
    make.write_text(_MAKE.format(python=sys.executable, folder=paths.folder, config=_CONFIG))
    make.chmod(0o755)
    arguments = ["--folder", str(paths.folder), "--config", _CONFIG]
    first = subprocess.run(
        [sys.executable, "-m", "tools.local_aws", "up", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert first.returncode == 0, first.stdout + first.stderr
    commands = _commands(first.stdout)
    assert len(commands) == 5
    environment, enable, connect, lose, move = commands
    # One shell, as a user pastes them; a client connects after each step.
    script = "\n".join(
        [
            "set -e",
            environment,
            enable,
            f'echo "client: $({connect})"',
            lose,
            f'echo "client: $({connect})"',
            move,
            f'echo "client: $({connect})"',
        ]
    )
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = re.findall(r"^client: (i-\w+)$", done.stdout, re.MULTILINE)
    assert len(answers) == 3
    lost = re.search(r"^active/node1 \((i-\w+)\): the machine is gone", done.stdout, re.MULTILINE)
    assert lost is not None
    assert lost[1] not in answers[1:]
    assert answers[2] not in answers[:2]
