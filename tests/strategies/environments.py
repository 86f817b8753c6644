"""Hypothesis strategies: valid configurations of every shape that can be deployed."""

import json
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

from hypothesis import strategies as st

from denodo_ha.environment.derived.subnets import RESERVED_FIRST, zone_blocks
from tests.strategies.catalogs import shared
from tests.strategies.denodo import address, denodos, names
from tests.strategies.haproxy import haproxies
from tests.support.configurations import (
    ACCOUNT,
    OTHER_ACCOUNT,
    UUID,
    Data,
    Draw,
    by_cluster,
    maps_by_cluster,
)

REGIONS = ("eu-west-1", "us-gov-west-1", "ap-southeast-2")
# Names that could cause problems in construct ids, outputs or the CDK.
NODE_NAMES = (
    *("node1", "vdp.node01", "Default", "Resource", "jdbc", "Service", "N-2", "7"),
    *("x" * 32, "a.b-c.D", "Listener", "Targets"),
)
SERVICES = {"jdbc": 9999, "odbc": 9996, "web": 9090, "web-tls": 9443, "scheduler": 8000, "x": 1}
COOKIES = {"web", "web-tls", "x"}
"""Services that may use HTTP, and therefore cookies."""
EGRESS: tuple[list[Any], ...] = (
    ["0.0.0.0/0"],
    [
        {"to": "0.0.0.0/0", "ports": [443, "1024-65535"]},
        {"to": "10.0.0.0/8", "ports": [53], "protocol": "udp"},
    ],
    [{"to": "pl-01234567"}, "sg-01234567"],
)
"""Values of `egress`, each of which allows every destination that nodes need."""
_hex = st.text("0123456789abcdef", min_size=17, max_size=17)


@st.composite
def environments(draw: Draw) -> Data:
    """Draw a valid configuration as plain data."""
    version = draw(st.sampled_from(["7.0", "8.0", "9.0"]))
    bare = draw(st.integers(0, 5)) == 0
    regions = draw(st.permutations(REGIONS))[: draw(st.integers(1, 3))]
    clusters = {
        f"c{number}": draw(_clusters(region, auxiliary=version == "7.0", bare=bare))
        for number, region in enumerate(regions)
    }
    for number, cluster in enumerate(clusters.values()):
        cluster["network"] |= draw(names(number))
    services = draw(_services(clusters, bare=bare))
    draw(_scheduler_ports(clusters, services))
    draw(haproxies(clusters, services))
    data: Data = {
        "name": draw(st.sampled_from(["e", "denodo-prod", "x" * 24])),
        "denodo": draw(denodos(version, clusters, services)),
        "services": services,
        "clusters": clusters,
    }
    if draw(st.booleans()):
        cidrs = [f"172.16.{number}.0/24" for number in range(draw(st.integers(0, 3)))]
        data["solution_manager"] = {"cidrs": cidrs, "host": "sm.example.com"}
    if draw(st.booleans()):
        data["license_manager"] = {"host": "lm.example.com"}
    if draw(st.booleans()):
        data["tags"] = {"team": "data", "cost center": "7"}
    if draw(st.booleans()):
        data["permissions_boundary"] = "arn:aws:iam::aws:policy/PowerUserAccess"
    data["logs"] = draw(st.sampled_from([False, False, True, {"statements": True}]))
    partitions = {"gov" in of["region"] for of in list(clusters.values())[:2]}
    if len(clusters) > 1 and len(partitions) == 1 and draw(st.booleans()):
        data["failover"] = draw(_failovers(data, bare=bare))
    elif "jdbc" in data["services"] and draw(st.integers(0, 3)) == 0:
        del data["services"]["jdbc"]
    if not data["services"]:
        # No service was drawn: leave out `services` and `servers`, so that both have their
        # defaults.
        del data["services"]
        data["denodo"].pop("servers", None)
    for name, of in draw(shared(data)).items():
        data["clusters"][name] |= of
    return data


