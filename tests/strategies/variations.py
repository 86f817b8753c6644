"""Changes that keep a valid configuration valid, beyond those of `tests.strategies.environments`.

A variation changes the data in place. The variations in `SAME` do not change the meaning.
"""

from collections.abc import Callable
from typing import Any

from tests.strategies.catalogs import share
from tests.support.configurations import UUID, Data, maps_by_cluster, networks

Variation = Callable[[Data], None]


def _clusters(data: Data) -> list[Data]:
    return list(data["clusters"].values())


def _direct(data: Data) -> list[Data]:
    """Return the clusters without HAProxy, whose nodes the load balancer checks directly."""
    return [cluster for cluster in _clusters(data) if cluster["balancer"]["kind"] != "haproxy"]


def _find(cluster: Data) -> None:
    """Configure the addresses of existing instances, if the cluster is behind HAProxy."""
    if cluster["balancer"]["kind"] == "haproxy":
        hosts = {
            name: "old.example.com"
            for name, node in cluster["nodes"].items()
            if "instance_id" in node
        }
        cluster["balancer"]["haproxy"] = {**cluster["balancer"]["haproxy"], "hosts": hosts}


def _exporting(data: Data) -> bool:
    return any("exports" in cluster for cluster in _clusters(data))


def one_zone(data: Data) -> None:
    for cluster in _clusters(data):
        nodes = list(cluster["nodes"].values())
        for node in nodes:
            node["zone"] = nodes[0]["zone"]
        cluster["allow_single_zone"] = True


def odd_cluster_name(data: Data) -> None:
    new = "x-9--failovers"
    data["clusters"][new] = data["clusters"].pop("c0")
    for key in ("primary", "secondary"):
        if data.get("failover", {}).get(key) == "c0":
            data["failover"][key] = new
    for arns in maps_by_cluster(data):
        # HAProxy cannot use a certificate of ACM.
        if "c0" in arns:
            arns[new] = arns.pop("c0")


def slow_checks(data: Data) -> None:
    for cluster in _direct(data):
        cluster["balancer"]["health"] = {"interval": 300}


def short_checks(data: Data) -> None:
    for cluster in _direct(data):
        cluster["balancer"]["health"] = {"timeout": 4}


def path_of_a_service_and_protocol_of_the_balancer(data: Data) -> None:
    for cluster in _direct(data):
        cluster["balancer"]["health"] = {"protocol": "https", "path": "/"}
    # HAProxy ignores the load balancer's `health`, so the service needs its own protocol.
    alone = {} if _direct(data) == _clusters(data) else {"protocol": "http"}
    extra = {"port": 60001, "health": {"path": "/x", **alone}}
    data.setdefault("services", {"jdbc": 9999})["extra"] = extra


def zone_without_nodes(data: Data) -> None:
    for cluster in _clusters(data):
        network, region = cluster["network"], cluster["region"]
        used = network["zones"]
        zone = next(f"{region}{one}" for one in "abcdefgh" if f"{region}{one}" not in used)
        cluster["balancer"].pop("addresses", None)
        if isinstance(used, list):
            used.append(zone)
        else:
            used[zone] = {"balancer": "subnet-12345678"} if "vpc" in network else {}
            if used[zone] and cluster["balancer"]["kind"] == "haproxy":
                used[zone]["nodes"] = "subnet-23456789"


def most_tags(data: Data) -> None:
    data["tags"] = {f"{number}{'k' * 126}": "v" * 256 for number in range(10, 56)}


def most_managers(data: Data) -> None:
    data["solution_manager"] = {"cidrs": [f"172.16.{number}.0/24" for number in range(8)]}


def most_clients(data: Data) -> None:
    for cluster in _clusters(data):
        cluster["balancer"]["clients"] = networks(30)
    data["solution_manager"] = {"cidrs": ["172.16.0.0/24"]}


def checkers_without_need(data: Data) -> None:
    for cluster in _clusters(data):
        cluster["network"]["health_checkers"] = "pl-01234567"


def every_override(data: Data) -> None:
    for cluster in _clusters(data):
        where = f"{cluster['region']}:{cluster['account']}"
        for node in cluster["nodes"].values():
            if "instance_id" not in node:
                node["instance"] = {
                    "type": "r7i.large",
                    "image": "ami-01234567",
                    "disk_gib": 1,
                    "root_device": "/dev/sda1",
                    "data_disk_gib": 65_536,
                    "kms_key": f"arn:aws:kms:{where}:key/{UUID}",
                    "key": "~",
                    "role_policies": ["arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"],
                }


def no_common_machine(data: Data) -> None:
    every_override(data)
    for cluster in _clusters(data):
        del cluster["instance"]


def neighbour(data: Data) -> None:
    """Add a copy of the cluster `c0` under another name; the copy takes no part in a failover."""
    twin: Data = {**data["clusters"]["c0"], "balancer": {**data["clusters"]["c0"]["balancer"]}}
    twin["balancer"].pop("addresses", None)
    # The new cluster has the node names of c0, and a hosted zone cannot contain a name twice. So
    # the network of `twin` is that of c0 without `node_zone`.
    network = data["clusters"]["c0"]["network"]
    if "existing" in twin.get("catalog", {}):
        own = {**twin["catalog"]["existing"], "prefix": "neighbour_"}
        twin["catalog"] = {**twin["catalog"], "existing": own}
    twin["network"] = {key: value for key, value in network.items() if key != "node_zone"}
    data["clusters"]["neighbour"] = twin
    for arns in maps_by_cluster(data):
        if "c0" in arns:
            arns["neighbour"] = arns["c0"]


