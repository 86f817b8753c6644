"""Reader of AWS's price list files: one service in one region, in JSON.

    {"formatVersion": "v1.0", "offerCode": "AWSELB", "publicationDate": "2026-...",
     "products": {SKU: {"productFamily": ..., "attributes": {...}}, ...},
     "terms": {"OnDemand": {SKU: {TERM: {"priceDimensions": {RATE: {...}}}}}, "Reserved": ...}}

(AWS, AWS Billing User Guide, "Reading the service price list file for an AWS service".) EC2's file
of one region has 0.4 GB. The reader keeps one product or term in memory at a time, and reads the
file to its end, so that a truncated file is refused.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol

from denodo_ha.review.cost.price_list import GLOBAL

LARGEST: Final = 3 * 1024**3
"""Project limit in bytes: EC2's file of eu-west-1 had 441,439,512 bytes on 2026-09-25."""
_LARGEST_ENTRY: Final = 4 * 1024**2
"""Project limit, in characters, of one product or term. Real entries have a few thousand."""
_CHUNK: Final = 1024**2

SERVICES: Final = (
    *("AmazonEC2", "AWSELB", "AmazonVPC", "AmazonRoute53", "AmazonCloudWatch", "awskms"),
    *("AWSSecretsManager", "AmazonRDS"),
)
"""Service codes of the files with prices of the stacks' resources."""
GLOBAL_SERVICES: Final = frozenset({"AmazonRoute53"})
"""Services whose prices are the same for all regions."""

_REGION_OF_USAGE: Final = r"(?:(?:EU|[A-Z]{2,4}\d)-|[a-z]{2}(?:-[a-z]+)+-\d-)?"
"""Region at the beginning of a usage type, such as `EUC1-`, `EU-` or `eu-west-1-`."""


class OfferFileError(Exception):
    """A file that is not a complete price list file of a known service."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


@dataclass(frozen=True)
class Offer:
    """The prices of a price list file.

    Attributes:
        service: the service code.
        published: the date of the file.
        prices: the prices as text by region and item.
    """

    service: str
    published: str
    prices: Mapping[str, Mapping[str, str]]


def read_offer(stream: Readable) -> Offer:
    """Return the prices that a price list file has for the items of our stacks.

    Raises:
        OfferFileError: The file is damaged, incomplete, too large, or of another kind.
    """
    entries = _Entries(stream)
    details: dict[str, str] = {}
    wanted: dict[str, tuple[str, str]] = {}
    found: dict[tuple[str, str], set[str]] = {}
    try:
        for path, value in entries.entries():
            match path:
                case [key] if isinstance(value, str):
                    details[key] = value
                case ["products", sku]:
                    if item := _item(details.get("offerCode", ""), value):
                        wanted[sku] = item
                case ["terms", "OnDemand", sku] if sku in wanted:
                    if usd := _first_paid(value):
                        found.setdefault(wanted[sku], set()).add(usd)
    except (AttributeError, TypeError, KeyError, InvalidOperation) as error:
        message = (
            f"the file is not a price list file of AWS: an entry has an unexpected form ({error!r})"
        )
        raise OfferFileError(message) from None
    return _offer(details, found)


def _offer(details: Mapping[str, str], found: Mapping[tuple[str, str], set[str]]) -> Offer:
    service = details.get("offerCode", "")
    if details.get("formatVersion") != "v1.0" or not service:
        raise OfferFileError(
            "the file is not a price list file of AWS: formatVersion v1.0 or offerCode is missing"
        )
    if service not in SERVICES:
        message = (
            f"the file has the prices of {service}, which this project does not use; the services "
            f"are {', '.join(SERVICES)}"
        )
        raise OfferFileError(message)
    published = details.get("publicationDate", "")[:10]
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", published):
        raise OfferFileError("the publicationDate of the file is not a date")
    prices: dict[str, dict[str, str]] = {}
    for (region, item), usd in sorted(found.items()):
        # The file has two prices for one item, because it distinguishes more products than this
        # reader. The price of the item is therefore unknown.
        if len(usd) == 1:
            prices.setdefault(region, {})[item] = next(iter(usd))
    if not prices:
        message = (
            f"the file has no on-demand price in USD for resources of {service} that this project "
            "uses"
        )
        raise OfferFileError(message)
    return Offer(service, published, prices)


def _first_paid(terms: Mapping[str, Any]) -> str:
    """Return the price of the first tier that is not free; empty without a price in USD."""
    tiers = [
        (Decimal(dimension.get("beginRange", "0")), Decimal(dimension["pricePerUnit"]["USD"]))
        for term in terms.values()
        for dimension in term["priceDimensions"].values()
        if "USD" in dimension["pricePerUnit"]
    ]
    paid = sorted((begin, usd) for begin, usd in tiers if usd > 0)
    return format(paid[0][1].normalize(), "f") if paid else ""


def _item(service: str, product: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return region and item of a product, None for a product that the stacks do not use."""
    attributes: Mapping[str, str] = product["attributes"]
    if attributes.get("locationType", "AWS Region") != "AWS Region" and service != "AmazonRoute53":
        return None
    reader = _ITEMS.get(service)
    item = reader(product.get("productFamily", ""), attributes) if reader else ""
    region = GLOBAL if service in GLOBAL_SERVICES else attributes.get("regionCode", "")
    return (region, item) if item and region else None


def _usage(attributes: Mapping[str, str]) -> str:
    """Return the usage type without its region."""
    return re.sub(f"^{_REGION_OF_USAGE}", "", attributes.get("usagetype", ""))