@st.composite
def _clusters(draw: Draw, region: str, *, auxiliary: bool, bare: bool) -> Data:
    zones = [f"{region}{letter}" for letter in draw(st.permutations("abcdefgh"))][:3]
    zones = zones[: draw(st.integers(1 if bare else 2, 3))]
    adopts = not bare and draw(st.integers(0, 3)) == 0
    given = adopts or draw(st.booleans())
    scheme = draw(st.sampled_from(["internal", "internet-facing"]))
    block = draw(st.sampled_from(["10.0.0.0/16", "10.1.0.0/20", "192.168.7.0/24"]))
    nodes = draw(_nodes(zones, auxiliary=auxiliary, count=1 if bare else None, adopts=adopts))
    for number, node in enumerate(nodes.values()):
        if "instance_id" in node and draw(st.booleans()):
            node["address"] = address(block, number)
    network: Data = {"cidr": block}
    if given:
        network["vpc"] = f"vpc-{draw(_hex)}"
        network["zones"] = {
            zone: {
                "nodes": f"subnet-{number:017x}",
                **({} if bare else {"balancer": f"subnet-{number + 16:017x}"}),
            }
            for number, zone in enumerate(zones)
        }
    else:
        network["zones"] = draw(st.sampled_from([zones, {zone: {} for zone in zones}]))
        network |= draw(_outbound_access(public_node=bare and scheme == "internet-facing"))
    if not adopts and draw(st.integers(0, 3)) == 0:
        network["egress"] = draw(st.sampled_from(EGRESS))
    if scheme == "internet-facing":
        network["health_checkers"] = f"pl-{draw(_hex)}"
    return {
        "account": ACCOUNT,
        "region": region,
        "network": network,
        "instance": draw(_instances(region)),
        "nodes": nodes,
        "balancer": draw(
            _balancers(
                network, zones, scheme, bare=bare, single=auxiliary or len(nodes) == 1, given=given
            )
        ),
    }


@st.composite
def _outbound_access(draw: Draw, *, public_node: bool) -> Data:
    """Draw the settings of a created VPC for outbound connections."""
    optional = {
        "endpoints": st.sampled_from([["kms"], ["athena", "logs"]]),
        "flow_logs": st.booleans(),
    }
    if not public_node:
        optional["nat"] = st.sampled_from(["zone", "regional", "none"])
    settings: Data = draw(st.fixed_dictionaries({}, optional=optional))
    return settings


@st.composite
def _nodes(
    draw: Draw, zones: list[str], *, auxiliary: bool, count: int | None, adopts: bool
) -> Data:
    names = draw(st.permutations(NODE_NAMES))[: count or draw(st.integers(1, 5))]
    nodes: Data = {}
    for number, name in enumerate(names):
        # The second subnet is in another zone than the first.
        node: Data = {"zone": zones[number % len(zones)]}
        if auxiliary:
            node["auxiliary_port"] = 20001 + number
        if adopts and (number == 0 or draw(st.booleans())):
            node["instance_id"] = f"i-{number:017x}"
        elif draw(st.integers(0, 3)) == 0:
            node["instance"] = draw(
                st.sampled_from([{"type": "r5.2xlarge"}, {"disk_gib": 30, "role_policies": []}])
            )
        nodes[name] = node
    return nodes


@st.composite
def _instances(draw: Draw, region: str) -> Data:
    optional = {
        "disk_gib": st.integers(1, 65_536),
        "data_disk_gib": st.integers(1, 65_536),
        "root_device": st.sampled_from(["/dev/xvda", "/dev/sda1"]),
        "kms_key": st.just(f"arn:aws:kms:{region}:{ACCOUNT}:key/{UUID}"),
        "key": st.sampled_from(["denodo", "a key"]),
        "role_policies": st.just([f"arn:aws:iam::{ACCOUNT}:policy/data"]),
    }
    chosen = draw(st.fixed_dictionaries({}, optional=optional))
    return {"type": "m5.xlarge", "image": f"ami-{draw(_hex)}", **chosen}


@st.composite
def _balancers(
    draw: Draw,
    network: Data,
    zones: list[str],
    scheme: str,
    *,
    bare: bool,
    single: bool,
    given: bool,
) -> Data:
    many = draw(st.sampled_from([1, 2, 5, 25]))
    proxied = not bare and draw(st.integers(0, 2)) == 0
    balancer: Data = {
        "kind": "none" if bare else "haproxy" if proxied else "nlb",
        "scheme": scheme,
        "clients": [f"10.{number}.0.0/16" for number in range(many)],
    }
    if draw(st.integers(0, 5)) == 0:
        balancer["clients"].append("0.0.0.0/0")
    if bare:
        return balancer
    if not single and not proxied and draw(st.booleans()):
        balancer["cross_zone"] = False
    if draw(st.booleans()):
        balancer["deregistration_delay"] = draw(st.integers(0, 3600))
        balancer["deletion_protection"] = draw(st.booleans())
    if not proxied and draw(st.booleans()):
        balancer["health"] = draw(_checks())
    if draw(st.integers(0, 3)) == 0:
        block = IPv4Network(network["cidr"])
        balancer["addresses"] = {
            zone: f"eipalloc-{zones.index(zone):01x}{draw(_hex)[1:]}"
            if scheme == "internet-facing"
            else str(block[10 + number] if given else zone_blocks(block, zone)[0][RESERVED_FIRST])
            for number, zone in enumerate(zones)
        }
    return balancer


