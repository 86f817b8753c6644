"""Hypothesis strategies for the metadata database and exports of clusters."""

from typing import Any

from hypothesis import strategies as st

from tests.support.configurations import Data, Draw

_MUST = ("scheduler", "data-catalog")


@st.composite
def shared(draw: Draw, data: Data) -> Data:
    """Draw `catalog` and `exports` of each cluster.

    Clusters of several nodes get `catalog` if `denodo.servers` has a server that must share its
    metadata.
    """
    denodo = data["denodo"]
    named = denodo.get("servers", [])
    return {
        name: draw(_cluster(denodo, named, cluster, number))
        for number, (name, cluster) in enumerate(data["clusters"].items())
    }


@st.composite
def _cluster(draw: Draw, denodo: Data, named: list[str], cluster: Data, number: int) -> Data:
    settings: Data = {}
    must = [
        cluster_name
        for cluster_name in named
        if cluster_name in _MUST and len(cluster["nodes"]) > 1
    ]
    source = denodo.get("metadata", "")
    source = source if isinstance(source, str) else source["source"]
    may_share = denodo["version"] != "7.0" and source in ("", "catalog")
    if must or draw(st.integers(0, 3)) == 0:
        more = ["vdp"] if may_share and draw(st.booleans()) else []
        components = [*must, *more] or ["scheduler"]
        settings["catalog"] = {"components": components, **draw(_database(cluster, number))}
    exports = denodo.get("program", True) and "vdp" in (named or ["vdp"])
    if exports and draw(st.integers(0, 2)) == 0:
        settings["exports"] = {"login": _secret(cluster, "login")}
        if "vdp" in settings.get("catalog", {}).get("components", ()):
            settings["exports"]["restore"] = False
    return settings


@st.composite
def _database(draw: Draw, cluster: Data, number: int) -> Data:
    balancer, network = cluster["balancer"], cluster["network"]
    public = balancer["kind"] == "none" and balancer.get("scheme") == "internet-facing"
    two_zones = len(network["zones"]) > 1
    if not two_zones or (public and "vpc" not in network) or draw(st.booleans()):
        host = f"db{number}.example.com"
        return {"existing": {"host": host, "secret": _secret(cluster, "admin")}}
    optional: dict[str, Any] = {
        "version": st.sampled_from(["15", "16", "17.2", "18"]),
        "type": st.sampled_from(["db.t4g.micro", "db.r6g.12xlarge"]),
        "storage_gib": st.integers(20, 65_536),
        "max_connections": st.integers(20, 5000),
        "multi_az": st.booleans(),
        "retention_days": st.integers(1, 35),
        "maintenance_window": st.just("sun:03:00-sun:04:00"),
        "backup_window": st.just("01:00-02:00"),
        "deletion_protection": st.booleans(),
        "final_snapshot": st.booleans(),
        "log_exports": st.booleans(),
    }
    database: Data = draw(st.fixed_dictionaries({}, optional=optional))
    return database


def share(data: Data, *components: str) -> None:
    """Give each cluster an existing database server and no exports."""
    for name, cluster in data["clusters"].items():
        server = {"host": f"db-{name.strip('-')}.example.com", "secret": _secret(cluster, "admin")}
        cluster["catalog"] = {"components": [*components], "existing": server}
        cluster.pop("exports", None)


def _secret(cluster: Data, name: str) -> str:
    place = f"{cluster['region']}:{cluster['account']}"
    partition = "aws-us-gov" if cluster["region"].startswith("us-gov-") else "aws"
    return f"arn:{partition}:secretsmanager:{place}:secret:{name}-AbCdEf"
