"""The cost of a synthesis grows in proportion to the number of clusters.

The tests do not measure seconds. They count the operations that take most of the time:
acknowledgements of findings, and calls to the jsii process.
"""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Validations
from jsii._kernel.providers import process

from denodo_ha.environment.loading.loader import load
from stacks import accepted_findings
from stacks.composition import compose
from stacks.file_asset import LocalFile
from tests.support.configurations import Data
from tools.bench.synth import environment_of

ONE_CLUSTER_CALLS = 285
"""Maximum number of jsii calls for one more cluster of three nodes."""


def with_failover(data: Data) -> Data:
    """Return the configuration with a failover between its first two clusters."""
    zone = {"id": "Z0123456789ABCDEFGHIJ", "name": "example.com"}
    failover = {"primary": "c0", "secondary": "c1", "zone": zone, "record": "denodo"}
    return {**data, "failover": failover}


class Calls:
    """Counts of the calls to the jsii process, and of the acknowledgements of findings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jsii, self.acknowledgements = Counter[str](), 0
        _count_calls(monkeypatch, self)

    def of(self, data: Data, folder: Path) -> tuple[int, int]:
        """Compose an environment; return the number of calls and of acknowledgements."""
        self.jsii.clear()
        self.acknowledgements = 0
        file = folder / "environment.yaml"
        file.write_text(json.dumps(data))
        archive = folder / "program.zip"
        archive.write_bytes(b"")
        app = App(outdir=str(folder / "out"), analytics_reporting=False, stack_traces=False)
        program = LocalFile(str(archive), "0" * 64)
        programs = {"node_program": program, "haproxy_program": program}
        # Leave out the findings about quotas, since they depend on the number of clusters in a
        # Region.
        loaded = replace(load(file), findings=())
        compose(app, loaded=loaded, **programs)
        return self.jsii.total(), self.acknowledgements


def _count_calls(monkeypatch: pytest.MonkeyPatch, calls: Calls) -> None:
    jsii_process = vars(process)["_NodeProcess"]
    send = jsii_process.send
    acknowledge = Validations.acknowledge

    def counted_send(provider: Any, request: Any, response: Any) -> Any:
        calls.jsii[type(request).__name__] += 1
        return send(provider, request, response)

    def counted_acknowledge(validations: Validations, *rules: Any) -> None:
        calls.acknowledgements += len(rules)
        acknowledge(validations, *rules)

    monkeypatch.setattr(jsii_process, "send", counted_send)
    monkeypatch.setattr(Validations, "acknowledge", counted_acknowledge)


def test_each_cluster_adds_the_same_number_of_calls_and_acknowledgements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    calls.of(environment_of(4), tmp_path)  # fills caches, which saves later calls
    (two, two_acks), (three, three_acks), (six, six_acks) = (
        calls.of(environment_of(count), tmp_path) for count in (2, 3, 6)
    )
    assert three_acks - two_acks == (six_acks - three_acks) / 3 > 0
    assert three - two == (six - three) / 3
    assert 0 < three - two <= ONE_CLUSTER_CALLS


def test_a_failover_costs_the_same_among_many_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    calls.of(with_failover(environment_of(4)), tmp_path)
    costs = []
    for count in (2, 5):
        without, acks_without = calls.of(environment_of(count), tmp_path)
        cost, acks = calls.of(with_failover(environment_of(count)), tmp_path)
        costs.append((cost - without, acks - acks_without))
    assert costs[0] == costs[1]


def test_a_stack_accepts_no_finding_of_another_cluster(tmp_path: Path) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text(json.dumps(with_failover(environment_of(3))))
    environment = load(file).environment
    for name in environment.clusters:
        ids = {finding.id for finding in accepted_findings.of_cluster_stack(environment, name)}
        for other in environment.clusters.keys() - {name}:
            assert not [id_ for id_ in ids if f"growth-{other}/" in id_ or f"/{other}/" in id_]
