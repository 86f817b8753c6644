"""Measure the drill of many clusters of many nodes.

    .venv/bin/python -m tools.bench.drill --clusters 50

The clusters are copies of one synthesised example under other names; every two of them are joined
by a failover name. Nothing is asserted: compare the rows, which tell how the time grows.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.drill.drill_run import drill_model
from denodo_ha.drill.json_report import drill_report
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.reading.model_builder import build_model
from tools.bench.process import ROOT, BenchError, run

CDK = str(ROOT / "tools" / "cdk-offline")


def cluster_of(config: str) -> SynthesisedStack:
    """The first cluster's stack of an example."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        run([CDK, "synth", "--quiet", "-c", f"config={config}", "--output", str(out)], {})
        return read_stacks([out])[0]


def copies(one: SynthesisedStack, count: int) -> tuple[SynthesisedStack, ...]:
    """A cluster so many times, with a failover name for every two."""
    made = [
        SynthesisedStack(f"copy{place}", f"region{place % 4}", "", one.template)
        for place in range(count)
    ]
    pairs = zip(made[::2], made[1::2], strict=False)
    return (
        *made,
        *(
            SynthesisedStack(f"name{place}", "", "", _name(place, pair))
            for place, pair in enumerate(pairs)
        ),
    )


def _name(place: int, pair: Sequence[SynthesisedStack]) -> dict[str, Any]:
    """Alias records, which leave a point open, so that everything is played twice."""
    roles = zip(("PRIMARY", "SECONDARY"), pair, strict=True)
    return {"Resources": {role: _record(place, role, stack) for role, stack in roles}}


def _record(place: int, role: str, stack: SynthesisedStack) -> dict[str, Any]:
    output = {"StackName": stack.name, "OutputName": "BalancerDnsName"}
    target = {"DNSName": {"Fn::GetStackOutput": output}, "EvaluateTargetHealth": True}
    named = {"Name": f"site{place}.example.com", "Type": "A", "Failover": role}
    return {"Type": "AWS::Route53::RecordSet", "Properties": {**named, "AliasTarget": target}}


def rows(one: SynthesisedStack, most: int) -> Iterator[str]:
    """A line for each number of clusters, doubled until the most."""
    yield f"{'clusters':>8}{'nodes':>7}{'failures':>10}{'read s':>9}{'play s':>9}{'report s':>9}"
    for number in (most // 8, most // 4, most // 2, most):
        begun = time.perf_counter()
        model = build_model(copies(one, number))
        read = time.perf_counter()
        drilled = drill_model(model)
        played = time.perf_counter()
        verdicts = apply_policies(drilled, max_recovery=None, min_secondary=1)
        json.dumps(drill_report(drilled, verdicts))
        done = time.perf_counter()
        times = (read - begun, played - read, done - played)
        nodes = len(model.machines)
        shown = "".join(f"{seconds:9.2f}" for seconds in times)
        yield f"{number:8}{nodes:7}{len(drilled.outcomes):10}{shown}"


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="large", help="the example to copy (12 nodes)")
    parser.add_argument("--clusters", type=int, default=50, help="how many at most")
    chosen = parser.parse_args()
    try:
        for line in rows(cluster_of(chosen.config), chosen.clusters):
            print(line, flush=True)
    except BenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
