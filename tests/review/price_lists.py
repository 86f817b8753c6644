"""Price list files of AWS in their documented form, with one product or a few.

(AWS, AWS Billing User Guide, "Reading the service price list file for an AWS service".)
"""

import json
from collections.abc import Mapping
from typing import Any

REGION = "eu-central-1"


def dimension(usd: str, begin: str = "0", currency: str = "USD") -> dict[str, Any]:
    """Return a price dimension: a price per unit, for a range of use."""
    return {
        "rateCode": "R",
        "description": "a price",
        "beginRange": begin,
        "endRange": "Inf",
        "unit": "Hrs",
        "appliesTo": [],
        "pricePerUnit": {currency: usd},
    }


def product(family: str, usd: str | list[dict[str, Any]], **attributes: str) -> dict[str, Any]:
    """Return a product with its on-demand price, or with several price dimensions."""
    dimensions = [dimension(usd)] if isinstance(usd, str) else usd
    region = {"location": "EU (Frankfurt)", "locationType": "AWS Region", "regionCode": REGION}
    return {"family": family, "attributes": region | attributes, "dimensions": dimensions}


def offer(service: str, *products: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the content of a price list file."""
    skus = {f"SKU{number:013}": each for number, each in enumerate(products)}
    terms = {
        sku: {
            f"{sku}.JRTCKXETXF": {
                "offerTermCode": "JRTCKXETXF",
                "sku": sku,
                "effectiveDate": "2026-09-01T00:00:00Z",
                "priceDimensions": {
                    f"{sku}.JRTCKXETXF.{number}": each
                    for number, each in enumerate(item["dimensions"])
                },
                "termAttributes": {},
            }
        }
        for sku, item in skus.items()
    }
    return {
        "formatVersion": "v1.0",
        "disclaimer": "This pricing list is for informational purposes only.",
        "offerCode": service,
        "version": "20260925174521",
        "publicationDate": "2026-09-25T17:45:21Z",
        "products": {
            sku: {"sku": sku, "productFamily": item["family"], "attributes": item["attributes"]}
            for sku, item in skus.items()
        },
        "terms": {"OnDemand": terms, "Reserved": {}},
        "attributesList": {},
    } | changes


def written(document: Mapping[str, Any]) -> bytes:
    """Return a price list file as AWS writes it: in UTF-8, with spaces and line breaks."""
    return json.dumps(document, indent=2, ensure_ascii=False, separators=(",", " : ")).encode()


def disk(usd: str = "0.0952", **attributes: str) -> dict[str, Any]:
    """Return the product of gp3 volumes."""
    names = {"volumeApiName": "gp3", "usagetype": "EUC1-EBS:VolumeUsage.gp3"}
    return product("Storage", usd, **names | attributes)


def instance(type_: str, usd: str, **attributes: str) -> dict[str, Any]:
    """Return the product of an instance type, Linux on shared hardware."""
    plain = {
        "instanceType": type_,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "preInstalledSw": "NA",
        "operation": "RunInstances",
        "usagetype": f"EUC1-BoxUsage:{type_}",
    }
    return product("Compute Instance", usd, **plain | attributes)
