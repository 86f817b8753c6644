"""The contents of a review's page, in their order."""

from collections.abc import Iterable, Iterator, Sequence
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
    """Yield the sections: outcome, deploy, access, protections, cost, picture and next steps."""
    yield Section(
        TITLES["worse"],
        (
            *(_findings(review, "worse") or (Paragraph("Nothing found."),)),
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
        title = "Findings that the configuration accepts until a date"
        yield Section(title, (_table_of_findings(title, review.accepted),))
    if review.picture is not None:
        yield Section("Topology", (Drawing(review.picture),))
    yield _steps(review.steps)
    if differences:
        yield Section("All differences of the templates", (Folded("cdk diff", differences),))


def _findings(review: Review, category: Category) -> tuple[Block, ...]:
    """Return the table of the findings of a category, or nothing."""
    items = [item for item in review.findings if item.category == category]
    return (_table_of_findings(TITLES[category], items),) if items else ()


def _table_of_findings(title: str, findings: Iterable[Finding]) -> Table:
    """Return a table with a row for each finding; findings with the same text share a row."""
    places: dict[tuple[str, str], list[str]] = {}
    for item in findings:
        places.setdefault((item.name, item.text), []).append(item.where)
    rows = tuple(
        (name, "\n".join(_joined(where.partition(": ")[::2] for where in wheres)), text)
        for (name, text), wheres in places.items()
    )
    return Table(title, _FINDING_COLUMNS, rows)


def _joined(places: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield `CLUSTER: PART, PART` for each cluster of places, or the cluster alone."""
    parts: dict[str, list[str]] = {}
    for cluster, part in places:
        parts.setdefault(cluster, []).append(part)
    for cluster, names in parts.items():
        named = ", ".join(filter(None, names))
        yield f"{cluster}: {named}" if named else cluster


def _effects(effects: DeployEffects) -> Iterator[Block]:
    """Yield a table of a deploy's effects, and a sentence on resources without an effect."""
    rows = change_rows(effects.nodes, effects.balancers, effects.databases)
    touched = [row for row in rows if row[2] != Effect.NOTHING.value]
    if touched:
        cluster, node, deploy, *others = COLUMNS
        columns = (
            *(Column(cluster), Column(node, "name"), Column(deploy, "effect")),
            *map(Column, others),
        )
        yield _without_empty_columns(Table("What a deploy does", columns, _merged(touched)))
    untouched = [(row[0], row[1]) for row in rows if row[2] == Effect.NOTHING.value]
    if untouched:
        yield Paragraph(f"A deploy does not change {'; '.join(_joined(untouched))}.")
    if not rows:
        yield Paragraph("The templates have no node, load balancer or database.")


def _merged(rows: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return rows of effects; nodes of a cluster with the same effect share a row."""
    nodes: dict[tuple[str, ...], list[str]] = {}
    for cluster, node, *effect in rows:
        nodes.setdefault((cluster, *effect), []).append(node)
    return tuple((key[0], ", ".join(names), *key[1:]) for key, names in nodes.items())


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
