"""Addresses, networks, ports, and the path of a check."""

from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from config.forms import Example, Form, wrong

_IPV4 = r"((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(?!$)|$)){4}"

Address = Annotated[
    str,
    Form(
        rf"{_IPV4}|eipalloc-([0-9a-f]{{8}}|[0-9a-f]{{17}})",
        "is neither a private IPv4 address nor an Elastic IP allocation",
        "a balancer's fixed address is one of the two, by its scheme",
        "10.0.1.10",
        "write {example}, or eipalloc-0123456789abcdef0 for an internet-facing balancer",
    ),
]
PrivateAddress = Annotated[
    str,
    Form(
        rf"{_IPV4}",
        "is not an IPv4 address",
        "a record leads to it: four numbers from 0 to 255 with dots between",
        "10.0.1.10",
        "write an address like {example}",
    ),
]

_EXAMPLE_CIDR = "10.0.0.0/16"


def _network(value: str) -> str:
    """Check a CIDR: IPv4, with its length, with no host bits."""
    if "/" not in value:
        raise wrong(
            "has no prefix length",
            "a CIDR is an address and how many of its bits count",
            f"write {value}/32 for this one address",
            _EXAMPLE_CIDR,
        )
    try:
        IPv4Network(value)
    except (AddressValueError, NetmaskValueError):
        raise wrong(
            "is not an IPv4 CIDR",
            "clusters here speak IPv4 only",
            f"write a network like {_EXAMPLE_CIDR}",
            _EXAMPLE_CIDR,
        ) from None
    except ValueError:
        network = IPv4Network(value, strict=False)
        raise wrong(
            "has host bits set",
            "CloudFormation would store the network and report a change for ever",
            f"write {network}",
            str(network),
        ) from None
    if str(IPv4Network(value)) != value:
        raise wrong(
            "is not in network form",
            "AWS stores a length and not a mask, and would report a change for ever",
            f"write {IPv4Network(value)}",
            str(IPv4Network(value)),
        )
    return value


Cidr = Annotated[
    str,
    AfterValidator(_network),
    Example(_EXAMPLE_CIDR),
    Field(json_schema_extra={"pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$"}),
]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
HealthPath = Annotated[
    str,
    Form(
        r"/[\x21-\x7e]{0,1023}",
        "is not a path",
        "the check asks for it by HTTP: a slash, then up to 1023 visible ASCII characters",
        "/ready",
        "write a path like {example}",
    ),
]
