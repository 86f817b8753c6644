"""Five commands to try after `make local`, each complete to paste."""

from collections.abc import Sequence
from dataclasses import dataclass

from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.verification import ports_to_verify

_WEB_S = 5
_RETRIES = "--retry 6 --retry-all-errors"
"""Options of curl for a command after the loss of a node: new connections to the lost node are
reset until its health checks have failed."""
_COUNT = 5
_FEW_NODES = 2
TABLES_FILE = ".local/tables.sql"
_TABLES = "CREATE TABLE QRTZ_LOCKS (name text);"
"""Replacement for the scripts of Denodo that create the tables for which nodes look."""


@dataclass(frozen=True)
class Thing:
    """A command, and a text that describes the command's effect."""

    command: str
    text: str


def things_to_try(
    environment: Environment,
    config: str,
    name: str,
    *,
    nodes_run: bool = True,
    init: Sequence[str] = (),
) -> list[Thing]:
    """Return the five commands; if no node runs programs, only those that need no node.

    Args:
        environment: the deployed environment.
        config: name or path of its configuration.
        name: the DNS name that clients use.
        nodes_run: whether instances run their programs.
        init: the command `denodo-ha catalog init` for each database.
    """
    option = "" if config == configuration_file.DEFAULT else f" CONFIG={config}"
    cluster_name, cluster = _first_cluster(environment)
    nodes = sorted(cluster.nodes)
    # Leave out adopted instances: they have no node program that could record confirmed metadata,
    # and they already serve clients.
    new_nodes = [
        f"{of}:{item}"
        for of, its in environment.clusters.items()
        for item, node in sorted(its.nodes.items())
        if node.instance_id is None
    ]
    enable = f"denodo-ha enable ${{node#*:}} --cluster ${{node%:*}} -c {config} --metadata-ok"
    enabled = f"for node in {' '.join(new_nodes)}; do {enable}; done"
    node = f"{cluster_name}/{nodes[0]}"
    last = _last(environment, config, cluster_name, nodes)
    shell = Thing(
        f'eval "$(make -s local-env{option})"',
        "let `aws`, `cdk` and `denodo-ha` in this shell use the local AWS",
    )
    if not nodes_run:
        return [shell, last]
    if environment.failover is None and len(nodes) <= _FEW_NODES:
        # Do not suggest a drain: while one of two nodes is lost, a drain of the other node is
        # refused.
        last = Thing(
            f"make local-node{option} NODE={node} DO=start", "bring the lost node back into service"
        )
    text = "create the users and tables of the database, and reboot the nodes to use the database"
    databases = [Thing(_create_users(environment, init), text)] if init else []
    things = [
        shell,
        *databases,
        *(
            [Thing(enabled, "confirm the metadata of the new nodes, so that they serve clients")]
            if new_nodes
            else []
        ),
        Thing(_connect(environment, name, cluster_name), "connect as a client: a node answers"),
        Thing(
            f"make local-node{option} NODE={node} DO=kill",
            "lose a node; then connect as a client again, and see the node's alarm in "
            ".local/notifications.txt",
        ),
        last,
    ]
    return things[:_COUNT]


def _create_users(environment: Environment, init: Sequence[str]) -> str:
    """Return commands that create the users and tables of databases, and reboot the nodes.

    The nodes use the databases after the boot.
    """
    regions = {
        cluster.region: sorted(cluster.nodes)
        for cluster in environment.clusters.values()
        if cluster.catalog is not None
    }
    boots = [
        f"aws ec2 reboot-instances --region {region} --instance-ids $(aws ec2 describe-instances "
        f"--region {region} --filters Name=tag:denodo:node,Values={','.join(nodes)} "
        "Name=instance-state-name,Values=running "
        "--query 'Reservations[].Instances[].InstanceId' --output text)"
        for region, nodes in regions.items()
    ]
    tables = f"echo '{_TABLES}' > {TABLES_FILE}"
    return " && ".join([tables, *init, *boots])


def _first_cluster(environment: Environment) -> tuple[str, Cluster]:
    failover = environment.failover
    name = failover.primary if failover is not None else min(environment.clusters)
    return name, environment.clusters[name]


def _connect(environment: Environment, name: str, cluster: str) -> str:
    """Return a command of a client: for a web service if there is one, else for the ODBC port."""
    resolved = f"$(make -s local-resolve NAME={name})"
    for port in ports_to_verify(environment, [cluster]):
        if port.protocol == "web":
            scheme, insecure = ("https", " -k") if port.tls else ("http", "")
            return (
                f"curl -s{insecure} -m {_WEB_S} {_RETRIES} --resolve {name}:{port.port}:{resolved} "
                f"{scheme}://{name}:{port.port}/"
            )
    return f'psql "hostaddr={resolved} port=9996 user=admin dbname=admin" -c "select 1"'


def _last(environment: Environment, config: str, cluster: str, nodes: list[str]) -> Thing:
    failover = environment.failover
    if failover is not None:
        return Thing(
            f"denodo-ha failover to {failover.secondary} -c {config}",
            f"fail over: the failover name leads clients to {failover.secondary}",
        )
    return Thing(
        f"denodo-ha drain {nodes[-1]} --cluster {cluster} -c {config} --why try",
        "drain a node: take the node out of service without ending a session",
    )
