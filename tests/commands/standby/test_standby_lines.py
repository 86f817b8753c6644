"""The ten lines of `failover check`, judged from facts: one fault for each line, and pairs."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from denodo_ha.catalog.exports import LicenseManagerAnswer
from denodo_ha.environment.loading.loader import load
from denodo_ha.standby import check_line, machine_lines, metadata_lines, practice_line
from denodo_ha.standby.check_line import (
    NO,
    NOT_READY,
    OK,
    READY,
    UNKNOWN,
    Finding,
    Unknown,
    age_text,
    line,
    verdict,
)
from denodo_ha.standby.machine_lines import Machines
from denodo_ha.standby.standby_check import judge, shared_license_manager
from denodo_ha.standby.standby_facts import Standby, StandbyFacts
from tests.commands.standby import standby_samples as samples
from tests.commands.standby.standby_samples import FAULTS, NOW, RECORDED, set_facts
from tests.support.configurations import changed, twins, write


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Standby:
    return samples.standby(tmp_path_factory.mktemp("standby"))


def states(standby: Standby, facts: StandbyFacts) -> dict[int, str]:
    return {each.number: each.state for each in judge(standby, facts)}


def test_everything_well_is_ready(standby: Standby) -> None:
    lines = judge(standby, samples.ready())
    assert [each.number for each in lines] == [*range(1, 11)]
    assert [each for each in lines if each.state != OK] == []
    assert verdict(lines) == READY
    assert all(each.seen and each.limit for each in lines)
    assert {each.remedy for each in lines} == {""}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_by_its_line_alone(standby: Standby, fault: str) -> None:
    number, seen, change = FAULTS[fault]
    lines = judge(standby, change(samples.ready()))
    assert {each.number: each.state for each in lines if each.state != OK} == {number: NO}
    broken = lines[number - 1]
    assert seen in broken.seen
    assert broken.remedy
    assert broken.limit
    assert verdict(lines) == NOT_READY


def pairs() -> Iterator[tuple[str, str]]:
    for first, second in itertools.combinations(FAULTS, 2):
        if FAULTS[first][0] != FAULTS[second][0]:
            yield first, second


def test_two_faults_are_seen_by_two_lines(standby: Standby) -> None:
    wrong = []
    for first, second in pairs():
        (one, _, change), (other, _, more) = FAULTS[first], FAULTS[second]
        try:
            facts = more(change(samples.ready()))
        except AssertionError:
            continue
        seen = {number for number, state in states(standby, facts).items() if state == NO}
        if not {one, other} <= seen <= {one, other}:
            wrong.append((first, second, seen))
    # The loop skips pairs whose faults replace the same facts: exports or history.
    assert wrong == []


_WHY = Unknown("AWS does not answer")
UNKNOWNS = {
    "targets": (set_facts(targets=_WHY), {1}),
    "no target group": (set_facts(targets=()), {1}),
    "cluster": (set_facts(cluster=_WHY), {2}),
    "record": (set_facts(record=_WHY), {2}),
    "licences": (
        lambda facts: samples.own(license_manager=None)(replace(facts, licences=_WHY)),
        {6},
    ),
    "machines": (set_facts(machines=_WHY), {7}),
    "quotas": (set_facts(quotas=_WHY), {8}),
    "health checks": (set_facts(health_checks=_WHY), {8}),
    "database": (set_facts(database=_WHY), {5}),
    "history": (set_facts(history=_WHY), {8, 10}),
    "caller": (set_facts(caller=""), {10}),
    "own exports": (
        lambda facts: replace(facts, own=replace(facts.own, newest=_WHY)),
        {3, 4, 9},
    ),
    "copies": (
        lambda facts: replace(facts, active=replace(facts.active, newest=_WHY)),
        {3, 4, 9},
    ),
    "no exports": (
        lambda facts: replace(facts, active=replace(facts.active, every=None)),
        {3, 4, 9},
    ),
    "data source": (set_facts(sources={samples.SOURCE: _WHY}), {3}),
    "login": (set_facts(sources=_WHY), {3}),
    "digest not stated": (samples.own(site_digest=None), {3}),
    "digests of other elements": (samples.own(not_compared=("cache",)), {3}),
    "update not stated": (samples.own(denodo_update=None), {9}),
    "program not stated": (samples.own(program_version=None), {9}),
    "key not stated": (samples.own(encryption_key=None), {9}),
    "drivers not stated": (samples.own(files=None), {9}),
    "certificates not stated": (samples.own(certificates=None), {9}),
    "quotas not recorded": (samples.history(samples.PRACTICE), {8, 10}),
    "recorded quota not read": (set_facts(quotas={"Elastic IPs": 5.0}), {8}),
}


@pytest.mark.parametrize("fact", UNKNOWNS)
def test_what_is_not_known_is_never_ready(standby: Standby, fact: str) -> None:
    change, numbers = UNKNOWNS[fact]
    lines = judge(standby, change(samples.ready()))
    assert {each.number: each.state for each in lines if each.state != OK} == dict.fromkeys(
        numbers, UNKNOWN
    )
    assert verdict(lines) == UNKNOWN


def test_a_stopped_node_with_a_reserved_place_is_ready(standby: Standby) -> None:
    nodes = {name: samples.instance(name, state="stopped") for name in ("node1", "node2")}
    for places, state in ((2, OK), (1, NO)):
        free = {("us-east-1a", "m5.xlarge"): places}
        facts = replace(samples.ready(), machines=Machines(nodes, free))
        assert states(standby, facts)[7] == state
    facts = replace(samples.ready(), machines=Machines(nodes, _WHY))
    assert states(standby, facts)[7] == UNKNOWN


def test_a_node_that_cannot_be_asked_has_the_answer_of_its_export(standby: Standby) -> None:
    facts = replace(samples.ready(), licences=_WHY)
    licence = judge(standby, facts)[5]
    assert (licence.state, licence.age_seconds) == (OK, 3600)
    refused = LicenseManagerAnswer("lm", 10091, answered=False, reason="timed out")
    licence = judge(standby, samples.own(license_manager=refused)(facts))[5]
    assert licence.state == NO
    assert "timed out" in licence.seen


def test_a_denied_read_is_a_right_that_lacks(standby: Standby) -> None:
    denied = Unknown("the credentials may not call ec2:DescribeInstances", is_denied=True)
    lines = judge(standby, replace(samples.ready(), machines=denied))
    assert {each.number: each.state for each in lines if each.state != OK} == {7: UNKNOWN, 10: NO}
    assert "ec2:DescribeInstances" in lines[9].seen


def test_the_switch_s_right_is_proven_by_its_use(standby: Standby) -> None:
    old = replace(RECORDED, at=NOW - timedelta(days=3))
    facts = samples.history(samples.PRACTICE, old)(samples.ready())
    assert states(standby, facts)[10] == UNKNOWN
    assert judge(standby, facts, has_put=True)[9].state == OK
    # A datapoint of another role proves nothing about the caller. A datapoint of another session of
    # the caller's role proves the caller's right.
    other = replace(RECORDED, caller="arn:aws:sts::111122223333:assumed-role/admin/ann")
    facts = samples.history(samples.PRACTICE, other)(samples.ready())
    assert states(standby, facts)[10] == UNKNOWN
    assert practice_line.identity("arn:aws:iam::111122223333:user/ann").endswith("user/ann")


def test_a_line_is_as_its_worst_finding() -> None:
    findings = [
        Finding(OK, "a", timedelta(hours=2), "limit"),
        Finding(UNKNOWN, "b", remedy="ask"),
        Finding(NO, "c", timedelta(hours=1), "limit", remedy="repair"),
    ]
    found = line(3, "subject", findings)
    assert (found.state, found.seen, found.age_seconds) == (NO, "c; b; a", 7200)
    assert (found.limit, found.remedy) == ("limit", "repair; ask")
    assert line(3, "subject", findings[:2]).state == UNKNOWN
    assert verdict([]) == UNKNOWN


def test_ages_have_one_unit() -> None:
    for seconds, text in ((0, "0 s"), (119, "119 s"), (360, "6 min"), (7 * 3600, "7 h")):
        assert age_text(timedelta(seconds=seconds)) == text
    assert age_text(timedelta(days=3)) == "3 d"
    assert check_line.clock_text(NOW, NOW) == "09:47 UTC"
    assert check_line.clock_text(NOW - timedelta(days=1), NOW) == "2026-11-25 09:47 UTC"


def test_since_when_sites_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sites differ since the first export after all newest exports last had the same digest."""

    def exports(*digests: tuple[float, str, str]) -> list[object]:
        return [
            replace(samples.export(node, site_digest=digest), at=NOW - timedelta(hours=hours))
            for hours, node, digest in digests
        ]

    buckets = {
        "own": exports((50, "node1", "a"), (26, "node1", "a"), (2, "node1", "a")),
        "copies": exports((49, "node1", "a"), (25, "node1", "b"), (1, "node1", "b")),
    }
    monkeypatch.setattr(metadata_lines, "read_exports", lambda _aws, _region, name: buckets[name])

    def since() -> object:
        # `read_exports` is patched, so no client is needed.
        return metadata_lines.read_equal_until(None, "", "own", "copies")  # type: ignore[arg-type]

    assert since() == NOW - timedelta(hours=25)
    buckets["copies"] = exports((49, "node1", "b"), (25, "node1", "b"))
    # The result is None: the sites already differed in the oldest exports.
    assert since() is None


def test_configuration_of_the_standby(tmp_path: Path) -> None:
    standby = samples.standby(tmp_path)
    assert (standby.name, standby.active) == ("spare", "main")


def test_one_license_manager_of_both_sites_must_be_accepted(tmp_path: Path) -> None:
    data = changed(twins(), {"license_manager": {"host": "sm.example.com"}})
    accepted = {"why": "on premises, on two sites", "until": "2099-01-01"}
    for folder, more, host in (
        ("shared", {}, "sm.example.com"),
        ("accepted", {"accept": {"shared-manager": accepted}}, ""),
        ("own", {"clusters/spare/license_manager": {"host": "sm2.example.com"}}, ""),
    ):
        (tmp_path / folder).mkdir()
        loaded = load(write(tmp_path / folder, changed(data, more)))
        assert shared_license_manager(loaded) == host
        answered = machine_lines.licence_line(
            {"node1": ""}, samples.ready().own, NOW, shared_host=host
        )
        assert answered.state == (UNKNOWN if host else OK)


def test_without_a_database_there_is_nothing_to_copy(standby: Standby) -> None:
    facts = replace(samples.ready(), has_database=False, is_database_copied=False, database=None)
    assert states(standby, facts)[5] == OK
