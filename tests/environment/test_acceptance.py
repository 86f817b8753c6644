"""`accept`, and refusals that later versions add, which are errors only for new clusters."""

import ast
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError, Problem, Severity
from denodo_ha.environment.rules import metadata_database
from denodo_ha.environment.rules.acceptance import FINDINGS
from tests.environment.rule_cases.balancer import arn
from tests.support.assembly import EXAMPLES, ROOT
from tests.support.configurations import (
    IMAGE,
    Data,
    changed,
    errors,
    findings,
    loaded,
    minimal,
    write,
)

REFUSED = {"services/odbc": {"port": 9996, "tls": arn()}}
NAME = "odbc-behind-tls"
PIN = {"image": IMAGE, "type": "m5.xlarge", "disk_gib": 100}
PINS = {"main": {"node1": PIN, "node2": PIN}}
TODAY = datetime.now(UTC).date()


def _accepting(until: date | str, name: str = NAME) -> Data:
    return changed(minimal(), {**REFUSED, f"accept/{name}": {"why": "w", "until": str(until)}})


def test_an_empty_value_of_a_deployed_cluster_is_a_warning(tmp_path: Path) -> None:
    file = write(tmp_path, minimal())
    with file.open("a") as text:
        text.write("failover:\n")
    with pytest.raises(ConfigError, match=r"failover: has no value"):
        load(file)
    write(tmp_path, minimal(), pins=PINS)
    with file.open("a") as text:
        text.write("failover:\n")
    (warning,) = _of(list(load(file).findings), "empty-value")
    assert warning.severity is Severity.WARNING


def _of(problems: list[Problem], name: str = NAME) -> list[Problem]:
    return [problem for problem in problems if problem.rule == name]


def test_a_later_refusal_is_an_error_for_a_new_cluster(tmp_path: Path) -> None:
    (error,) = errors(tmp_path, changed(minimal(), REFUSED))
    assert error.rule == NAME
    assert (
        "or accept the finding until a date with accept: {odbc-behind-tls: {why: " in error.instead
    )
    # The pins file contains no node of this cluster, so the cluster is new.
    assert len(errors(tmp_path, changed(minimal(), REFUSED), pins={})) == 1


def test_it_is_a_warning_for_a_deployed_cluster(tmp_path: Path) -> None:
    loaded_ = loaded(tmp_path, changed(minimal(), REFUSED), pins=PINS)
    (warning,) = _of(list(loaded_.findings))
    assert warning.severity is Severity.WARNING


def test_another_cluster_of_the_file_that_is_new_is_refused(tmp_path: Path) -> None:
    data = changed(minimal(), REFUSED)
    data["clusters"]["other"] = {
        **data["clusters"]["main"],
        "network": {"cidr": "10.9.0.0/16", "zones": ["eu-west-1a", "eu-west-1b"]},
    }
    assert len(errors(tmp_path, data, pins=PINS)) == 1


@pytest.mark.parametrize(("days", "refused"), [(-1, True), (0, False), (30, False)])
def test_an_acceptance_lasts_until_its_date(tmp_path: Path, days: int, *, refused: bool) -> None:
    data = _accepting(TODAY + timedelta(days=days))
    assert bool(_of(findings(tmp_path, data))) == refused
    pinned = loaded(tmp_path, data, pins=PINS)
    assert bool(_of(list(pinned.findings))) == refused


def test_the_date_may_be_a_date_of_yaml(tmp_path: Path) -> None:
    text = str(_text(_accepting("2999-12-31"))).replace('"2999-12-31"', "2999-12-31")
    assert _of(findings(tmp_path, text)) == []


def _text(data: Any) -> str:
    from tests.support.configurations import text  # noqa: PLC0415 - this module uses the name `text` for variables

    return str(text(data))


@pytest.mark.parametrize("until", ["2027-02-30", "soon", "31.12.2027"])
def test_a_date_that_is_none(tmp_path: Path, until: str) -> None:
    found = errors(tmp_path, _accepting(until))
    assert [(error.path, error.value) for error in found if error.path[0] == "accept"] == [
        (("accept", NAME, "until"), until)
    ]


def test_warnings_and_notes_of_the_pins_can_be_accepted(tmp_path: Path) -> None:
    later = {"why": "w", "until": "2999-12-31"}
    names = ("alarms-unread", "no-pins", "idle-below-query-timeout")
    data = changed(minimal(), {"accept": dict.fromkeys(names, later)})
    assert loaded(tmp_path, data).findings == ()
    stale = {**PINS, "gone": {"node1": PIN}}
    assert _of(findings(tmp_path, data, pins=stale), "stale-pin")
    data["accept"]["stale-pin"] = later
    assert _of(findings(tmp_path, data, pins=stale), "stale-pin") == []


def test_an_error_without_a_name_cannot_be_accepted(tmp_path: Path) -> None:
    data = changed(minimal(), {"services/web": {"port": 9999}})
    assert errors(tmp_path, data)
    assert all(not error.refuses for error in errors(tmp_path, data))


def test_every_finding_of_the_rules_has_its_name_in_the_list() -> None:
    safeguards = [key.replace("_", "-") for key, _ in metadata_database.SAFEGUARDS]
    # Names that the rules compute, so that the source code does not contain them as literals.
    names = {"no-pins", "empty-value", "placeholder", *(f"catalog-{key}" for key in safeguards)}
    for file in (ROOT / "denodo_ha/environment/rules").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "rule":
                value = node.value
                names |= {str(value.value)} if isinstance(value, ast.Constant) else set()
    assert names == FINDINGS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_every_finding_of_an_example_can_be_accepted(example: Path, tmp_path: Path) -> None:
    """`accept` can silence every finding that synth prints for an example."""
    reported = load(example).findings
    assert all(finding.rule in FINDINGS for finding in reported)
    entries = {finding.rule: {"why": "w", "until": "2099-01-01"} for finding in reported}
    file = tmp_path / example.name
    file.write_text(f"{example.read_text()}\naccept: {json.dumps(entries)}\n")
    assert [str(finding) for finding in load(file).findings] == []
