"""The names that people choose: stacks, clusters, services, nodes, domains, tags."""

from typing import Annotated

from pydantic import Field

from config.forms import Form

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
