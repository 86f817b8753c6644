"""Every file results in a configuration or in a list of messages with positions."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from tests.environment.breakages.all_breakages import BREAKAGES
from tests.environment.breakages.breakage import Breakage, name_of
from tests.strategies import environments
from tests.strategies.variations import OTHER, SAME, Variation
from tests.support.assembly import EXAMPLES
from tests.support.configurations import Data, Key, errors, loaded, text, write

FEW = settings(
    max_examples=3,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
SOME = settings(FEW, max_examples=5)
MANY = settings(FEW, max_examples=50)
VALID_ENVIRONMENTS = 60
NUMBERS = st.integers(0, VALID_ENVIRONMENTS - 1)
MESSAGE = re.compile(r"\S+\.yaml:[1-9]\d*:[1-9]\d*(: .+)?: .+; .+; .+")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("properties")


@pytest.fixture(scope="module")
def environments_drawn() -> list[Data]:
    """Return valid configurations, drawn once, since drawing them takes as long as loading them."""
    result: list[Data] = []

    @settings(FEW, max_examples=VALID_ENVIRONMENTS)
    @given(data=environments.environments())
    def draw(data: Data) -> None:
        result.append(data)

    draw()
    return result


def within(path: Key, outer: Key) -> bool:
    """Return whether a key's path is equal to an outer path or within the outer path."""
    return path[: len(outer)] == outer


def assert_loads_or_says_why(folder: Path, content: Any, *, pins: Any = None) -> None:
    """Check that a file loads, or that each of its errors is one line with a position."""
    file = write(folder, content, pins=pins)
    try:
        load(file)
    except ConfigError as error:
        problems = error.problems
    else:
        return
    assert problems
    for problem in problems:
        assert MESSAGE.fullmatch(str(problem)), str(problem)
        assert str(problem).isprintable()


def _noted(data: Data) -> Data:
    """Return the configuration; if the test fails, its output contains the configuration."""
    note(str(text(data)))
    return data


@pytest.mark.parametrize("breakage", BREAKAGES, ids=name_of)
@FEW
@given(number=NUMBERS)
def test_what_is_broken_is_said_at_its_place_and_nothing_else(
    folder: Path, environments_drawn: list[Data], breakage: Breakage, number: int
) -> None:
    data = copy.deepcopy(_noted(environments_drawn[number]))
    places = breakage(data)
    assume(places is not None)
    assert places is not None
    found = errors(folder, data)
    assert any(within(problem.path, places[0]) for problem in found), found
    for problem in found:
        assert any(within(problem.path, place) for place in places), problem
        assert problem.position in text(data).places(problem.path), problem


@pytest.mark.parametrize("variation", OTHER, ids=lambda one: one.__name__)
@SOME
@given(number=NUMBERS)
def test_what_stays_right_loads(
    folder: Path, environments_drawn: list[Data], variation: Variation, number: int
) -> None:
    data = copy.deepcopy(_noted(environments_drawn[number]))
    variation(data)
    assert errors(folder, data) == []


@pytest.mark.parametrize("variation", SAME, ids=lambda one: one.__name__)
@SOME
@given(number=NUMBERS)
def test_what_says_the_same_is_the_same(
    folder: Path, environments_drawn: list[Data], variation: Variation, number: int
) -> None:
    valid = _noted(environments_drawn[number])
    data = copy.deepcopy(valid)
    variation(data)
    assert loaded(folder, data).environment == loaded(folder, valid).environment


@MANY
@given(data=environments.environments())
def test_findings_of_what_is_right_have_their_places_too(folder: Path, data: Data) -> None:
    written = text(data)
    for problem in loaded(folder, data).findings:
        assert problem.position in written.places(problem.path)
        assert MESSAGE.fullmatch(str(problem))


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8).map(str.strip)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@MANY
@given(data=ANYTHING)
def test_any_data_is_refused_or_loads(folder: Path, data: object) -> None:
    assert_loads_or_says_why(folder, data)


TOKENS = (
    *("name: ", "clusters:\n", "  main: ", "services", ": ", "- ", "\n", "\n  ", ", ", "[", "]"),
    *("{", "}", "'", '"', "#", "|\n", ">\n", "&a ", "*a", "<<: ", "? ", "!!int ", "!!bool ", "!x "),
    *("!!binary ", "!!timestamp ", "!!set ", "!!omap ", "!!null ", "!!float ", "%YAML 1.1\n"),
    *("---\n", "...\n", "7.0", "0o7", "0x", "1_0", ".inf", "~", "=", "2024-02-31", "\t", "\\"),
    *("\ufeff", "\x85", "\u2028", "é", "\U0001f600", "\x00", "\r", "\\ud800", "\\x00"),
)


@MANY
@given(tokens=st.lists(st.sampled_from(TOKENS), max_size=12))
def test_anything_like_yaml_is_refused_or_loads(folder: Path, tokens: list[str]) -> None:
    assert_loads_or_says_why(folder, "".join(tokens))


@MANY
@given(tokens=st.lists(st.sampled_from(TOKENS), max_size=8))
def test_anything_like_pins_is_refused_or_loads(folder: Path, tokens: list[str]) -> None:
    example = EXAMPLES[0].read_text()
    assert_loads_or_says_why(folder, example, pins="".join(tokens))


@MANY
@given(
    example=st.sampled_from([file.read_text() for file in EXAMPLES]),
    place=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 40),
    token=st.sampled_from(("", *TOKENS)),
)
def test_any_slip_in_an_example_is_refused_or_loads(
    folder: Path, example: str, place: float, length: int, token: str
) -> None:
    start = int(place * len(example))
    assert_loads_or_says_why(folder, example[:start] + token + example[start + length :])
