"""Types of single values: names, CIDRs, ports, paths.

A `Form` is a regular expression with the message for values that do not match: what is wrong, why,
and what to write instead. The expression is also in `schema.json`, so that editors report the same
values as errors.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def wrong(what: str, why: str, instead: str) -> PydanticCustomError:
    """Return the error for one value: what is wrong, why, and what to write instead.

    The error's context contains the three parts, because Pydantic interprets braces in a message as
    placeholders.
    """
    return PydanticCustomError("form", "{what}", {"what": what, "why": why, "instead": instead})


@dataclass(frozen=True)
class Form:
    """A regular expression for a string, and the message for strings that do not match."""

    pattern: str
    what: str
    why: str
    example: str
    hint: str = "write {example}"

    def check(self, value: str) -> str:
        """Return a value that matches the regular expression; otherwise raise this form's error."""
        if re.fullmatch(self.pattern, value) is None:
            instead = self.hint.format(example=self.example)
            raise wrong(self.what, self.why, instead)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after Pydantic has validated that it is a string."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the regular expression to the JSON schema."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]


_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""DNS allows 63 characters in a label, and 253 in a name. Names of records may contain
underscores."""

EnvironmentName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,23}",
        "is not a name for an environment",
        "all stack names begin with this name: a lower-case letter, followed by at most 23 of "
        "a-z, 0-9 and -",
        "denodo-prod",
        "write a name like {example}",
    ),
]
ClusterName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,15}",
        "is not a name for a cluster",
        "the stack's name ends with this name: a lower-case letter, followed by at most 15 of "
        "a-z, 0-9 and -",
        "active",
        "write a name like {example}",
    ),
]
ServiceName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,15}",
        "is not a name for a service",
        "a name is a lower-case letter, followed by at most 15 of a-z, 0-9 and -",
        "jdbc",
        "write a name like {example}",
    ),
]
NodeName = Annotated[
    str,
    Form(
        rf"(?=.{{1,32}}$){_LABEL}(\.{_LABEL})*",
        "is not a name for a node",
        "the name becomes a DNS name: labels of letters, digits and inner hyphens, joined by "
        "dots, at most 32 characters",
        "node1",
        "write a name like {example} or vdp.node01",
    ),
]
DomainName = Annotated[
    str,
    Form(
        rf"(?=.{{1,253}}$){_DNS_LABEL}(\.{_DNS_LABEL})+",
        "is not a domain name",
        "a domain name is labels of letters, digits and inner hyphens, joined by dots, without a "
        "dot at the end",
        "example.com",
        "write a name like {example}",
    ),
]
EmailAddress = Annotated[
    str,
    Form(
        rf"(?=.{{3,254}}$)[A-Za-z0-9._%+-]{{1,64}}@{_DNS_LABEL}(\.{_DNS_LABEL})+",
        "is not an email address",
        "an address is a name, @ and a domain name",
        "denodo-operators@example.com",
        "write an address like {example}",
    ),
]
HostName = Annotated[
    str,
    Form(
        rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*",
        "is not a host name",
        "nodes resolve the name in DNS, so the name has no scheme, no port and no dot at the end",
        "sm.example.com",
        "write a name like {example}",
    ),
]
RecordName = Annotated[
    str,
    Form(
        rf"@|(?=.{{1,253}}$)(\*|{_DNS_LABEL})(\.{_DNS_LABEL})*",
        "is not the name of a record",
        "the record's name precedes the zone's name: labels joined by dots; @ is the zone's own "
        "name",
        "denodo",
        "write a name like {example}",
    ),
]
FindingName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,63}",
        "is not a name for a finding",
        "a finding has a name of lower-case letters, digits and hyphens",
        "web-not-sticky",
        "write the name that cdk synth prints, like {example}",
    ),
]


def _date_text(value: Any) -> Any:
    """Convert a date object to text, because a YAML parser reads a date as an object."""
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    return value.isoformat() if is_day else value


def _existing_day(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise wrong(
            "is not a day", "the calendar does not contain this day", "write a date"
        ) from None
    return value


DateText = Annotated[
    str,
    Form(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "is not a date",
        "the acceptance of a finding ends on a date",
        "2027-03-31",
        "write a date like {example}",
    ),
    AfterValidator(_existing_day),
    BeforeValidator(_date_text, json_schema_input_type=str),
]
TagKey = Annotated[str, Field(min_length=1, max_length=128)]
TagText = Annotated[str, Field(max_length=256)]


_IPV4 = r"((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(?!$)|$)){4}"

Address = Annotated[
    str,
    Form(
        rf"{_IPV4}|eipalloc-([0-9a-f]{{8}}|[0-9a-f]{{17}})",
        "is neither a private IPv4 address nor an Elastic IP allocation",
        "a fixed address is an Elastic IP allocation for an internet-facing load balancer, and a "
        "private address for an internal load balancer",
        "10.0.1.10",
        "write {example}, or eipalloc-0123456789abcdef0 for an internet-facing load balancer",
    ),
]
PrivateAddress = Annotated[
    str,
    Form(
        rf"{_IPV4}",
        "is not an IPv4 address",
        "a DNS record contains the address: four numbers from 0 to 255, joined by dots",
        "10.0.1.10",
        "write an address like {example}",
    ),
]

_EXAMPLE_CIDR = "10.0.0.0/16"


def _network(value: str) -> str:
    """Validate a CIDR: IPv4, with a prefix length, without host bits."""
    if "/" not in value:
        raise wrong(
            "has no prefix length",
            "a CIDR is an address, a slash and a prefix length",
            f"write {value}/32 for this one address",
        )
    try:
        IPv4Network(value)
    except (AddressValueError, NetmaskValueError):
        raise wrong(
            "is not an IPv4 CIDR",
            "clusters use IPv4 only",
            f"write a network like {_EXAMPLE_CIDR}",
        ) from None
    except ValueError:
        network = IPv4Network(value, strict=False)
        raise wrong(
            "has host bits set",
            "AWS stores the network without host bits, and every later deploy would report a "
            "change",
            f"write {network}",
        ) from None
    if str(IPv4Network(value)) != value:
        raise wrong(
            "is not in network form",
            "AWS stores a prefix length, not a mask, and every later deploy would report a change",
            f"write {IPv4Network(value)}",
        )
    return value


Cidr = Annotated[
    str,
    AfterValidator(_network),
    Field(json_schema_extra={"pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$"}),
]
_PEER_BY_ID = re.compile(r"(pl|sg)-([0-9a-f]{8}|[0-9a-f]{17})")


def _peer(value: str) -> str:
    return value if _PEER_BY_ID.fullmatch(value) else _network(value)


NetworkPeer = Annotated[
    str,
    AfterValidator(_peer),
    Field(
        json_schema_extra={
            "pattern": r"^(([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}"
            r"|(pl|sg)-([0-9a-f]{8}|[0-9a-f]{17}))$"
        }
    ),
]
"""Peers of a security group rule: a CIDR, a prefix list or a security group."""
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]


def port_range(ports: str) -> tuple[int, int]:
    """Return the first and the last port of a text that has the form of a `PortRange`."""
    first, _, last = ports.partition("-")
    return int(first), int(last or first)


def _ports(value: str) -> str:
    """Validate a port or a range of ports."""
    if re.fullmatch(r"[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?", value):
        first, last = port_range(value)
        if first <= last <= 65535:
            return value
    raise wrong(
        "is neither a port nor a range of ports",
        "a port is a number from 1 to 65535, and a range is the lower port, a hyphen and the "
        "higher port",
        "write a port like 5432, or a range like 8020-8040",
    )


PortRange = Annotated[
    str,
    AfterValidator(_ports),
    BeforeValidator(
        lambda value: str(value) if type(value) is int else value,
        json_schema_input_type=Port
        | Annotated[
            str, Field(json_schema_extra={"pattern": r"^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$"})
        ],
    ),
    "such as `5432` or `8020-8040`",
]
"""A port, or a range of ports."""
HealthPath = Annotated[
    str,
    Form(
        r"/[\x21-\x7e]{0,1023}",
        "is not a path",
        "health checks request this path by HTTP: a slash, then up to 1023 visible ASCII "
        "characters",
        "/ready",
        "write a path like {example}",
    ),
]


FolderPath = Annotated[
    str,
    Form(
        r"(/[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]*)+",
        "is not the absolute path of a folder",
        "the folder has this path on every node; a path is names of letters, digits and . _ + @ = "
        "-, each after a slash, and no slash at the end",
        "/opt/denodo/denodo_platform_8_0",
        "write a path like {example}",
    ),
]
MountPath = Annotated[
    str,
    Form(
        r"(/[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]*)+",
        "is not the absolute path of a folder",
        "a disk is mounted on this folder; a path is names of letters, digits and . _ + @ = -, "
        "each after a slash, and no slash at the end",
        "/data",
        "write a path like {example}",
    ),
]
LinuxUser = Annotated[
    str,
    Form(
        r"(?!root$)[A-Za-z_][A-Za-z0-9_.-]{0,31}",
        "is not the name of a Linux user for Denodo",
        "a name begins with a letter or _, and has at most 32 letters, digits and . _ -; Denodo "
        "must not run as root",
        "denodo",
        "write a name like {example}",
    ),
]
JvmOptions = Annotated[
    str,
    Form(
        r"[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?",
        "is not a line of JVM options",
        "the options become one line of a file: up to 1000 printable ASCII characters, no space "
        "at the start or end",
        "-Xmx8192m",
        "write options like {example}",
    ),
]
HomePath = Annotated[
    str,
    Form(
        r"(?=.{1,256}$)(?!(.*/)?\.\.?(/|$))[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*",
        "is not a file below DENODO_HOME",
        "the settings must be in a file below DENODO_HOME",
        "conf/data-catalog/DataCatalogBackend.properties",
        "write a path like {example}",
    ),
]
