"""The examples: rules of the topology, findings, cfn-lint, snapshots."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.quotas import max_alarm_resources, max_resources
from stacks import accepted_findings
from tests.stacks.template_interface import TextSnapshot, interface_of
from tests.stacks.topology import cluster_view, rules
from tests.support import cfn_lint
from tests.support.assembly import EXAMPLES, ROOT, Assembly, SharedAssemblies

AssemblyOf = Callable[[str], Assembly]


@pytest.fixture
def file(example: str) -> Path:
    return ROOT / "config/examples" / f"{example}.yaml"


def test_keeps_the_rules_of_the_topology(example: str, file: Path, assembly_of: AssemblyOf) -> None:
    rules.holds(load(file).environment, assembly_of(example))


def test_is_synthesised_once(example: str, file: Path, assemblies: SharedAssemblies) -> None:
    assert assemblies.of(file) is assemblies.of(file, validated=True), example


def test_has_no_finding_without_a_reason(example: str, assembly_of: AssemblyOf) -> None:
    reports = assembly_of(example).report["pluginReports"]
    assert {one["pluginName"] for one in reports} >= {"CloudFormation Validate", "AwsSolutions"}
    for report in reports:
        assert report["violations"] == []
        assert all(one["reason"] for one in report.get("suppressedViolations", []))


def test_says_its_own_findings_and_no_others(
    example: str, file: Path, assembly_of: AssemblyOf
) -> None:
    """The annotations that the CDK CLI prints are the findings of the configuration."""
    printed = [text for texts in assembly_of(example).messages.values() for text in texts]
    levels = {Severity.WARNING: "WARNING", Severity.NOTE: "INFO"}
    assert sorted(printed) == sorted(
        f"{levels[finding.severity]}: {finding} [ack: denodo-ha:{finding.rule}]"
        for finding in load(file).findings
    )


def test_every_acknowledged_finding_occurs(assembly_of: AssemblyOf) -> None:
    """Every accepted finding occurs in at least one example."""
    occurring, accepted = set(), set()
    for example in EXAMPLES:
        for report in assembly_of(example.stem).report["pluginReports"]:
            occurring |= {one["acknowledgedId"] for one in report.get("suppressedViolations", [])}
        environment = load(example).environment
        for cluster in environment.clusters:
            accepted |= {
                finding.id for finding in accepted_findings.of_cluster_stack(environment, cluster)
            }
            accepted |= {
                finding.id for finding in accepted_findings.of_metadata_stack(environment, cluster)
            }
        accepted |= {finding.id for finding in accepted_findings.of_failover_stack(environment)}
    # Annotations are excluded: the report contains acknowledged rules, but no acknowledged
    # annotations.
    assert {one for one in accepted if not one.startswith("Annotation::")} - occurring == set()


def test_is_clean_for_cfn_lint(example: str, file: Path, assembly_of: AssemblyOf) -> None:
    environment = load(file).environment
    regions = {
        f"{environment.name}-{name}": cluster.region
        for name, cluster in environment.clusters.items()
    }
    for stack, template in assembly_of(example).templates.items():
        region = regions.get(stack, "eu-west-1")
        # W3691 is ignored: without a minor version of PostgreSQL, RDS chooses one.
        assert cfn_lint.findings(template, region, ignored=["W3691"]) == []


def test_needs_no_lookup(example: str, assembly_of: AssemblyOf) -> None:
    """No template depends on values looked up in an account.

    Otherwise the first synthesis would use dummy values.
    """
    for template in assembly_of(example).templates.values():
        assert "dummy-value-for-" not in json.dumps(template)


def test_counts_resources_as_its_templates_do(
    example: str, file: Path, assembly_of: AssemblyOf
) -> None:
    environment = load(file).environment
    for name in environment.clusters:
        made = len(assembly_of(example).templates[f"{environment.name}-{name}"]["Resources"])
        bound = max_resources(environment, name) + max_alarm_resources(environment, name)
        assert made <= bound <= made + 22


def test_is_as_its_snapshot(
    example: str, assembly_of: AssemblyOf, snapshot: SnapshotAssertion
) -> None:
    """Logical ids are a public interface. `make snapshots` accepts an intended change."""
    assert interface_of(assembly_of(example).templates) == snapshot(extension_class=TextSnapshot)


def test_the_default_has_exactly_the_ports_of_the_article(assembly_of: AssemblyOf) -> None:
    listeners = assembly_of("active-passive").resources("denodo70-active", cluster_view.LISTENER)
    assert sorted(listener["Port"] for listener in listeners.values()) == [
        9090,
        9996,
        9999,
        19997,
        29997,
    ]
