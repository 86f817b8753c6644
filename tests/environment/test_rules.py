"""Every rule about a configuration speaks up when it must, and only then."""

from pathlib import Path

import pytest

from denodo_ha.environment.loading import yaml_document
from denodo_ha.environment.loading.problem import Problem, Severity, dotted
from denodo_ha.environment.loading.validation import validate
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.rules.registry import RULES, Rule
from tests.environment.rule_cases import (
    balancer,
    catalog,
    cookies,
    denodo,
    failover,
    haproxy,
    haproxy_on_aws,
    names,
    network,
    node_names,
    nodes,
    ports,
    quotas,
    risks,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import errors, findings, loaded, text, write

TABLES = (
    names,
    network,
    ports,
    nodes,
    node_names,
    denodo,
    balancer,
    cookies,
    haproxy,
    haproxy_on_aws,
    failover,
    catalog,
    quotas,
    risks,
)
WRONG: list[Wrong] = [case for table in TABLES for case in table.WRONG]
WARNED = [case for case in WRONG if case.severity is not Severity.ERROR]
RIGHT: list[Right] = [case for table in TABLES for case in table.RIGHT]


def told(rule: Rule, folder: Path, case: Wrong | Right) -> list[Problem]:
    """What a rule alone says of a case."""
    outcome = validate(yaml_document.read(write(folder, case.data)), Environment)
    assert not outcome.problems
    assert outcome.model is not None
    # Services are shared by the clusters, and may be found wrong in each.
    problems = {(one.path, one.what): one for one in rule(outcome.model)}
    return list(problems.values())


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_rule_speaks_up(case: Wrong, tmp_path: Path) -> None:
    matching = [
        problem
        for problem in told(case.rule, tmp_path, case)
        if dotted(problem.path) == case.path
        and problem.severity is case.severity
        and all(part in problem.sentence for part in case.says)
    ]
    assert len(matching) == 1, told(case.rule, tmp_path, case)


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_message_arrives_with_its_place(case: Wrong, tmp_path: Path) -> None:
    found = [
        problem
        for problem in findings(tmp_path, case.data, deploying=case.deploying)
        if dotted(problem.path) == case.path and all(part in problem.sentence for part in case.says)
    ]
    assert len(found) == 1
    assert found[0].position in text(case.data).places(found[0].path)
    assert found[0].file == str(tmp_path / "environment.yaml")
    assert found[0].rule or case.severity is Severity.ERROR


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_nothing_else_is_said_of_it(case: Wrong, tmp_path: Path) -> None:
    """An error brings no consequences, and a warning stops nothing."""
    expected = 1 + case.others if case.severity is Severity.ERROR else 0
    found = errors(tmp_path, case.data, deploying=case.deploying)
    assert len(found) == expected, found


@pytest.mark.parametrize("case", RIGHT, ids=str)
def test_rule_is_silent(case: Right, tmp_path: Path) -> None:
    assert told(case.rule, tmp_path, case) == []
    loaded(tmp_path, case.data, deploying=case.deploying)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_has_cases(rule: Rule) -> None:
    assert any(case.rule is rule for case in WRONG), "no case where the rule speaks up"
    assert any(case.rule is rule for case in RIGHT), "no case where the rule is silent"


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.__name__ for rule in RULES}) == len(RULES)


def test_every_rule_says_what_holds() -> None:
    assert [rule.__name__ for rule in RULES if not (rule.__doc__ or "").strip()] == []


@pytest.mark.parametrize("case", WARNED, ids=str)
def test_a_warning_has_a_name_to_acknowledge_it_by(case: Wrong, tmp_path: Path) -> None:
    names_ = {problem.rule for problem in told(case.rule, tmp_path, case)}
    assert len(names_) == 1
    assert names_ != {""}
