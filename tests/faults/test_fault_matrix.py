"""A sample of the fault matrix, and the completeness of its rows."""

import itertools
import random

import pytest

from tests.faults import cases
from tests.faults.running import problems, short_waits, undisturbed_calls
from tests.faults.site import Site
from tests.support.program_commands import WITHOUT_AWS, command_functions

_SEED = 20261126


def test_every_command_has_a_row() -> None:
    """Otherwise the matrix would not cover a new command."""
    assert {name for name, _ in command_functions()} == {*cases.ROWS, *WITHOUT_AWS}


def test_the_sample_has_every_pair() -> None:
    """Each pair of values of two factors: command, part of the run, kind of fault, once or lasting.

    A command whose runs are one call long has one part.
    """
    generator = random.Random(_SEED)  # noqa: S311 - a sample
    kind_of = {fault: kind for kind, faults in cases.CLASSES.items() for fault in faults}
    calls = [("DescribeStacks", "eu-west-1")] * 4 * cases.PARTS
    commands = {row: name for name, rows in cases.ROWS.items() for row in rows}
    pairs = set[frozenset[tuple[str, object]]]()
    for number, row in enumerate(cases.rows()):
        for case in cases.sample(number, row, calls, generator):
            values = {
                ("command", commands[row]),
                ("part", case.position // 4),
                ("kind", kind_of[case.fault]),
                ("lasting", case.lasting),
            }
            pairs |= {frozenset(pair) for pair in itertools.combinations(values, 2)}
    factors: dict[str, list[object]] = {
        "command": [*({*cases.ROWS} - cases.LONG)],
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
    """A pairwise sample of rows, parts of the run and kinds of faults, with a fixed seed."""
    generator = random.Random(_SEED)  # noqa: S311 - a sample
    denied = []
    with short_waits(site):
        for number, arguments in enumerate(cases.rows()):
            calls = undisturbed_calls(site, arguments)
            for case in cases.sample(number, arguments, calls, generator):
                denied += problems(site, case, calls)
    assert denied == [], "\n\n".join(denied)
