"""The page of a review in Markdown: order of its parts, maximum length, and hostile texts."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denodo_ha.environment.facts.review_findings import CATEGORY_OF
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.plan.node_changes import Change
from denodo_ha.review.finding import finding
from denodo_ha.review.next_steps import DeployEffects, Step
from denodo_ha.review.page.markdown_page import MOST_CHARACTERS, fair_shares, markdown_page
from denodo_ha.review.page.page_contents import page_of
from denodo_ha.review.page.page_parts import (
    Block,
    Column,
    Folded,
    Page,
    Paragraph,
    Section,
    Table,
    Verdict,
)
from denodo_ha.review.picture.graph import Box, Edge, Picture
from tests.review.pages import HOSTILE, hostile_page, page_with, review_of


def test_parts_in_their_order() -> None:
    names = ("tls-off", "node-removed", "access-widened", "node-restarted")
    page = markdown_page(page_with([finding(name, "main", "t") for name in names]))
    parts = [
        "<!-- denodo-ha review: prod -->\n**4 findings to look at:** node-removed (main)",
        *("tls-off (main)", "From a to b", "## What gets worse", "Compared: 3 failures."),
        *("## Nodes, load balancers and databases", "| node-restarted |", "## Access that widens"),
        *("## Protections turned off", "## Topology", "```mermaid", "## Afterwards"),
        *("| `denodo-ha plan -c prod` |", "<details><summary>cdk diff</summary>", "Stack x"),
    ]
    positions = [page.find(part) for part in parts]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_nothing_found() -> None:
    lines = markdown_page(page_with([])).split("\n")
    assert lines[1].startswith("**Nothing found:** nothing gets worse")
    assert lines[lines.index("## What gets worse") + 2] == "Nothing found."


def test_what_a_deploy_does_not_touch_is_one_sentence() -> None:
    changes = [Change("main", f"node{number}", Effect.NOTHING) for number in range(1, 4)]
    changes.append(Change("main", "node4", Effect.RESTART, ("InstanceType a -> b",)))
    effects = DeployEffects(changes, (), (), (), is_changed=True)
    page = markdown_page(page_of(review_of(effects=effects), "", ()))
    assert "A deploy does not change main: node1, node2, node3." in page
    # No effect needs a step after the deploy, so the table has no column for such steps.
    assert "| Cluster | Node | Deploy | Because |\n" in page
    assert "| main | node4 | restart | InstanceType a -> b |" in page


def test_what_is_the_same_for_many_nodes_is_one_row() -> None:
    names = [f"node{number}" for number in range(1, 4)]
    changes = [Change("main", name, Effect.RESTART, ("InstanceType a -> b",)) for name in names]
    found = [finding("node-restarted", f"{place}: {name}", "t") for place in "ab" for name in names]
    found += [finding("alarm-removed", "a", "t"), finding("alarm-removed", "b", "other")]
    effects = DeployEffects(changes, (), (), (), is_changed=True)
    page = markdown_page(page_of(review_of(*found, effects=effects), "", ()))
    places = "a: node1, node2, node3<br>b: node1, node2, node3"
    assert f"| node-restarted | {places} | t |" in page
    assert "| alarm-removed | a | t |\n| alarm-removed | b | other |" in page
    assert "| main | node1, node2, node3 | restart | InstanceType a -> b |" in page


def test_what_is_accepted_is_in_the_verdict() -> None:
    review = replace(review_of(), accepted=(finding("tls-off", "main", "t"),))
    verdict = markdown_page(page_of(review, "", ())).split("\n")[1]
    assert verdict.endswith("; accepted: tls-off (main)")


@pytest.mark.parametrize(
    ("boxes", "edges", "is_drawn"), [(600, 500, True), (600, 501, False), (2_000, 0, False)]
)
def test_a_picture_that_mermaid_would_refuse_is_left_out(
    boxes: int, edges: int, *, is_drawn: bool
) -> None:
    parts = tuple(Box(f"b{number}", "node", f"node{number:012}") for number in range(boxes))
    picture = Picture((), parts, tuple(Edge("b0", box.id) for box in parts[:edges]))
    page = markdown_page(page_of(replace(review_of(), picture=picture), "", ()))
    assert ("```mermaid" in page) is is_drawn
    assert ("The picture is too large for this page" in page) is not is_drawn


def everything_long() -> Any:
    """Return the page of a change whose every part is too long for a comment."""
    findings = [
        finding(name, f"cluster{number}", f"{number}" * 400)
        for name in CATEGORY_OF
        for number in range(9)
    ]
    boxes = tuple(Box(f"b{number}", "node", f"node{number}") for number in range(2_000))
    picture = Picture((), boxes, tuple(Edge("b0", box.id) for box in boxes))
    nodes = [Change("main", f"node{n}", Effect.REPLACEMENT, (f"y{n}" * 100,)) for n in range(300)]
    nodes += [Change("main", f"calm{number}", Effect.NOTHING) for number in range(3_000)]
    review = replace(
        review_of(*findings, effects=DeployEffects(nodes, (), (), (), is_changed=True)),
        picture=picture,
        accepted=tuple(findings),
        steps=tuple(Step(f"denodo-ha enable node{n}", "z" * 90) for n in range(300)),
        compared=("w " * 20_000,),
    )
    return page_of(review, "t" * 300, ["Stack x\n" + "[+] Something é\n" * 20_000])


def test_every_part_that_is_too_long_is_cut_with_a_word() -> None:
    text = markdown_page(everything_long())
    assert len(text) <= MOST_CHARACTERS
    assert text.rstrip().endswith("</details>")
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    for title, words in {
        "What gets worse": "… `denodo-ha review --html FILE -c CONFIG` writes the whole page.",
        "Access that widens": "more: `denodo-ha review --html FILE -c CONFIG` writes the whole",
        "Topology": "The picture is too large",
        "All differences of the templates": "The rest is cut: `make diff CONFIG=CONFIG` shows",
    }.items():
        assert words in sections[title]
    # A table that is cut ends with the number of rows that are left out.
    access = sections["Access that widens"]
    rows = access.count("\n| ") - 2
    wanted = sum(category == "access" for category in CATEGORY_OF.values()) * 9
    assert f"And {wanted - rows} more:" in access
    verdict = text.split("\n")[1]
    assert "alarm-lost (cluster0, cluster1, cluster2, cluster3 and 5 more)" in verdict
    assert verdict.endswith("and more, below")


@given(st.lists(st.integers(0, 90_000), max_size=12), st.integers(1_000, 70_000))
def test_shares_are_fair(lengths: list[int], total: int) -> None:
    shares = fair_shares(lengths, total)
    assert sum(shares) <= total
    assert all(share <= length for share, length in zip(shares, lengths, strict=True))
    cut = [share for share, length in zip(shares, lengths, strict=True) if share < length]
    # Each cut part is as long as the longest part of the page (or one character shorter), so only
    # the longest parts are cut.
    assert not cut or min(cut) >= max(shares) - 1
    assert not cut or sum(shares) > total - len(lengths)


LONG = st.integers(0, 60_000).map(lambda length: "a`b |" * (length // 5))
BLOCKS = st.one_of(
    LONG.map(Paragraph),
    LONG.map(lambda text: Folded("cdk diff", text.replace(" ", "\n"))),
    st.builds(
        lambda text, count: Table(
            "t", (Column("A", "name"), Column("B", "code")), (("a", text),) * count
        ),
        st.integers(0, 900).map(lambda length: "x" * length),
        st.integers(1, 900),
    ),
)


@settings(max_examples=15)
@given(st.lists(st.lists(BLOCKS, max_size=3), max_size=9))
def test_no_contents_make_the_page_too_long(contents: list[list[Block]]) -> None:
    sections = tuple(Section(f"Part {n}", tuple(blocks)) for n, blocks in enumerate(contents))
    page = markdown_page(Page("prod", "", Verdict("1 finding", is_clear=False), sections))
    assert len(page) <= MOST_CHARACTERS
    # Each part has its heading on the page, even if its text is cut.
    assert page.count("\n## Part ") == len(sections)


def test_foreign_texts_stay_texts() -> None:
    page = markdown_page(hostile_page())
    assert all(line.isprintable() for line in page.split("\n"))
    # The fence around the differences is longer than any fence in the differences, so the text of
    # the differences cannot end the fence.
    outside, _, folded = page.partition("<details>")
    assert folded.startswith("<summary>cdk diff</summary>\n\n````\n")
    for forged in ("\n# forged", "<script>", "</details>", "<img"):
        assert forged not in outside


@pytest.mark.parametrize("text", ["a -->", HOSTILE, "x" * 9_000])
def test_the_first_line_is_one_comment(text: str) -> None:
    review = replace(review_of(), environment=text)
    first = markdown_page(page_of(review, "", ())).split("\n")[0]
    assert first.startswith("<!-- denodo-ha review: ")
    assert first.index("-->") == len(first) - 3
