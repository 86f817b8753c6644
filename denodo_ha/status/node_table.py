"""`denodo-ha nodes`: the table of nodes to register in the Solution Manager."""

import typer

from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_json, print_markdown, print_table
from denodo_ha.environment.derived import node_names, node_state
from denodo_ha.environment.model.environment import Environment

_COLUMNS = ("Cluster", "Name", "Type", "Host", "Port")
_SERVERS = (("Virtual DataPort", "vdp", "vdp"), ("Scheduler", "scheduler", "scheduler"))
"""Server type in the Solution Manager, server, and key of its port in the desired state."""


def nodes(
    *,
    config: options.Config = None,
    form: options.Document = options.DocumentFormat.table,
) -> None:
    """Print the servers to register in the Solution Manager: name, host, port and type.

    The table comes from the configuration, without any AWS call. Register the nodes, never the load
    balancer: the License Manager identifies a server by its own host and port. If a node's address
    is not known, the table says so.

        denodo-ha nodes -c prod --format markdown
    """
    if config is None:
        raise UsageError(
            "no configuration is named: add -c CONFIG (a path, or the name of a file in config/)"
        )
    rows = rows_of(configuration_choice.load_configuration(config, deploying=False).environment)
    if form is options.DocumentFormat.json:
        keys = [column.lower() for column in _COLUMNS]
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    elif form is options.DocumentFormat.markdown:
        print_markdown(_COLUMNS, rows)
    else:
        print_table(_COLUMNS, rows)
    raise typer.Exit(exit_codes.DONE)


def rows_of(environment: Environment) -> list[list[str]]:
    """Return cluster, name, type, host and port of every server to register."""
    rows = []
    for cluster, settings in sorted(environment.clusters.items()):
        named = node_names.nodes_with_record(environment, cluster)
        for name, node in sorted(settings.nodes.items()):
            host = (
                node_names.host_name(environment, cluster, name)
                if name in named
                else f"(own host name of {node.instance_id})"
            )
            ports = node_state.node_ports(environment, node)
            for kind, server, key in _SERVERS:
                if server in environment.denodo.servers:
                    rows.append([cluster, name, kind, host, str(ports[key])])
    return rows
