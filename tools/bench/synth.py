"""Benchmark of `cdk synth`: compared with a minimal CDK app, and by the number of clusters.

    .venv/bin/python -m tools.bench.synth --config active-passive --runs 5

The program asserts nothing. Ratios and growth depend less on the machine than seconds do.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tools.bench.process import ROOT, BenchError, Run, by_turns, median, run
from tools.bench.stages import Stages

LAUNCHER = str(ROOT / "tools" / "app")
CDK = str(ROOT / "tools" / "cdk-offline")
MINIMAL = "tools/bench/minimal_app.py"

CLUSTER_COUNTS = (1, 10, 20, 50, 100)
GROWTH_RUNS = 3
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2")


@dataclass(frozen=True)
class Synth:
    """Commands that synthesise a configuration into a folder.

    Attributes:
        config: name or path of the configuration.
        out: folder of the cloud assembly.
    """

    config: str
    out: Path

    def app(self, *script: str, **variables: str) -> Run:
        """Run app.py with the context and the variables that the CDK CLI sets."""
        context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
        context |= {
            "config": self.config,
            "aws:cdk:enable-path-metadata": True,
            "aws:cdk:enable-asset-metadata": True,
        }
        environ = {"CDK_OUTDIR": str(self.out), "CDK_CONTEXT_JSON": json.dumps(context)}
        return run([LAUNCHER, *script], environ | variables)

    def cli(self, *options: str) -> Run:
        """Run `cdk synth`."""
        arguments = ["-c", f"config={self.config}", "--output", str(self.out)]
        return run([CDK, "synth", "--quiet", *arguments, *options], {})

    def stages(self, **variables: str) -> Run:
        """Run app.py and measure the time of its stages."""
        return self.app("tools/bench/timed_app.py", PYTHONPROFILEIMPORTTIME="1", **variables)


def environment_of(clusters: int) -> dict[str, Any]:
    """Return a configuration with `clusters` clusters, each with three nodes."""
    return {
        "name": "growth",
        "denodo": {"version": "8.0"},
        "clusters": {
            f"c{number}": _cluster(number, REGIONS[number % len(REGIONS)])
            for number in range(clusters)
        },
    }


def _cluster(number: int, region: str) -> dict[str, Any]:
    zones = [f"{region}{letter}" for letter in "abc"]
    return {
        "account": "111122223333",
        "region": region,
        "network": {"cidr": f"10.{number}.0.0/16", "zones": zones},
        "instance": {"type": "m5.xlarge", "image": "ami-0123456789abcdef0"},
        "nodes": {f"node{index}": {"zone": zone} for index, zone in enumerate(zones, 1)},
        "balancer": {"kind": "nlb", "clients": ["10.0.0.0/8"]},
    }


def table_row(name: str, runs: Sequence[Run]) -> str:
    """Return a line of the table: median, minimum and maximum of the runs' wall and CPU seconds."""
    seconds = ([run.wall for run in runs], [run.cpu for run in runs])
    medians = (median(runs, lambda run: run.wall), median(runs, lambda run: run.cpu))
    cells = (
        f"{middle:8.2f}{min(values):8.2f}{max(values):8.2f}"
        for middle, values in zip(medians, seconds, strict=True)
    )
    return f"{name:32}{''.join(cells)}"


def comparison(name: str, ours: Sequence[Run], minimal: Sequence[Run]) -> Iterator[str]:
    """Yield table lines for this project's app, the minimal app, and the ratio of the two."""
    yield table_row(name, ours)
    yield table_row("  the minimal app", minimal)
    wall = median(ours, lambda run: run.wall) / median(minimal, lambda run: run.wall)
    cpu = median(ours, lambda run: run.cpu) / median(minimal, lambda run: run.cpu)
    yield f"{'  ratio':32}{wall:8.2f}{'':16}{cpu:8.2f}"


def growth(synth: Synth, counts: Sequence[int], times: int) -> Iterator[str]:
    """Measure runs with a growing number of clusters; yield the lines of a table."""
    yield f"Growth: seconds of app.py with clusters of three nodes, median of {times} runs"
    yield f"{'clusters':>8}{'wall':>8}{'cpu':>8}{'cpu per further cluster':>25}"
    first: tuple[int, float] | None = None
    for count in counts:
        file = synth.out.with_suffix(".yaml")
        file.write_text(json.dumps(environment_of(count)))
        sized = replace(synth, config=str(file))
        runs = [sized.app() for _ in range(times)]
        cpu = median(runs, lambda run: run.cpu)
        first = first or (count, cpu)
        slope = f"{(cpu - first[1]) / (count - first[0]):25.3f}" if count > first[0] else ""
        yield f"{count:8}{median(runs, lambda run: run.wall):8.1f}{cpu:8.1f}{slope}"


def report(synth: Synth, times: int, counts: Sequence[int]) -> Iterator[str]:
    """Make all measurements; yield the lines of the tables."""
    yield f"Synth of {synth.config}: seconds of {times} runs after a warm-up"
    yield f"({platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()})"
    yield ""
    yield f"{'':32}{'wall':>8}{'':16}{'cpu':>8}"
    yield f"{'':32}" + 2 * f"{'median':>8}{'min':>8}{'max':>8}"
    yield from comparison("app.py", *by_turns(times, synth.app, lambda: synth.app(MINIMAL)))
    yield from comparison(
        "cdk synth",
        *by_turns(times, synth.cli, lambda: synth.cli("--app", f"{LAUNCHER} {MINIMAL}")),
    )
    yield ""
    yield f"{'Stages of app.py':32}{'wall':>8}"
    checked, unchecked = by_turns(times, synth.stages, lambda: synth.stages(CDK_VALIDATION="false"))
    yield from Stages.of(checked).rows(Stages.of(unchecked))
    yield ""
    yield from growth(synth, counts, min(times, GROWTH_RUNS))


def main() -> int:
    """Print the tables of the benchmark; return 1 if a process fails."""
    parser = argparse.ArgumentParser(description="Measure `cdk synth` of a configuration.")
    parser.add_argument(
        "--config", default="active-passive", help="path or name of the configuration"
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="number of measured runs of each process"
    )
    parser.add_argument(
        "--clusters",
        type=int,
        nargs="*",
        default=CLUSTER_COUNTS,
        help="numbers of clusters, one for each row of the growth table",
    )
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="denodo-ha-bench-") as folder:
            synth = Synth(arguments.config, Path(folder) / "out")
            for line in report(synth, arguments.runs, arguments.clusters):
                print(line, flush=True)
    except BenchError as error:
        print(f"make bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
