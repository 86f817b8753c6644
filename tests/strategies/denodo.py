"""Hypothesis strategies for the servers on the nodes and for the nodes' names."""

from ipaddress import IPv4Network
from typing import Any

from hypothesis import strategies as st

from tests.support.configurations import Data, Draw, by_cluster

WEB_SERVERS = ("data-catalog", "design-studio", "scheduler-admin", "diagnostic-monitoring")
JVM_OPTIONS = ("-Xmx4g", "-Xmx1024m -Dx=\"y\" -XX:OnError='a:b=c\\d'", "!#")
_SECRET_NAMES = ("one", "denodo/a.b+c=d@e_f-g", "x" * 512)


@st.composite
def denodos(draw: Draw, version: str, clusters: Data, services: Data) -> Data:
    """Draw the settings of `denodo`, with servers for all services.

    A service without its server, which is only possible for the Scheduler, gets a TCP check.
    """
    denodo: Data = {"version": version}
    if draw(st.integers(0, 5)) == 0:
        return {**denodo, "program": False}
    optional: dict[str, Any] = {
        "program": st.just(value=True),
        "home": st.sampled_from(["/opt/denodo", "/x", "/a.b/_c/d@e=f+g-h"]),
        "user": st.sampled_from(["denodo", "_d.e-n0", "X"]),
        "signal": st.sampled_from(["ready", "configured"]),
        "start_limit": st.integers(300, 43_200),
        "stop_limit": st.integers(10, 43_200),
        "metadata": _metadata(version, clusters),
    }
    if version != "7.0":
        optional["tls"] = _tls(clusters)
        optional["security_token"] = secrets(clusters)
    denodo |= draw(st.fixed_dictionaries({}, optional=optional))
    denodo |= draw(_options())
    denodo |= draw(_servers(version, services))
    return denodo


@st.composite
def _options(draw: Draw) -> Data:
    """Draw a heap size, JVM options of the servers, both or neither."""
    options = st.sampled_from(JVM_OPTIONS)
    jvm = st.fixed_dictionaries({}, optional={"web": options, "scheduler": options})
    match draw(st.sampled_from(["", "heap", "jvm", "both"])):
        case "heap":
            return {"heap_gib": draw(st.integers(1, 15))}
        case "jvm":
            return {"jvm": {"vdp": draw(options), **draw(jvm)}}
        case "both":
            return {"heap_gib": draw(st.integers(1, 15)), "jvm": draw(jvm)}
        case _:
            return {}


@st.composite
def _servers(draw: Draw, version: str, services: Data) -> Data:
    """Draw the servers that provide the services.

    If the Scheduler is not among the servers, its service gets a TCP check.
    """
    needed: list[str] = ["vdp"]
    known = WEB_SERVERS if version != "7.0" else (WEB_SERVERS[0], *WEB_SERVERS[2:])
    if {"web", "web-tls"} & services.keys():
        needed.append(draw(st.sampled_from(known)))
    is_default = draw(st.booleans())
    if "scheduler" in services:
        if draw(st.booleans()):
            needed.append("scheduler")
            is_default = False
        else:
            service = services["scheduler"]
            long = {"port": service} if isinstance(service, int) else service
            services["scheduler"] = {**long, "health": {"protocol": "tcp"}}
    if is_default:
        return {}
    extra = draw(st.lists(st.sampled_from(["scheduler", *known]), unique=True))
    return {"servers": draw(st.permutations([*dict.fromkeys([*needed, *extra])]))}


@st.composite
def _metadata(draw: Draw, version: str, clusters: Data) -> Any:
    source = draw(st.sampled_from(["manual", "export", *(["catalog"] if version != "7.0" else [])]))
    if source == "export":
        uri = draw(st.sampled_from(["s3://b-1.c/x", f"s3://{'b' * 63}/a/%20b=c,d!.vql"]))
        return {"source": source, "uri": uri, "login": draw(secrets(clusters))}
    return draw(st.sampled_from([source, {"source": source}]))


@st.composite
def _tls(draw: Draw, clusters: Data) -> Data:
    tls: Data = {"secret": draw(secrets(clusters))}
    if draw(st.booleans()):
        tls["version"] = draw(st.sampled_from(["x" * 32, "EXAMPLE1-90ab-cdef-fedc-ba987SECRET1"]))
    return tls


@st.composite
def secrets(draw: Draw, clusters: Data) -> Any:
    """Draw a map from clusters to secrets, or only the secret if there is a single cluster."""
    name = draw(st.sampled_from(_SECRET_NAMES))
    arns = by_cluster(clusters, "secretsmanager", f"secret:{name}-AbCdEf")
    is_bare = len(arns) == 1 and draw(st.booleans())
    return arns["c0"] if is_bare else arns


@st.composite
def names(draw: Draw, number: int) -> Data:
    """Draw the hosted zone of the nodes' names, and the VPCs that resolve them."""
    match draw(st.sampled_from(["", "zone", "vpcs"])):
        case "zone":
            # One zone for each cluster, since the clusters' nodes have the same names.
            return {"node_zone": {"id": f"Z{number}", "name": "Nodes.example.com"}}
        case "vpcs":
            return {
                "node_zone_vpcs": [
                    f"vpc-{'d' * 17}",
                    {"vpc": f"vpc-{'e' * 8}", "region": "eu-central-1"},
                ]
            }
        case _:
            return {}


def address(block: str, number: int) -> str:
    """Return the address of an existing node: address 100 + `number` of a CIDR block."""
    return str(IPv4Network(block)[100 + number])
