"""Changes with one risk each, whose verdicts must name the risk, and harmless changes.

Each configuration is synthesised in this process; a base is synthesised once.
"""

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Final

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.review.page.markdown_page import markdown_page
from denodo_ha.review.page.page_contents import page_of
from denodo_ha.review.review import Configuration, Review, review_stacks
from tests.review.seeded_changes import BASES, HARMLESS, SEEDS
from tests.support.assembly import synthesise
from tests.support.configurations import Data, changed, loaded

pytestmark = pytest.mark.long

TODAY: Final = date(2026, 11, 27)
Stacks = tuple[SynthesisedStack, ...]


@pytest.fixture(scope="module")
def stacks_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Data], Stacks]:
    """Return a function that synthesises a configuration."""

    def read(data: Data) -> Stacks:
        folder = tmp_path_factory.mktemp("seed")
        synthesise(loaded(folder, data), folder / "cdk.out")
        return read_stacks([folder / "cdk.out"])

    return read


@pytest.fixture(scope="module")
def base_of(stacks_of: Callable[[Data], Stacks]) -> Callable[[str], Stacks]:
    """Return a function that returns the stacks of a base, each synthesised once."""
    return cache(lambda name: stacks_of(BASES[name]))


def reviewed(base: Stacks, new: Stacks) -> Review:
    return review_stacks(base, new, Configuration("prod"), TODAY)


@pytest.mark.parametrize("name", SEEDS)
def test_a_risk_is_in_the_first_five_lines(
    name: str, base_of: Callable[[str], Stacks], stacks_of: Callable[[Data], Stacks]
) -> None:
    seed = SEEDS[name]
    review = reviewed(base_of(seed.base), stacks_of(changed(BASES[seed.base], seed.changes)))
    page = markdown_page(page_of(review, "From a to b", ()))
    top = "\n".join(page.split("\n")[:5])
    assert [named for named in seed.named if named not in top] == []
    assert any(seed.text in item.text for item in review.findings), page


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_has_no_finding(
    name: str, base_of: Callable[[str], Stacks], stacks_of: Callable[[Data], Stacks]
) -> None:
    base, changes = HARMLESS[name]
    review = reviewed(base_of(base), stacks_of(changed(BASES[base], changes)))
    assert review.findings == ()
    assert review.effects.is_changed
    page = markdown_page(page_of(review, "", ()))
    assert page.split("\n")[1].startswith("**Nothing found:**")


def test_the_risks_are_at_least_thirty() -> None:
    assert len(SEEDS) >= 30
    assert len(HARMLESS) >= 10
