"""Measure how the drill's run time grows with the number of clusters.

    .venv/bin/python -m tools.bench.drill --clusters 50

The clusters are copies of one synthesised example, each with its own name; each pair of clusters
has a failover name. The program asserts nothing: compare the rows, which show how the time grows.
The seconds are CPU time.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.drill.drill_run import drill_model
from denodo_ha.drill.json_report import drill_report
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.reading.model_builder import build_model
from tools.bench.process import ROOT, BenchError, run

CDK = str(ROOT / "tools" / "cdk-offline")


def cluster_stack(config: str) -> SynthesisedStack:
    """Synthesise an example configuration, and return the stack of the first cluster."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        run([CDK, "synth", "--quiet", "-c", f"config={config}", "--output", str(out)], {})
        return read_stacks([out])[0]


def copies(stack: SynthesisedStack, count: int) -> tuple[SynthesisedStack, ...]:
    """Return copies of a cluster's stack, and the stack of a failover name for each two copies."""
    clusters = [
        SynthesisedStack(f"copy{number}", f"region{number % 4}", "", stack.template)
        for number in range(count)
    ]
    pairs = zip(clusters[::2], clusters[1::2], strict=False)
    names = [
        SynthesisedStack(f"name{number}", "", "", _failover_name(number, *pair))
        for number, pair in enumerate(pairs)
    ]
    return (*clusters, *names)


def _failover_name(
    number: int, primary: SynthesisedStack, secondary: SynthesisedStack
) -> dict[str, Any]:
    """Return the template of a failover name.

    AWS does not document how an alias evaluates target groups such as those of these clusters, so
    the drill simulates each failure with both possible results.
    """
    return {
        "Resources": {
            "PRIMARY": _record(number, "PRIMARY", primary),
            "SECONDARY": _record(number, "SECONDARY", secondary),
        }
    }


def _record(number: int, role: str, stack: SynthesisedStack) -> dict[str, Any]:
    output = {"StackName": stack.name, "OutputName": "BalancerDnsName"}
    target = {"DNSName": {"Fn::GetStackOutput": output}, "EvaluateTargetHealth": True}
    name = {"Name": f"site{number}.example.com", "Type": "A", "Failover": role}
    return {"Type": "AWS::Route53::RecordSet", "Properties": {**name, "AliasTarget": target}}


def rows(stack: SynthesisedStack, most: int) -> Iterator[str]:
    """Yield the table: a heading, and rows for 1/8, 1/4, 1/2 and all of `most` clusters."""
    yield f"{'clusters':>8}{'nodes':>7}{'failures':>10}{'read s':>9}{'play s':>9}{'report s':>9}"
    for number in (most // 8, most // 4, most // 2, most):
        start = time.process_time()
        model = build_model(copies(stack, number))
        read = time.process_time()
        result = drill_model(model)
        played = time.process_time()
        verdicts = apply_policies(result, max_recovery=None, min_secondary=1)
        json.dumps(drill_report(result, verdicts))
        reported = time.process_time()
        times = (read - start, played - read, reported - played)
        seconds = "".join(f"{time:9.2f}" for time in times)
        yield f"{number:8}{len(model.machines):7}{len(result.outcomes):10}{seconds}"


def main() -> None:
    """Print the rows of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="large", help="name of the example to copy")
    parser.add_argument("--clusters", type=int, default=50, help="largest number of copies")
    arguments = parser.parse_args()
    try:
        for line in rows(cluster_stack(arguments.config), arguments.clusters):
            print(line, flush=True)
    except BenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