@st.composite
def _checks(draw: Draw) -> Data:
    interval = draw(st.integers(5, 300))
    check: Data = {"interval": interval, "timeout": draw(st.integers(2, min(interval - 1, 120)))}
    if draw(st.booleans()):
        check["protocol"] = draw(st.sampled_from(["http", "https"]))
        check["path"] = "/ready"
    if draw(st.booleans()):
        check["healthy"], check["unhealthy"] = draw(st.integers(2, 10)), draw(st.integers(2, 10))
    if draw(st.booleans()):
        check["port"] = draw(st.integers(1, 65_535))
    return check


@st.composite
def _services(draw: Draw, clusters: Data, *, bare: bool) -> Data:
    names = draw(st.lists(st.sampled_from(sorted(SERVICES)), unique=True))
    services: Data = {}
    own = {name: of for name, of in clusters.items() if of["balancer"]["kind"] == "nlb"}
    for name in dict.fromkeys(["jdbc", *names]):
        port = SERVICES[name]
        if draw(st.booleans()):
            services[name] = port
            continue
        service: Data = {"port": port, "client_ip": draw(st.booleans())}
        if not bare and draw(st.booleans()):
            service["node_port"] = draw(st.sampled_from([port, 10_000 + port]))
        # A TLS listener cannot forward ODBC and RMI, so only other services get `tls`. Endpoint
        # checks of a TLS listener never fail, as the load balancer accepts every connection.
        if own and name not in {"jdbc", "odbc", "scheduler"} and draw(st.integers(0, 2)) == 0:
            service["tls"] = by_cluster(own, "acm", f"certificate/{UUID}")
        else:
            service["sticky"] = draw(st.booleans())
            if draw(st.booleans()):
                service["idle_timeout"] = draw(st.integers(60, 6000))
        proxied = any(of["balancer"]["kind"] == "haproxy" for of in clusters.values())
        if not bare and not (proxied and name in COOKIES) and draw(st.booleans()):
            service["unhealthy_termination"] = draw(st.booleans())
        if draw(st.booleans()):
            service["health"] = draw(_checks())
        if name in COOKIES and _may_have_cookies(clusters, bare=bare) and draw(st.booleans()):
            _by_cookie(draw, service, clusters)
        services[name] = service
    return services


@st.composite
def _scheduler_ports(draw: Draw, clusters: Data, services: Data) -> None:
    """Draw auxiliary ports of the Scheduler, where its service and the cluster allow them."""
    service = services.get("scheduler")
    long = {"port": service} if isinstance(service, int) else service
    if long is None or long.get("node_port", 8000) != 8000:
        return
    for of in clusters.values():
        balancer = of["balancer"]
        possible = balancer["kind"] == "haproxy" or (
            balancer["kind"] == "nlb" and balancer.get("cross_zone", True) and "tls" not in long
        )
        if possible and draw(st.booleans()):
            for number, node in enumerate(of["nodes"].values()):
                node["scheduler_auxiliary_port"] = 21001 + number


def _may_have_cookies(clusters: Data, *, bare: bool) -> bool:
    """Return whether an Application Load Balancer is possible: large subnets, cross-zone on."""
    return not bare and all(
        of["balancer"]["kind"] == "nlb"
        and of["balancer"].get("cross_zone", True)
        and ("vpc" in of["network"] or not of["network"]["cidr"].endswith("/24"))
        for of in clusters.values()
    )


