"""The report of `denodo-ha cost`: cells of its tables, notes, and JSON."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from denodo_ha.environment.full_command import full_command
from denodo_ha.review.cost.monthly_cost import CostLine, MonthlyCost
from denodo_ha.review.cost.price_list import HOURS

COLUMNS: Final = ("Item", "Amount", "USD each", "USD a month")


def cells(line: CostLine) -> tuple[str, str, str, str]:
    """Return the cells of a line of the cost, in the order of `COLUMNS`."""
    if line.is_by_use:
        return line.item.name, "", "by use", line.item.note
    amount = f"{line.item.amount:,}"
    if line.usd is None:
        note = f" ({line.item.note})" if line.item.note else ""
        return line.item.name, amount, "unknown", f"unknown{note}"
    return line.item.name, amount, f"{line.usd:f} a {line.item.unit}", f"{line.month:,.2f}"


def notes(result: MonthlyCost) -> Iterator[str]:
    """Yield notes on the numbers: missing prices, and the sources."""
    if not result.month.is_complete:
        yield (
            "A sum with `at least` lacks items whose price is unknown. "
            f"`{full_command('cost', '--online')}` reads AWS's current price list. The size of an "
            "image's disks is known only with `disk_gib`."
        )
    if result.sources:
        texts = (f"{source.title} ({source.published})" for source in result.sources)
        yield f"Prices: {'; '.join(texts)}."
    yield (
        "The sums contain the resources that the stacks create and that AWS charges by time, "
        "without tax and discounts. Existing instances, networks and addresses are not contained."
    )


def json_report(result: MonthlyCost) -> Mapping[str, object]:
    """Return the report of `denodo-ha cost --format json`."""
    return {
        "currency": "USD",
        "hours": HOURS,
        "month": _number(result.month.usd),
        "is_complete": result.month.is_complete,
        "clusters": [
            {
                "name": scope.name,
                "region": scope.region,
                "month": _number(scope.month.usd),
                "is_complete": scope.month.is_complete,
                "items": list(map(_json_line, scope.lines)),
            }
            for scope in result.scopes
        ],
        "sources": result.sources,
    }


def _json_line(line: CostLine) -> Mapping[str, object]:
    kind = "use" if line.is_by_use else "unknown" if line.is_unknown else "time"
    return {
        "item": line.item.name,
        "charged_by": kind,
        "amount": None if line.is_by_use else _number(line.item.amount),
        "unit": None if line.is_by_use else line.item.unit,
        "usd": None if line.usd is None else _number(line.usd),
        "month": None if line.month is None else _number(line.month),
        "note": line.item.note,
        "source": line.source.title if line.source else None,
    }


def _number(value: Decimal) -> float | int:
    """Return a decimal as a number for JSON, whole numbers without a fraction."""
    return int(value) if value == value.to_integral_value() else float(value)
