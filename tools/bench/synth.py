"""Measure the synth of a configuration beside that of a minimal CDK app.

    .venv/bin/python -m tools.bench.synth --config active-passive --runs 5

Nothing is asserted: compare the ratios, which depend on the machine least.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bench.process import ROOT, BenchError, Run, by_turns, median, run
from tools.bench.stages import Stages

LAUNCHER = str(ROOT / "tools" / "app")
CDK = str(ROOT / "tools" / "cdk-offline")
MINIMAL = "tools/bench/minimal_app.py"


@dataclass(frozen=True)
class Synth:
    """Ways to synthesise a configuration into a folder."""

    config: str
    out: Path

    def app(self, *script: str, **extra: str) -> Run:
        """By tools/app, with what the CDK CLI gives it."""
        context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
        context |= {
            "config": self.config,
            "aws:cdk:enable-path-metadata": True,
            "aws:cdk:enable-asset-metadata": True,
        }
        given = {"CDK_OUTDIR": str(self.out), "CDK_CONTEXT_JSON": json.dumps(context)}
        return run([LAUNCHER, *script], given | extra)

    def cli(self, *more: str) -> Run:
        """By the CDK CLI."""
        chosen = ["-c", f"config={self.config}", "--output", str(self.out)]
        return run([CDK, "synth", "--quiet", *chosen, *more], {})

    def stages(self, **extra: str) -> Run:
        """By tools/app, with its stages timed."""
        return self.app("tools/bench/timed_app.py", PYTHONPROFILEIMPORTTIME="1", **extra)


def row(name: str, runs: Sequence[Run]) -> str:
    """A line with the median, least and most of the runs."""
    kinds = ([run.wall for run in runs], [run.cpu for run in runs])
    middles = (median(runs, lambda run: run.wall), median(runs, lambda run: run.cpu))
    cells = (
        f"{middle:8.2f}{min(kind):8.2f}{max(kind):8.2f}"
        for middle, kind in zip(middles, kinds, strict=True)
    )
    return f"{name:32}{''.join(cells)}"


def beside(name: str, ours: Sequence[Run], minimal: Sequence[Run]) -> Iterator[str]:
    """Lines for ours, the minimal app's and their ratio."""
    yield row(name, ours)
    yield row("  the minimal app", minimal)
    wall = median(ours, lambda run: run.wall) / median(minimal, lambda run: run.wall)
    cpu = median(ours, lambda run: run.cpu) / median(minimal, lambda run: run.cpu)
    yield f"{'  ratio':32}{wall:8.2f}{'':16}{cpu:8.2f}"


def report(synth: Synth, times: int) -> Iterator[str]:
    """Measure, and give the lines of the tables."""
    yield f"Synth of {synth.config}: seconds of {times} runs after a warm-up"
    yield f"({platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()})"
    yield ""
    yield f"{'':32}{'wall':>8}{'':16}{'cpu':>8}"
    yield f"{'':32}" + 2 * f"{'median':>8}{'min':>8}{'max':>8}"
    yield from beside("app.py", *by_turns(times, synth.app, lambda: synth.app(MINIMAL)))
    yield from beside(
        "cdk synth",
        *by_turns(times, synth.cli, lambda: synth.cli("--app", f"{LAUNCHER} {MINIMAL}")),
    )
    yield ""
    yield f"{'Where app.py spends it':32}{'wall':>8}"
    checked, unchecked = by_turns(times, synth.stages, lambda: synth.stages(CDK_VALIDATION="false"))
    yield from Stages.of(checked).rows(Stages.of(unchecked))


def main() -> int:
    """Print the tables; the exit status is 1 only if something does not run."""
    parser = argparse.ArgumentParser(description="Measure the synth of a configuration.")
    parser.add_argument("--config", default="active-passive", help="path or name")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each process")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="denodo-ha-bench-") as out:
            for line in report(Synth(arguments.config, Path(out)), arguments.runs):
                print(line, flush=True)
    except BenchError as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