def no_program(data: Data) -> None:
    data["denodo"] = {"version": data["denodo"]["version"], "program": False}
    for cluster in _clusters(data):
        cluster.pop("exports", None)


def every_server(data: Data) -> None:
    servers = ["scheduler", "diagnostic-monitoring", "scheduler-admin", "data-catalog", "vdp"]
    if data["denodo"]["version"] != "7.0":
        servers.append("design-studio")
    no_program(data)
    data["denodo"] |= {"program": True, "servers": servers}
    share(data, "scheduler", "data-catalog")


def names_in_one_zone(data: Data) -> None:
    """Put the nodes of all clusters into one hosted zone; each node has a name of its own."""
    for name, cluster in data["clusters"].items():
        cluster["network"].pop("node_zone_vpcs", None)
        cluster["network"]["node_zone"] = {"id": "Z1", "name": "nodes.example"}
        cluster["nodes"] = {f"{name}.{n}": node for n, node in enumerate(cluster["nodes"].values())}
        _find(cluster)


def no_addresses(data: Data) -> None:
    for cluster in _clusters(data):
        for node in cluster["nodes"].values():
            node.pop("address", None)
        _find(cluster)


def metadata_in_the_other_form(data: Data) -> None:
    metadata = data["denodo"].get("metadata")
    if isinstance(metadata, str):
        data["denodo"]["metadata"] = {"source": metadata}
    elif metadata and len(metadata) == 1:
        data["denodo"]["metadata"] = metadata["source"]


def long_peers(data: Data) -> None:
    for cluster in _clusters(data):
        peers = cluster["network"].get("node_zone_vpcs", [])
        for number, peer in enumerate(peers):
            peers[number] = {"vpc": peer} if isinstance(peer, str) else peer


def long_services(data: Data) -> None:
    for name, service in data.get("services", {}).items():
        if isinstance(service, int):
            data["services"][name] = {"port": service, "sticky": False, "client_ip": True}


def zones_in_the_other_form(data: Data) -> None:
    for cluster in _clusters(data):
        network = cluster["network"]
        if "vpc" not in network:
            zones: Any = network["zones"]
            network["zones"] = {zone: {} for zone in zones} if isinstance(zones, list) else [*zones]


def defaults_written_out(data: Data) -> None:
    for cluster in _clusters(data):
        cluster.setdefault("allow_single_zone", False)
        cluster["balancer"].setdefault("cross_zone", True)
        cluster["balancer"].setdefault("deregistration_delay", 300)
        cluster["balancer"].setdefault("deletion_protection", False)
        cluster["instance"].setdefault("disk_gib", 100)
        cluster["instance"].setdefault("root_device", "/dev/xvda")
    if data["denodo"].get("program", True):
        data["denodo"].setdefault("program", True)
        data["denodo"].setdefault("user", "denodo")
        components = [
            cluster.get("catalog", {}).get("components", ()) for cluster in _clusters(data)
        ]
        # A value of `servers` in the configuration is kept. Nodes with a Data Catalog must share a
        # metadata database, so set `servers` only if the Data Catalog of each cluster uses such a
        # database.
        if all("data-catalog" in component for component in components):
            data["denodo"].setdefault("servers", ["vdp", "data-catalog"])
        if not any("vdp" in component for component in components) and not _exporting(data):
            data["denodo"].setdefault("metadata", "manual")
        data["denodo"].setdefault("signal", "ready")
        data["denodo"].setdefault("start_limit", 1200)
        data["denodo"].setdefault("stop_limit", 900)
    if "failover" in data:
        data["failover"].setdefault("health", "auto")
        data["failover"].setdefault("control", "automatic")
        data["failover"].setdefault("secondary_health", True)


def nothing_written_out(data: Data) -> None:
    for key in ("failover", "solution_manager", "license_manager", "permissions_boundary"):
        data.setdefault(key, None)
    for key in ("home", "heap_gib", "tls", "security_token"):
        data["denodo"].setdefault(key, None)
    for cluster in _clusters(data):
        cluster["network"].setdefault("vpc", None)
        cluster["network"].setdefault("health_checkers", None)
        cluster["network"].setdefault("node_zone", None)
        for node in cluster["nodes"].values():
            node.setdefault("instance", None)
            node.setdefault("address", None)
            node.setdefault("auxiliary_port", None)


def reserved_capacity(data: Data) -> None:
    for number, cluster in enumerate(_clusters(data)):
        if any("instance_id" not in node for node in cluster["nodes"].values()):
            platform = ("SUSE Linux", "Linux/UNIX")[number % 2]
            cluster["capacity"] = {"reserve": ("running", 3)[number % 2], "platform": platform}


SAME: tuple[Variation, ...] = (
    long_services,
    long_peers,
    metadata_in_the_other_form,
    zones_in_the_other_form,
    defaults_written_out,
    nothing_written_out,
)
OTHER: tuple[Variation, ...] = (
    one_zone,
    odd_cluster_name,
    slow_checks,
    short_checks,
    path_of_a_service_and_protocol_of_the_balancer,
    zone_without_nodes,
    most_tags,
    most_managers,
    most_clients,
    checkers_without_need,
    every_override,
    no_common_machine,
    neighbour,
    no_program,
    every_server,
    names_in_one_zone,
    no_addresses,
    reserved_capacity,
)