def _by_cookie(draw: Draw, service: Data, clusters: Data) -> None:
    service["sticky"] = "cookie"
    service.pop("client_ip", None)
    service.pop("unhealthy_termination", None)
    own = {name: of for name, of in clusters.items() if of["balancer"]["kind"] == "nlb"}
    if (
        own
        and "tls" not in service
        and (service.get("node_port", service["port"]) == 9443 or draw(st.booleans()))
    ):
        service["tls"] = by_cluster(own, "acm", f"certificate/{UUID}")
    service.pop("idle_timeout", None)
    if draw(st.booleans()):
        service["idle_timeout"] = draw(st.integers(60, 4000))


@st.composite
def _failovers(draw: Draw, data: Data, *, bare: bool) -> Data:
    """Draw a failover of the first two clusters, with the settings that its kind of check uses."""
    pair = dict(list(data["clusters"].items())[:2])
    failover: Data = {
        "primary": "c0",
        "secondary": "c1",
        "zone": {"id": "Z0123456789", "name": "example.com"},
        "record": "denodo",
    }
    public = {name: of["balancer"]["scheme"] == "internet-facing" for name, of in pair.items()}
    if bare:
        how = {name: "endpoint" if public[name] else "none" for name in pair}
    else:
        methods = {
            health: {
                name: _automatic(data, pair, is_public=public[name]) if health == "auto" else health
                for name in pair
            }
            for health in ("auto", "target-health", "alarm", "endpoint")
            if health != "auto" or not _must_be_explicit(pair)
        }
        failover["health"] = draw(
            st.sampled_from([health for health, of in methods.items() if _can_fail(of, pair)])
        )
        how = methods[failover["health"]]
    alias = "target-health" in how.values()
    if (alias or bare) and draw(st.booleans()):
        failover["record"] = "@"
    if "none" in how.values() or (not alias and draw(st.booleans())):
        failover["control"] = "operator"
    if not alias:
        failover["secondary_health"] = draw(st.booleans())
        failover["ttl"] = draw(st.integers(0, 3600))
    checks = set()
    if failover.get("control") != "operator":
        checks.add(how["c0"])
    if failover.get("secondary_health", True):
        checks.add(how["c1"])
    if checks & {"endpoint", "alarm"}:
        failover["threshold"] = draw(st.integers(1, 10))
    if "endpoint" in checks:
        failover["interval"] = draw(st.sampled_from([10, 30]))
    if "alarm" in checks:
        failover["minutes_without_data"] = draw(st.integers(1, 10))
    is_gov = "gov" in pair["c0"]["region"]
    optional = {
        "region": st.sampled_from([region for region in REGIONS if ("gov" in region) == is_gov]),
        "switch_namespace": st.just("Denodo/Failover/prod"),
    }
    failover |= {key: draw(value) for key, value in optional.items() if draw(st.booleans())}
    return failover


def _must_be_explicit(pair: Data) -> bool:
    """Return whether nodes have auxiliary ports of the Scheduler, so that `health` must be set."""
    return any(
        of["balancer"]["kind"] == "nlb" and "scheduler_auxiliary_port" in node
        for of in pair.values()
        for node in of["nodes"].values()
    )


def _can_fail(methods: Mapping[str, str], pair: Data) -> bool:
    """Return whether every endpoint check reaches a public address and fails without nodes."""
    return all(
        method != "endpoint"
        or (
            pair[name]["balancer"]["scheme"] == "internet-facing"
            and pair[name]["balancer"]["kind"] != "haproxy"
        )
        for name, method in methods.items()
    )


def _automatic(data: Data, pair: Data, *, is_public: bool) -> str:
    """Return the kind of health check that `health: auto` means (docs/explanation/failover.md)."""
    single = any(
        of["balancer"]["kind"] != "haproxy"
        and (data["denodo"]["version"] == "7.0" or len(of["nodes"]) == 1)
        for of in pair.values()
    )
    if not single:
        return "target-health"
    return "endpoint" if is_public else "alarm"


@st.composite
def environments_of_two_accounts(draw: Draw) -> Data:
    """Draw a valid configuration whose second cluster is in another account, if possible."""
    data: Data = draw(environments())
    other = data["clusters"].get("c1")
    failover = data.get("failover", {})
    if other is None or failover.get("health") != "target-health" or "control" in failover:
        return data
    data["clusters"]["c1"] = json.loads(json.dumps(other).replace(ACCOUNT, OTHER_ACCOUNT))
    for arns in maps_by_cluster(data):
        if "c1" in arns:
            arns["c1"] = arns["c1"].replace(ACCOUNT, OTHER_ACCOUNT)
    return data
