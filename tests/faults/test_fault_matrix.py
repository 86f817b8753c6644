"""Tests of a sample of the fault matrix (commands x faults of AWS calls), and of its rows."""

import itertools

import pytest

from denodo_ha.deployed.history.recording import history_name
from tests.faults import cases
from tests.faults.running import problems, short_waits, undisturbed_calls
from tests.faults.site import Site
from tests.support.program_commands import WITHOUT_AWS, command_functions


def test_every_command_has_a_row() -> None:
    """Each command that calls AWS has a row in the fault matrix: a new command needs a new row."""
    assert {name for name, _ in command_functions()} == {*cases.ROWS, *WITHOUT_AWS}


def test_commands_that_change_something_get_every_kind() -> None:
    """Exceptions: commands that wrap another one, are not in the sample, or refuse in each row."""
    recorded = {name for name, function in command_functions() if history_name(function)}
    refusing = {name for name, rows in cases.ROWS.items() if all(map(cases.expected_code, rows))}
    complete = {name for name, rows in cases.ROWS.items() if any(map(cases.gets_every_kind, rows))}
    assert recorded - complete == {
        *cases.WRAPPERS,
        *(recorded & (refusing | cases.WHOLE_MATRIX_ONLY)),
    }
    assert {"drain", "enable", "roll", "rollout", "replace", "failover to"} <= complete


def test_the_sample_has_every_pair() -> None:
    """Factors: the command, the part of the run, the kind of fault, and whether the fault lasts.

    A command that refuses in this environment, or that wraps another command, has fewer cases.
    """
    kind_of = {fault: kind for kind, faults in cases.CLASSES.items() for fault in faults}
    calls = [("DescribeStacks", "eu-west-1")] * 4 * cases.PARTS
    commands = {row: name for name, rows in cases.ROWS.items() for row in rows}
    pairs = set[frozenset[tuple[str, object]]]()
    for number, row in cases.sampled_rows():
        for case in cases.sample(number, row, calls):
            values = {
                ("command", commands[row]),
                ("part", case.position // 4),
                ("kind", kind_of[case.fault]),
                ("lasting", case.lasting),
            }
            pairs |= {frozenset(pair) for pair in itertools.combinations(values, 2)}
    complete: list[object] = [
        name for name, rows in cases.ROWS.items() if any(map(cases.gets_every_kind, rows))
    ]
    factors: dict[str, list[object]] = {
        "command": complete,
        "part": list(range(cases.PARTS)),
        "kind": list(cases.CLASSES),
        "lasting": [False, True],
    }
    every = {
        frozenset({(one, first), (other, second)})
        for one, other in itertools.combinations(factors, 2)
        for first, second in itertools.product(factors[one], factors[other])
    }
    never = frozenset({("kind", "interrupted"), ("lasting", True)})
    assert every - pairs == {never}


@pytest.mark.long
def test_a_sample_says_what_is_so(site: Site) -> None:
    """Compare commands' statements with the true state, in a pairwise sample of the matrix."""
    denied = []
    with short_waits(site):
        for number, arguments in cases.sampled_rows():
            calls = undisturbed_calls(site, arguments)
            for case in cases.sample(number, arguments, calls):
                denied += problems(site, case, calls)
    assert denied == [], "\n\n".join(denied)
