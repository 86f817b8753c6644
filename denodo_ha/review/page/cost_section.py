"""The section of a review's page on the monthly cost."""

from collections.abc import Iterator
from typing import Final

from denodo_ha.environment.full_command import full_command
from denodo_ha.review.cost.cost_change import CostChange, SumChange
from denodo_ha.review.cost.price_list import HOURS
from denodo_ha.review.page.page_parts import Block, Column, Paragraph, Table

_SUM_COLUMNS: Final = (
    Column("Cluster", "name"),
    *(Column(title, "number") for title in ("Before", "After", "Difference")),
)
_ITEM_COLUMNS: Final = (
    Column("Cluster"),
    Column("Item", "name"),
    Column("Before", "number"),
    Column("After", "number"),
)


def cost_blocks(change: CostChange) -> Iterator[Block]:
    """Yield the monthly cost before and after a change, and the items that differ."""
    scopes = [scope for scope in change.scopes if scope.rise or not scope.is_known]
    if scopes:
        rows = tuple(map(_row, (*scopes, change.total)))
        yield Table("USD a month, before and after", _SUM_COLUMNS, rows)
    else:
        yield Paragraph(f"No difference: {change.total.after} USD a month.")
    if change.items:
        rows = tuple((item.scope, item.item, item.before, item.after) for item in change.items)
        yield Table("Items that differ: amount, and USD a month", _ITEM_COLUMNS, rows)
    yield Paragraph(_basis(change))


def _row(change: SumChange) -> tuple[str, ...]:
    return change.scope or "Total", str(change.before), str(change.after), str(change)


def _basis(change: CostChange) -> str:
    sources = dict.fromkeys((*change.before.sources, *change.after.sources))
    dates = sorted(source.published for source in sources)
    since = f" of {dates[0]} to {dates[-1]}" if dates else ""
    return (
        f"List prices{since} for {HOURS} hours, without tax, discounts, and items that AWS charges "
        f"by use. `{full_command('cost')}` lists each item, with the page of its price."
    )
