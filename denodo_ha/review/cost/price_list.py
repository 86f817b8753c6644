"""List prices of AWS, each with the page and the date of its source.

`prices.json` beside this module has prices that were read on AWS's pages, or in a copy of AWS's
data. `denodo-ha cost --update` and `--online` write a file of the same form, `config/prices.json`,
whose prices take precedence. Neither file has prices without a source: such prices are unknown.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, Final

from denodo_ha.cli import configuration_choice
from denodo_ha.cli.errors import Failed, UsageError
from denodo_ha.cli.output import json_text
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.bounded_document import DocumentError, Limits, load_json
from denodo_ha.environment.loading.text_file import UnreadableFileError, read_text_file

HOURS: Final = 730
"""Hours of a month, as in the AWS Pricing Calculator (AWS, AWS Pricing Calculator User Guide)."""
GLOBAL: Final = "global"
"""Region of the prices that are the same for all regions, such as those of Route 53."""

_FORMAT: Final = 1
_LIMITS: Final = Limits(size=8 * 1024**2, depth=8, values=400_000)
"""Project limits for a price file: the instance types of one region have about 800 prices."""
_MOST_USD: Final = Decimal(10_000)
"""Project limit: a price above this limit is an error in the file."""


@dataclass(frozen=True)
class Source:
    """The source of prices.

    Attributes:
        title: the page and its publisher.
        url: address of the page's data, or name of the file.
        published: the date of the data.
        copy: the copy of the data in which the prices were read; empty for the data itself.
    """

    title: str
    url: str
    published: str
    copy: str = ""


@dataclass(frozen=True)
class Price:
    """A list price.

    Attributes:
        usd: US dollars for a unit of the item.
        source: the source.
    """

    usd: Decimal
    source: Source


Prices = Mapping[tuple[str, str], Price]
"""Prices by region and item, such as `("eu-west-1", "ec2 m7i.xlarge")`."""


def user_file() -> Path:
    """Return the user's own price file: `config/prices.json` of the clone or current folder."""
    return configuration_choice.configuration_root() / "config" / "prices.json"


def known_prices() -> Prices:
    """Return the prices of this package and, with precedence, those of the user's own file.

    Raises:
        UsageError: The user's file is not a price file.
    """
    file = user_file()
    return {**shipped_prices(), **(read_prices(file) if file.exists() else {})}


def read_prices(file: Path) -> Prices:
    """Return the prices of a file.

    Raises:
        UsageError: The file cannot be read, or is not a price file.
    """
    try:
        document = load_json(read_text_file(file, _LIMITS.size), _LIMITS)
        return {
            (region, item): Price(_usd(value, region, item), source)
            for source, regions in _sources(document)
            for region, items in regions.items()
            for item, value in items.items()
        }
    except DocumentError as error:
        reason = f"{error.what}{error.suffix}"
    except UnreadableFileError as error:
        reason = str(error)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = (
            str(error) if isinstance(error, ValueError) else f"an entry has no valid form: {error}"
        )
    message = (
        f"{file} is not a file of prices ({reason}): remove the file, and write a new file with "
        f"`{full_command('cost', '--online')}`"
    )
    raise UsageError(message)


def updated_file(
    file: Path, sources: Iterable[tuple[Source, Mapping[str, Mapping[str, str]]]]
) -> None:
    """Write prices to a price file, in place of the prices of sources with the same titles.

    The file is read first, and replaced as a whole when its new content is complete.

    Raises:
        UsageError: The file exists and is not a price file.
        Failed: The file cannot be written.
    """
    document: dict[str, Any] = {"format": _FORMAT, "currency": "USD", "sources": []}
    if file.exists():
        read_prices(file)
        document = load_json(read_text_file(file, _LIMITS.size), _LIMITS)
    for source, prices in sources:
        entry = {"title": source.title, "url": source.url, "published": source.published}
        others = [each for each in document["sources"] if each["title"] != source.title]
        document["sources"] = [*others, {**entry, "prices": prices}]
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        new.write_text(f"{json_text(document)}\n", encoding="utf-8")
        read_prices(new)
        new.replace(file)
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}. The prices were not changed"
        raise Failed(message) from None
    finally:
        new.unlink(missing_ok=True)


@cache
def shipped_prices() -> Prices:
    """Return the prices that this package contains, in prices.json."""
    return read_prices(Path(__file__).with_name("prices.json"))


def _sources(document: Any) -> list[tuple[Source, Mapping[str, Mapping[str, Any]]]]:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        message = f"the value of `format` is not {_FORMAT}"
        raise ValueError(message)
    if document["currency"] != "USD":
        raise ValueError("the value of `currency` is not USD")
    return [(_source(entry), entry["prices"]) for entry in document["sources"]]


def _source(entry: Mapping[str, Any]) -> Source:
    texts = [entry[key] for key in ("title", "url", "published")] + [entry.get("copy", "")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a source has a title, url, published or copy that is not a text")
    return Source(*texts)


def _usd(value: Any, region: str, item: str) -> Decimal:
    """Return a price in USD; raise an error unless the price is above 0, up to `_MOST_USD`."""
    try:
        usd = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        usd = Decimal("NaN")
    if not (usd.is_finite() and 0 < usd <= _MOST_USD):
        message = (
            f"{item} in {region}: {value!r} is not a price between 0 and {_MOST_USD} USD as text"
        )
        raise ValueError(message)
    return usd
