"""Ways to take over a found site: complete commands, or the reason why a step is impossible."""

import shlex
from dataclasses import replace

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.live.adoption.found_cluster import FoundSite
from denodo_ha.drill.live.adoption.plan_report import markdown_page, text_lines
from denodo_ha.drill.live.adoption.takeover import takeovers
from denodo_ha.drill.live.adoption.ways import Names, Way, switch_steps, ways_forward
from tests.drill.adoption.adoption_samples import (
    ACCOUNT,
    ENVIRONMENT,
    ONE,
    REGION,
    STACK,
    Change,
    Data,
    found_site,
    ref,
    template,
)

NAMES = Names(ENVIRONMENT, "prod", "--balancer denodo", {"main": "config/prod.main.import.json"})
ALIAS = {"Name": "denodo.example.com.", "Type": "A", "SetIdentifier": "it's"}


def ways(change: Change | None = None, **values: object) -> tuple[Way, ...]:
    site = replace(found_site(change), **values)  # type: ignore[arg-type] # the names of the arguments are fields
    planned = takeovers(ENVIRONMENT, site, [SynthesisedStack(STACK, REGION, ACCOUNT, template())])
    return ways_forward(site, planned, NAMES)


def pair(record: str = "denodo.example.com") -> FoundSite:
    site = found_site()
    (cluster,) = site.clusters
    details = replace(site.details, records=[ALIAS])
    return replace(
        site,
        clusters=(cluster, replace(cluster, name="passive")),
        details=details,
        record=record,
        hosted_zone=("Z1", "example.com"),
        is_failover=True,
    )


def lines(found: tuple[Way, ...]) -> list[str]:
    return [command.line for way in found for step in way.steps for command in step.commands]


def test_every_command_is_whole() -> None:
    for line in lines(ways()):
        words = shlex.split(line)
        assert words[0] in {"aws", "npx", "denodo-ha"} or words[0].startswith("group=$(aws")
        assert "…" not in line


def test_a_single_cluster_has_no_switch() -> None:
    assert not any("route53" in line for line in lines(ways()))


def test_a_refused_way_has_no_step() -> None:
    def without_group(data: Data) -> None:
        data["resources"]["nlb"]["Properties"]["SecurityGroups"] = []

    _, take_over, beside = ways(without_group)
    assert take_over.steps == ()
    assert len(take_over.refusals) == 1
    assert beside.refusals == ()
    assert beside.steps


def test_two_clusters_without_a_record_need_a_failover_first() -> None:
    site = pair()
    found = ways(clusters=site.clusters[:1])
    assert not any("Complete `failover`" in step.text for step in found[1].steps)
    steps = list(switch_steps(replace(site, is_failover=False), NAMES))
    assert [step.text[:19] for step in steps] == ["Complete `failover`"]


def test_names_with_quotes_stay_one_argument() -> None:
    site = pair()
    found = ways(
        clusters=site.clusters[:1],
        details=site.details,
        record=site.record,
        hosted_zone=site.hosted_zone,
        is_failover=True,
    )
    switch = next(line for line in lines(found) if "route53" in line)
    assert shlex.split(switch)[-1].count("it's") == 1


def test_no_cname_at_the_apex() -> None:
    site = pair("example.com")
    found = ways(
        clusters=site.clusters[:1],
        details=site.details,
        record=site.record,
        hosted_zone=site.hosted_zone,
        is_failover=True,
    )
    assert not any("route53" in line for line in lines(found))
    assert any("which cannot have a CNAME record" in step.text for step in found[2].steps)


def later_version(data: Data) -> None:
    for name in ("node1", "node2"):
        del data["resources"][f"listener-{name}"], data["ids"][f"listener-{name}"]


@pytest.mark.parametrize(("change", "count"), [(None, 1), (later_version, 0)])
def test_only_7_0_names_a_host_for_the_second_connection(change: Change | None, count: int) -> None:
    steps = ways(change)[2].steps
    assert sum("RMI host" in step.text for step in steps) == count


def test_fixed_addresses_must_be_free_before_a_new_load_balancer_has_them() -> None:
    def fixed(data: Data) -> None:
        data["resources"]["nlb"]["Properties"]["SubnetMappings"] = [
            {"SubnetId": "subnet-0aaaaaaaaaaaaaaaa", "PrivateIPv4Address": "10.0.0.9"}
        ]

    first = ways(fixed)[2].steps[0]
    assert "Remove `addresses`" in first.text
    assert "10.0.0.9" in first.text
    assert not any("Remove `addresses`" in step.text for step in ways()[2].steps)


def test_ports_that_a_new_load_balancer_lacks_are_named() -> None:
    def twice(data: Data) -> None:
        data["resources"]["group-node2"]["Properties"]["Targets"][0]["Id"] = ref(ONE)

    (remark,) = ways(twice)[2].remarks
    assert "29997" in remark
    assert "the new load balancer does not have this port" in remark


def test_ports_of_checks_are_admitted_too() -> None:
    def other_port(data: Data) -> None:
        data["resources"]["group-jdbc"]["Properties"]["HealthCheckPort"] = "8080"

    admit = next(line for line in lines(ways(other_port)) if "authorize-security-group" in line)
    assert "FromPort=8080,ToPort=8080" in admit
    assert "FromPort=9999,ToPort=9999" in admit


def test_the_text_and_the_page_have_the_same_commands() -> None:
    found = ways()
    text, page = "\n".join(text_lines(found)), markdown_page("Adoption", found)
    for line in lines(found):
        assert line in text
        assert line in page
    assert "Way 2, take over" in text
    assert "## Way 2: take over" in page