def _ec2_item(family: str, attributes: Mapping[str, str]) -> str:
    instance = {
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "preInstalledSw": "NA",
        "operation": "RunInstances",
    }
    if family.startswith("Compute Instance"):
        is_plain = all(attributes.get(key) == value for key, value in instance.items())
        return f"ec2 {attributes['instanceType']}" if is_plain else ""
    if family == "Storage" and "volumeApiName" in attributes:
        return f"ebs {attributes['volumeApiName']}"
    return "nat-gateway" if _usage(attributes) == "NatGateway-Hours" else ""


def _elb_item(family: str, attributes: Mapping[str, str]) -> str:
    kind = {"Load Balancer-Network": "network", "Load Balancer-Application": "application"}
    is_hour = _usage(attributes) == "LoadBalancerUsage"
    return f"elb {kind[family]}" if is_hour and family in kind else ""


def _rds_item(family: str, attributes: Mapping[str, str]) -> str:
    if attributes.get("deploymentOption") != "Multi-AZ":
        return ""
    usage = _usage(attributes)
    if family == "Database Instance" and attributes.get("databaseEngine") == "PostgreSQL":
        is_plain = usage == f"Multi-AZUsage:{attributes['instanceType']}"
        return f"rds-multi-az {attributes['instanceType']}" if is_plain else ""
    is_gp3 = attributes.get("volumeType") == "General Purpose-GP3"
    engines = {"PostgreSQL", "Any"}
    if family == "Database Storage" and is_gp3 and attributes.get("databaseEngine") in engines:
        return "rds-multi-az-storage gp3"
    return ""


def _by_usage(items: Mapping[str, str]) -> Callable[[str, Mapping[str, str]], str]:
    """Return a function that names the item of a product by the product's usage type alone."""
    return lambda _family, attributes: items.get(_usage(attributes), "")


_ITEMS: Final[Mapping[str, Callable[[str, Mapping[str, str]], str]]] = {
    "AmazonEC2": _ec2_item,
    "AWSELB": _elb_item,
    "AmazonVPC": _by_usage(
        {"VpcEndpoint-Hours": "vpc-endpoint", "PublicIPv4:InUseAddress": "public-ipv4"}
    ),
    "AmazonRoute53": _by_usage(
        {"HostedZone": "route53-zone", "Health-Check-Option-AWS": "route53-check-option"}
    ),
    "AmazonCloudWatch": _by_usage(
        {
            "CW:AlarmMonitorUsage": "alarm",
            "CW:HighResAlarmMonitorUsage": "high-resolution-alarm",
            "CW:CompositeAlarmMonitorUsage": "composite-alarm",
        }
    ),
    "awskms": _by_usage({"KMS-Keys": "kms-key"}),
    "AWSSecretsManager": _by_usage({"AWSSecretsManager-Secrets": "secret"}),
    "AmazonRDS": _rds_item,
}


class _Entries:
    """Reader of a price list file, which reads one entry at a time."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._position, self._size, self._rest = "", 0, 0, b""
        self._is_at_end = False

    def entries(self) -> Iterator[tuple[list[str], Any]]:
        """Yield each entry with its path: products, terms of products, and the file's details."""
        for key in self._keys():
            if key == "products":
                yield from (([key, sku], self._value()) for sku in self._keys())
            elif key == "terms":
                for kind in self._keys():
                    yield from (([key, kind, sku], self._value()) for sku in self._keys())
            else:
                yield [key], self._value()
        if self._next() != "":
            raise OfferFileError("text follows the end of the price list file")

    def _keys(self) -> Iterator[str]:
        """Yield the keys of a JSON object; the caller must read the value after each key."""
        self._expect("{")
        if self._next() == "}":
            self._position += 1
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise OfferFileError("the file is not JSON: a key is not a text")
            self._expect(":")
            yield key
            if self._next() == "}":
                self._position += 1
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        found = self._next()
        if found != character:
            raise OfferFileError(self._damaged() if found else "the file is truncated")
        self._position += 1

    def _next(self) -> str:
        """Return the next character that is not white space; empty at the end of the file."""
        while True:
            rest = re.compile(r"\s*").match(self._text, self._position)
            self._position = rest.end() if rest else self._position
            if self._position < len(self._text) or not self._fill():
                return self._text[self._position : self._position + 1]

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = self._decode(self._text, self._position)
            except RecursionError:
                raise OfferFileError("the values of the file are nested too deeply") from None
            except ValueError:
                value, end = None, len(self._text)
            # A value at the end of the text may continue in the next part of the file.
            if end < len(self._text):
                self._position = end
                return value
            if len(self._text) - self._position > _LARGEST_ENTRY:
                raise OfferFileError(self._damaged())
            if not self._fill():
                raise OfferFileError("the file is truncated")

    def _fill(self) -> bool:
        """Read the next part of the file; return False at its end."""
        if self._is_at_end:
            return False
        content = self._stream.read(_CHUNK)
        self._size += len(content)
        if self._size > LARGEST:
            message = f"the file has more than {LARGEST:,} bytes"
            raise OfferFileError(message)
        self._is_at_end = not content
        content = self._rest + content
        # A character of UTF-8 has at most four bytes, and may continue in the next part.
        for kept in range(4):
            end = len(content) - kept
            try:
                text = content[:end].decode()
            except UnicodeDecodeError:
                if self._is_at_end:
                    break
                continue
            self._rest = content[end:]
            self._text = self._text[self._position :] + text
            self._position = 0
            return bool(content) or not self._is_at_end
        raise OfferFileError("the file is not UTF-8, so it is not a price list file in JSON")

    def _damaged(self) -> str:
        begin = self._text[self._position : self._position + 40]
        return f"the file is not a price list file in JSON: the error is at {begin!r}"
