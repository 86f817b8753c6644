"""Each rule reports its wrong cases at their positions, and accepts its right cases."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from denodo_ha.environment.loading import yaml_document
from denodo_ha.environment.loading.problem import Problem, Severity, dotted
from denodo_ha.environment.loading.validation import validate
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.rules.registry import RULES
from tests.environment.rule_cases import (
    acceptance,
    alarms,
    balancer,
    capacity,
    cookies,
    denodo,
    failover,
    haproxy,
    logs,
    metadata,
    names,
    network,
    nodes,
    outbound_access,
    ports,
    quotas,
    risks,
    scheduler,
    target_groups,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import findings, loaded, text, write

TABLES = (
    acceptance,
    alarms,
    names,
    network,
    outbound_access,
    ports,
    nodes,
    denodo,
    balancer,
    capacity,
    cookies,
    haproxy,
    failover,
    logs,
    metadata,
    quotas,
    risks,
    scheduler,
    target_groups,
)
WRONG: list[Wrong] = [case for table in TABLES for case in table.WRONG]
RIGHT: list[Right] = [case for table in TABLES for case in table.RIGHT]


def problems_of_rule(folder: Path, case: Wrong | Right) -> list[Problem]:
    """Return the problems that the rule of a case finds; other rules are not run."""
    validated = validate(yaml_document.read(write(folder, case.data)), Environment)
    assert validated.problems == ()
    assert validated.model is not None
    # Clusters share the services, so a rule may find the same problem for each cluster.
    return list({(one.path, one.what): one for one in case.rule(validated.model)}.values())


def expected(case: Wrong, problems: Iterable[Problem]) -> Problem:
    """Return the problem that matches what a case expects; assert that exactly one matches."""
    problems = tuple(problems)
    matching = [
        problem
        for problem in problems
        if dotted(problem.path) == case.path
        and problem.severity is case.severity
        and all(part in problem.sentence for part in case.says)
    ]
    assert len(matching) == 1, problems
    return matching[0]


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_rule_reports_the_wrong_case(case: Wrong, tmp_path: Path) -> None:
    """The rule finds the problem; loading reports the problem, and no errors caused by it."""
    of_rule = problems_of_rule(tmp_path, case)
    expected(case, of_rule)
    found = findings(tmp_path, case.data, deploying=case.deploying)
    problem = expected(case, found)
    positions = text(case.data)
    assert problem.position in positions.places(problem.path)
    if problem.value == str(problem.path[-1]):
        assert problem.position == positions.keys[problem.path]
    assert problem.file == str(tmp_path / "environment.yaml")
    errors = [one for one in found if one.severity is Severity.ERROR]
    if case.severity is Severity.ERROR:
        assert len(errors) == 1 + case.others, errors
    else:
        # A warning does not stop loading. All problems of a rule have one name, which users write
        # in `accept` to accept these problems.
        assert errors == []
        assert {one.rule for one in of_rule} == {problem.rule} != {""}


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_rule_accepts_the_right_case(case: Right, tmp_path: Path) -> None:
    assert problems_of_rule(tmp_path, case) == []
    loaded(tmp_path, case.data, deploying=case.deploying)


def test_every_rule_has_cases_a_name_and_a_docstring() -> None:
    assert {case.rule for case in WRONG} == {case.rule for case in RIGHT} == set(RULES)
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
    assert [rule.__name__ for rule in RULES if not (rule.__doc__ or "").strip()] == []
