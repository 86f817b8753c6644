"""Run Spin on a program; the result says which properties hold."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.drill.second_model.promela_model import PROPERTIES, PromelaProgram

_TIMEOUT_S = 300
_MOST_STEPS = 5_000_000


@dataclass(frozen=True)
class SpinResult:
    """The result of a search.

    Attributes:
        broken: the properties that do not hold in some state.
        states: the number of states for one combination of undocumented behaviour, without the
            state before the start. A search visits all states only if every property holds.
    """

    broken: frozenset[str]
    states: int


def search(program: PromelaProgram, folder: Path) -> SpinResult:
    """Let Spin search all states of a program for each property, and return the result."""
    (folder / "model.pml").write_text(program.text)
    _run(folder, "spin", "-a", "model.pml")
    _run(folder, "gcc", "-O0", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
    broken = set()
    states = 0
    for name, formula in PROPERTIES.items():
        report = _run(folder, "./pan", "-N", formula, f"-m{_MOST_STEPS}")
        if _number(r"errors: (\d+)", report):
            broken.add(name)
        states = _number(r"(\d+) states, stored", report)
    return SpinResult(frozenset(broken), (states - 1) // program.interpretations)


def _run(folder: Path, *command: str) -> str:
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, f"{command}: {output}"
    assert "max search depth too small" not in output
    return output


def _number(pattern: str, report: str) -> int:
    found = re.search(pattern, report)
    assert found, report
    return int(found[1])
