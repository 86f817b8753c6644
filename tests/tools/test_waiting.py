"""The tests' waiting functions end if the expected event can no longer happen."""

import io

import pytest

from tests.support.waiting import read_until


def test_a_process_that_ends_early_ends_the_wait() -> None:
    with pytest.raises(AssertionError, match="no line of the output contains 'ready'"):
        read_until(io.StringIO("starting\nfailed\n"), "ready")


def test_later_lines_remain() -> None:
    output = io.StringIO("starting\nready\nmore\n")
    assert read_until(output, "ready") == ["starting\n", "ready\n"]
    assert output.read() == "more\n"
