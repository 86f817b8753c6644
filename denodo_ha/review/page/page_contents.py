"""The contents of a review's page, in their order."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from denodo_ha.environment.facts.review_findings import Category
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.plan.change_rows import COLUMNS, change_rows
from denodo_ha.review.finding import TITLES, Finding, summary
from denodo_ha.review.next_steps import DeployEffects, Step
from denodo_ha.review.page.cost_section import cost_blocks
from denodo_ha.review.page.page_parts import (
    Block,
    Column,
    Drawing,
    Folded,
    Page,
    Paragraph,
    Section,
    Table,
    Verdict,
)
from denodo_ha.review.review import Review

_FINDING_COLUMNS: Final = (Column("Finding", "name"), Column("Where"), Column("Change"))
_STEP_COLUMNS: Final = (Column("Step", "name"), Column("Command", "code"), Column("Why"))
_EFFECTS_TITLE: Final = "Nodes, load balancers and databases"


def page_of(review: Review, revisions: str, differences: Sequence[str]) -> Page:
    """Return the page of a review.

    Args:
        review: the review.
        revisions: the description of the two revisions.
        differences: the differences between the templates, as `cdk diff` prints them.
    """
    sections = _sections(review, "\n\n".join(differences))
    return Page(review.environment, revisions, verdict_of(review), tuple(sections))


def verdict_of(review: Review) -> Verdict:
    """Return the verdict of a review."""
    accepted = tuple(summary(review.accepted))
    if not review.findings:
        text = (
            "Nothing found: nothing gets worse, clients notice no replacement, access does not "
            "widen, and no protection is turned off"
        )
        return Verdict(text, is_clear=True, accepted=accepted)
    count = len(review.findings)
    text = f"{count} finding{'' if count == 1 else 's'} to look at"
    names = tuple(summary(review.findings))
    return Verdict(text, is_clear=False, names=names, accepted=accepted)


def _sections(review: Review, differences: str) -> Iterator[Section]:
    """Yield the sections: the outcome, the deploy, rights, the picture, and what to do next."""
    yield Section(
        TITLES["worse"],
        (
            *(_findings(review, "worse") or (Paragraph("Nothing."),)),
            *map(Paragraph, review.compared),
        ),
    )
    yield Section(_EFFECTS_TITLE, (*_findings(review, "replacement"), *_effects(review.effects)))
    for category in ("access", "protection"):
        if table := _findings(review, category):
            yield Section(TITLES[category], table)
    if review.cost is not None:
        blocks = (*_findings(review, "cost"), *cost_blocks(review.cost))
        yield Section(TITLES["cost"], blocks)
    if review.accepted:
        title = "Accepted until a date, by the configuration"
        yield Section(title, (_table_of_findings(title, review.accepted),))
    if review.picture is not None:
        yield Section("Topology", (Drawing(review.picture),))
    yield _steps(review.steps)
    if differences:
        yield Section("Every difference of the templates", (Folded("cdk diff", differences),))


def _findings(review: Review, category: Category) -> tuple[Block, ...]:
    """Return the table of the findings of a category, or nothing."""
    items = [item for item in review.findings if item.category == category]
    return (_table_of_findings(TITLES[category], items),) if items else ()


def _table_of_findings(title: str, findings: Iterable[Finding]) -> Table:
    rows = tuple((item.name, item.where, item.text) for item in findings)
    return Table(title, _FINDING_COLUMNS, rows)


def _effects(effects: DeployEffects) -> Iterator[Block]:
    """Yield a table of what a deploy changes, and a sentence on what it does not touch."""
    rows = change_rows(effects.nodes, effects.balancers, effects.databases)
    touched = tuple(tuple(row) for row in rows if row[2] != Effect.NOTHING.value)
    if touched:
        cluster, node, deploy, *others = COLUMNS
        columns = (
            *(Column(cluster), Column(node, "name"), Column(deploy, "effect")),
            *map(Column, others),
        )
        yield _without_empty_columns(Table("What a deploy does", columns, touched))
    untouched = [row[:2] for row in rows if row[2] == Effect.NOTHING.value]
    if untouched:
        clusters = groupby(sorted(untouched, key=lambda row: row[0]), key=lambda row: row[0])
        texts = (f"{name}: {', '.join(part for _, part in parts)}" for name, parts in clusters)
        yield Paragraph(f"A deploy does not touch these: {'; '.join(texts)}.")
    if not rows:
        yield Paragraph("The templates have no node, load balancer or database.")


def _without_empty_columns(table: Table) -> Table:
    filled = [
        index for index, _ in enumerate(table.columns) if any(row[index] for row in table.rows)
    ]
    return Table(
        table.caption,
        tuple(table.columns[index] for index in filled),
        tuple(tuple(row[index] for index in filled) for row in table.rows),
    )


def _steps(steps: Sequence[Step]) -> Section:
    if not steps:
        return Section("Afterwards", (Paragraph("Nothing to run: no template differs."),))
    rows = tuple(
        (str(number), step.command, step.why) for number, step in enumerate(steps, start=1)
    )
    title = "Afterwards, in this order"
    return Section(title, (Table(title, _STEP_COLUMNS, rows),))
