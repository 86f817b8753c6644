"""Monthly cost of stacks at list prices: lines by cluster and item, and their sums."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.deployed.stack import resource_tag, resources_of
from denodo_ha.environment import names
from denodo_ha.review.cost.cost_items import Item, charged_items
from denodo_ha.review.cost.price_list import HOURS, Prices, Source

_CENT: Final = Decimal("0.01")


@dataclass(frozen=True)
class CostLine:
    """The cost of an item.

    Attributes:
        item: the item.
        usd: US dollars for a unit; None for an unknown price and for an item charged by use.
        source: the source of the price, None without a price.
    """

    item: Item
    usd: Decimal | None
    source: Source | None

    @property
    def is_by_use(self) -> bool:
        """Return whether the item is charged by use alone."""
        return self.item.price is None

    @property
    def is_unknown(self) -> bool:
        """Return whether the price of the item is unknown."""
        return self.usd is None and not self.is_by_use

    @property
    def month(self) -> Decimal | None:
        """Return US dollars for a month of 730 hours, None without a price."""
        if self.usd is None:
            return None
        hours = HOURS if self.item.unit == "hour" else 1
        return (self.usd * self.item.amount * hours).quantize(_CENT)


@dataclass(frozen=True)
class MonthlySum:
    """A sum of monthly costs.

    Attributes:
        usd: the sum of the known prices.
        is_complete: False if a price is unknown: the real sum is higher.
    """

    usd: Decimal
    is_complete: bool

    def __str__(self) -> str:
        """Return the sum as text, such as `at least 412.30`."""
        if not self.usd and not self.is_complete:
            return "unknown"
        return f"{'' if self.is_complete else 'at least '}{self.usd:,.2f}"


@dataclass(frozen=True)
class ScopeCost:
    """The cost of a cluster, or of a stack that belongs to no cluster.

    Attributes:
        name: name of the cluster or stack.
        region: the region.
        lines: the lines by item.
    """

    name: str
    region: str
    lines: tuple[CostLine, ...]

    @cached_property
    def month(self) -> MonthlySum:
        """The monthly sum of the cluster or stack."""
        return _sum(self.lines)


@dataclass(frozen=True)
class MonthlyCost:
    """The cost of an environment.

    Attributes:
        scopes: the clusters, and the stacks that belong to no cluster.
    """

    scopes: tuple[ScopeCost, ...]

    @cached_property
    def lines(self) -> tuple[CostLine, ...]:
        """Cost lines of all scopes."""
        return tuple(line for scope in self.scopes for line in scope.lines)

    @cached_property
    def month(self) -> MonthlySum:
        """The monthly sum of the environment."""
        return _sum(self.lines)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the prices."""
        return tuple(dict.fromkeys(line.source for line in self.lines if line.source))


def monthly_cost(stacks: Iterable[SynthesisedStack], prices: Prices) -> MonthlyCost:
    """Return the monthly cost of stacks; the stacks of one cluster are one scope."""
    scopes: dict[tuple[str, str], list[SynthesisedStack]] = {}
    for stack in stacks:
        scopes.setdefault((_cluster(stack), stack.region), []).append(stack)
    return MonthlyCost(
        tuple(
            ScopeCost(name, region, tuple(_lines(charged_items(each), prices)))
            for (name, region), each in scopes.items()
        )
    )


def _lines(items: Sequence[Item], prices: Prices) -> Iterable[CostLine]:
    for item in items:
        price = prices.get(item.price) if item.price else None
        yield CostLine(item, price.usd if price else None, price.source if price else None)


def _sum(lines: Iterable[CostLine]) -> MonthlySum:
    each = tuple(lines)
    usd = sum((line.month for line in each if line.month is not None), Decimal(0))
    return MonthlySum(usd, not any(line.is_unknown for line in each))


def _cluster(stack: SynthesisedStack) -> str:
    """Return the name of a stack's cluster; for a stack without a cluster, the stack's name."""
    resources = resources_of(stack.template).values()
    tags = (resource_tag(properties, names.CLUSTER_TAG) for _, properties in resources)
    return next((tag for tag in tags if tag), stack.name)
