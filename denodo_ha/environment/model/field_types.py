"""The forms that single values take: identifiers, names, CIDRs, ports.

A form is a regular expression plus what a person needs to hear when a value
does not fit it: what the value is not, why that matters, what to write instead.
The expression also goes into `schema.json`, so an editor marks the same values.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def wrong(what: str, why: str, instead: str) -> PydanticCustomError:
    """Return the error of one value, in the three parts that every message has.

    The parts travel in the error's context, because Pydantic would read braces
    in the message itself as placeholders.
    """
    return PydanticCustomError("form", "{what}", {"what": what, "why": why, "instead": instead})


@dataclass(frozen=True)
class Form:
    """What a string has to look like, and how to say that it does not."""

    pattern: str
    what: str
    why: str
    example: str
    hint: str = "write {example}"

    def check(self, value: str) -> str:
        """Return the value, or raise the three-part error."""
        if re.fullmatch(self.pattern, value) is None:
            instead = self.hint.format(example=self.example)
            raise wrong(self.what, self.why, instead)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after Pydantic has made sure that it is a string."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Give editors the same expression."""
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]


# REMOVED

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""DNS allows 63 characters in a label, and 253 in a name; records may also have underscores."""

EnvironmentName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,23}",
        "is not a name for an environment",
        "it begins the name of every stack: a lower-case letter, then at most 23 of a-z, 0-9 and -",
        "denodo-prod",
        "write a name like {example}",
    ),
]
ClusterName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,15}",
        "is not a name for a cluster",
        "it ends the stack's name: a lower-case letter, then at most 15 of a-z, 0-9 and -",
        "active",
        "write a name like {example}",
    ),
]
ServiceName = Annotated[
    str,
    Form(
        r"[a-z][a-z0-9-]{0,15}",
        "is not a name for a service",
        "names are a lower-case letter, then at most 15 of a-z, 0-9 and -",
        "jdbc",
        "write a name like {example}",
    ),
]
NodeName = Annotated[
    str,
    Form(
        rf"(?=.{{1,32}}$){_LABEL}(\.{_LABEL})*",
        "is not a name for a node",
        "it becomes a DNS name: labels of letters, digits and inner hyphens, joined by dots, "
        "32 characters at most",
        "node1",
        "write a name like {example} or vdp.node01",
    ),
]
DomainName = Annotated[
    str,
    Form(
        rf"(?=.{{1,253}}$){_DNS_LABEL}(\.{_DNS_LABEL})+",
        "is not a domain name",
        "a domain is labels of letters, digits and inner hyphens with dots between, and none at "
        "its end",
        "example.com",
        "write a name like {example}",
    ),
]
HostName = Annotated[
    str,
    Form(
        rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*",
        "is not a host name",
        "nodes look it up in DNS: no scheme, no port, no final dot",
        "sm.example.com",
        "write a name like {example}",
    ),
]
RecordName = Annotated[
    str,
    Form(
        rf"@|(?=.{{1,253}}$)(\*|{_DNS_LABEL})(\.{_DNS_LABEL})*",
        "is not a record's name",
        "it stands before the zone's name: labels joined by dots; @ is the zone's own name",
        "denodo",
        "write a name like {example}",
    ),
]
TagKey = Annotated[str, Field(min_length=1, max_length=128)]
TagText = Annotated[str, Field(max_length=256)]


# REMOVED

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
        )
    try:
        IPv4Network(value)
    except (AddressValueError, NetmaskValueError):
        raise wrong(
            "is not an IPv4 CIDR",
            "clusters here speak IPv4 only",
            f"write a network like {_EXAMPLE_CIDR}",
        ) from None
    except ValueError:
        network = IPv4Network(value, strict=False)
        raise wrong(
            "has host bits set",
            "CloudFormation would store the network and report a change for ever",
            f"write {network}",
        ) from None
    if str(IPv4Network(value)) != value:
        raise wrong(
            "is not in network form",
            "AWS stores a length and not a mask, and would report a change for ever",
            f"write {IPv4Network(value)}",
        )
    return value


Cidr = Annotated[
    str,
    AfterValidator(_network),
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


# REMOVED

FolderPath = Annotated[
    str,
    Form(
        r"(/[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]*)+",
        "is not the absolute path of a folder",
        "it is used on every node: slashes and names of letters, digits and . _ + @ = -, no slash "
        "at its end",
        "/opt/denodo/denodo_platform_8_0",
        "write a path like {example}",
    ),
]
LinuxUser = Annotated[
    str,
    Form(
        r"(?!root$)[A-Za-z_][A-Za-z0-9_.-]{0,31}",
        "is not the name of a Linux user for Denodo",
        "names begin with a letter or _, and have at most 32 letters, digits and . _ -; nothing "
        "runs as root",
        "denodo",
        "write a name like {example}",
    ),
]
JvmOptions = Annotated[
    str,
    Form(
        r"[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?",
        "is not a line of options",
        "it becomes one line of a file: up to 1000 printable ASCII characters, no blank at either "
        "end",
        "-Xmx8192m",
        "write options like {example}",
    ),
]
HomePath = Annotated[
    str,
    Form(
        r"(?=.{1,256}$)(?!(.*/)?\.\.?(/|$))[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*",
        "is not a file below DENODO_HOME",
        "nothing else on the node is changed",
        "conf/data-catalog/DataCatalogBackend.properties",
        "write a path like {example}",
    ),
]
