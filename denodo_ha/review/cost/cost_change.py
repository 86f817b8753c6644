"""The monthly cost before and after a change: by cluster, by item, and against a limit."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.environment.full_command import full_command
from denodo_ha.review.cost.monthly_cost import (
    CostLine,
    MonthlyCost,
    MonthlySum,
    ScopeCost,
    monthly_cost,
)
from denodo_ha.review.cost.price_list import Prices
from denodo_ha.review.finding import Finding, finding


@dataclass(frozen=True)
class SumChange:
    """A monthly sum before and after a change.

    Attributes:
        scope: cluster or stack; empty for the sum of the whole environment.
        before: the sum before.
        after: the sum after.
        is_known: True if the same resources have unknown prices before and after, so that the known
            prices contain the whole difference.
    """

    scope: str
    before: MonthlySum
    after: MonthlySum
    is_known: bool

    @property
    def rise(self) -> Decimal:
        """Return the rise of the sum of the known prices; negative if it falls."""
        return self.after.usd - self.before.usd

    @property
    def percent(self) -> Decimal | None:
        """Return the rise in percent of the earlier known prices; None without such prices."""
        return 100 * self.rise / self.before.usd if self.before.usd else None

    def __str__(self) -> str:
        """Return the difference as text, such as `+120.00 (+12.5 %)`."""
        percent = "" if self.percent is None else f" ({self.percent:+.1f} %)"
        text = f"{self.rise:+,.2f}{percent}" if self.rise else "0.00"
        return text if self.is_known else f"{text}, without items of unknown price"


@dataclass(frozen=True)
class ItemChange:
    """An item whose monthly cost changes.

    Attributes:
        scope: cluster or stack.
        item: the item.
        before: amount and US dollars a month before.
        after: amount and US dollars a month after.
    """

    scope: str
    item: str
    before: str
    after: str


@dataclass(frozen=True)
class CostChange:
    """The monthly cost before and after a change.

    Attributes:
        before: the cost before.
        after: the cost after.
    """

    before: MonthlyCost
    after: MonthlyCost

    @cached_property
    def total(self) -> SumChange:
        """Monthly sum of the environment before and after the change."""
        return _sum_change("", self.before, self.after)

    @cached_property
    def scopes(self) -> tuple[SumChange, ...]:
        """The sums of the clusters and other stacks."""
        return tuple(_sum_change(name, *sides) for name, sides in self._sides.items())

    @cached_property
    def items(self) -> tuple[ItemChange, ...]:
        """Items whose amount or price differs before and after the change."""
        return tuple(
            ItemChange(name, item, _text(before, item), _text(after, item))
            for name, (before, after) in self._sides.items()
            for item in dict.fromkeys((*_amounts(before), *_amounts(after)))
            if _amounts(before).get(item) != _amounts(after).get(item)
        )

    @cached_property
    def _sides(self) -> dict[str, tuple[ScopeCost, ScopeCost]]:
        """The cost of each cluster or stack before and after, by name and regardless of region."""
        before, after = _by_name(self.before), _by_name(self.after)
        none = ScopeCost("", "", ())
        return {
            name: (before.get(name, none), after.get(name, none))
            for name in dict.fromkeys((*after, *before))
        }


def cost_change(
    base: Iterable[SynthesisedStack], new: Iterable[SynthesisedStack], prices: Prices
) -> CostChange:
    """Return the monthly cost of two sets of stacks at the same prices."""
    return CostChange(monthly_cost(base, prices), monthly_cost(new, prices))


def cost_findings(change: CostChange, limit: Decimal | None) -> Iterator[Finding]:
    """Yield the findings of a cost that rises by more than a limit, or by an unknown amount.

    Args:
        change: the change.
        limit: the limit in percent; None for no findings.
    """
    if limit is None or not change.before.scopes:
        return
    total = change.total
    sums = f"{total.before} -> {total.after} USD a month, {total}"
    rising = [scope for scope in change.scopes if scope.rise > 0]
    where = ", ".join(scope.scope for scope in rising)
    if total.rise > 0 and (total.percent is None or total.percent > limit):
        yield finding("cost-higher", where, f"{sums}; the limit is +{limit.normalize():f} %")
    unknown = [scope for scope in change.scopes if not scope.is_known]
    if unknown:
        names = ", ".join(dict.fromkeys(item.item for item in _unknown_items(change)))
        text = (
            "the prices of these items are unknown, so the cost may rise by more than the limit: "
            f"{names}; `{full_command('cost', '--online')}` reads AWS's price list"
        )
        yield finding("cost-unknown", ", ".join(scope.scope for scope in unknown), text)


def _unknown_items(change: CostChange) -> Iterator[ItemChange]:
    unknown = {
        line.item.name
        for side in (change.before, change.after)
        for line in side.lines
        if line.is_unknown
    }
    return (item for item in change.items if item.item in unknown)


def _sum_change(
    scope: str, before: MonthlyCost | ScopeCost, after: MonthlyCost | ScopeCost
) -> SumChange:
    return SumChange(scope, before.month, after.month, _unknown(before) == _unknown(after))


def _unknown(side: MonthlyCost | ScopeCost) -> dict[tuple[object, ...], Decimal]:
    """Return the amounts of the items with unknown prices."""
    amounts: dict[tuple[object, ...], Decimal] = {}
    for line in side.lines:
        if line.is_unknown:
            key = (line.item.price, line.item.name)
            amounts[key] = amounts.get(key, Decimal(0)) + line.item.amount
    return amounts


def _by_name(cost: MonthlyCost) -> dict[str, ScopeCost]:
    lines: dict[str, tuple[CostLine, ...]] = {}
    for scope in cost.scopes:
        lines[scope.name] = (*lines.get(scope.name, ()), *scope.lines)
    return {name: ScopeCost(name, "", each) for name, each in lines.items()}


def _amounts(scope: ScopeCost) -> dict[str, tuple[Decimal, Decimal | None]]:
    """Return amount and monthly cost of each item that is charged by time."""
    return {
        line.item.name: (line.item.amount, line.month) for line in scope.lines if not line.is_by_use
    }


def _text(scope: ScopeCost, item: str) -> str:
    amount, month = _amounts(scope).get(item, (Decimal(0), None))
    if not amount:
        return "none"
    return f"{amount:,} for {'unknown' if month is None else f'{month:,.2f}'}"
