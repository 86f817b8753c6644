"""A sample of the fault matrix, and the completeness of its rows."""

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
