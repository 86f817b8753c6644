"""Breakages of a configuration: wrong settings of the servers on the nodes."""

from tests.environment.breakages.breakage import (
    DENODO,
    JDBC,
    NODES,
    Breakage,
    Paths,
    Put,
    at,
    clusters_of,
    is_bare,
    path_of,
)
from tests.strategies.catalogs import share
from tests.support.configurations import Data


def servers_that_serve_nobody(data: Data) -> Paths | None:
    """Start only the Scheduler.

    Services of other servers are then wrong, unless they have TCP checks.
    """
    if not data["denodo"].get("program", True) or is_bare(data):
        return None
    if any("health" in of["balancer"] for of in clusters_of(data)):
        return None
    if any("instance_id" in node for of in clusters_of(data) for node in of["nodes"].values()):
        return None
    data.setdefault("services", {})["jdbc"] = 9999
    data["denodo"]["servers"] = ["scheduler"]
    data["denodo"].pop("metadata", None)
    share(data, "scheduler")
    return JDBC, ("services",)


def export_from_nowhere(data: Data) -> Paths:
    data["denodo"]["metadata"] = {"source": "export"}
    return ((*DENODO, "metadata"),)


def secret_elsewhere(data: Data) -> Paths | None:
    nodes = at(data, NODES).values()
    if data["denodo"]["version"] == "7.0" or all("instance_id" in node for node in nodes):
        return None
    arn = "arn:aws:secretsmanager:sa-east-1:111122223333:secret:x-AbCdEf"
    data["denodo"]["security_token"] = arn
    return ((*DENODO, "security_token"),)


def port_of_another_server(data: Data) -> Paths | None:
    nodes = [node for of in clusters_of(data) for node in of["nodes"].values()]
    if not data["denodo"].get("program", True) or all("instance_id" in node for node in nodes):
        return None
    data.setdefault("services", {})["jdbc"] = {"port": 9999, "node_port": 9191}
    return (*JDBC, "node_port"), *(() if not is_bare(data) else (JDBC,))


BREAKAGES: tuple[Breakage, ...] = (
    Put(path_of("denodo"), "8.0"),
    Put(path_of("denodo", "version"), "10.1"),
    Put(path_of("denodo", "version"), 9),
    Put(path_of("denodo", "version"), None),
    Put((*DENODO, "colour"), "green"),
    Put((*DENODO, "program"), "no"),
    Put((*DENODO, "home"), "opt/denodo"),
    Put((*DENODO, "home"), "/opt/denodo/"),
    Put((*DENODO, "user"), "root"),
    Put((*DENODO, "user"), "a b"),
    Put((*DENODO, "servers"), []),
    Put((*DENODO, "servers"), ["vdp", "vdp"]),
    Put((*DENODO, "servers"), ["vql"]),
    Put((*DENODO, "heap_gib"), 0),
    Put((*DENODO, "heap_gib"), 8192),
    Put((*DENODO, "heap_gib"), "8"),
    Put((*DENODO, "jvm"), "-Xmx8g"),
    Put((*DENODO, "jvm"), {"web": " -Xmx2g"}),
    Put((*DENODO, "tls"), {}),
    Put((*DENODO, "tls"), {"secret": "denodo/tls"}),
    Put((*DENODO, "security_token"), "token"),
    Put((*DENODO, "metadata"), "image"),
    Put((*DENODO, "metadata"), {"source": "export", "uri": "s3://bucket/*", "login": "admin"}),
    Put((*DENODO, "signal"), "later"),
    Put((*DENODO, "start_limit"), 299),
    Put((*DENODO, "start_limit"), 43_201),
    Put((*DENODO, "stop_limit"), 9),
    export_from_nowhere,
    secret_elsewhere,
    servers_that_serve_nobody,
    port_of_another_server,
)
