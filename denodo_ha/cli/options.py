"""Options shared by several commands: name, help and completion.

def status(
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    form: options.Format = TableFormat.table,
) -> None:
    aws = Aws(profile=profile)
    located = locate_environment(aws, config=config, environment=environment, regions=region)
"""

from enum import StrEnum
from typing import Annotated

import typer

from denodo_ha.cli import configuration_choice

_WHICH = "Which environment"
_HOW = "How"
LIVE_PANEL = "What runs"


class TableFormat(StrEnum):
    """Output formats: a table for people, JSON for programs."""

    table = "table"
    json = "json"


class DocumentFormat(StrEnum):
    """Output formats: a table for people, JSON for programs, Markdown for documents."""

    table = "table"
    json = "json"
    markdown = "markdown"


Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="CONFIG",
        help="The configuration: a path, or the name of a file in config/ or config/examples/, "
        "as for cdk -c config=CONFIG.",
        autocompletion=configuration_choice.complete_configuration,
        rich_help_panel=_WHICH,
    ),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "--environment",
        metavar="NAME",
        help="The environment's name, if the configuration file is not available; the stacks of "
        "the environment are found by their tags in each --region.",
        rich_help_panel=_WHICH,
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="REGION",
        help="Region to search; may be repeated. With --config: only clusters in these regions.",
        rich_help_panel=_WHICH,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="Profile of the AWS settings; default: AWS_PROFILE, or the SDK's default credentials.",
        rich_help_panel=_WHICH,
    ),
]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Work on a site without a stack of this project, from the state that AWS shows.",
        rich_help_panel=LIVE_PANEL,
    ),
]
Record = Annotated[
    str | None,
    typer.Option(
        "--record",
        metavar="NAME",
        help="With --live: the DNS name that clients use, in a hosted zone of this account.",
        rich_help_panel=LIVE_PANEL,
    ),
]
LoadBalancer = Annotated[
    str | None,
    typer.Option(
        "--balancer",
        metavar="NAME",
        help="With --live: a load balancer's name, ARN or DNS name.",
        rich_help_panel=LIVE_PANEL,
    ),
]
Format = Annotated[
    TableFormat,
    typer.Option("--format", help="A table, or JSON for programs.", rich_help_panel=_HOW),
]
Document = Annotated[
    DocumentFormat,
    typer.Option("--format", help="A table, JSON or Markdown.", rich_help_panel=_HOW),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show what would be changed, and change nothing.", rich_help_panel=_HOW
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="CLUSTER",
        help="The cluster; required if the environment has several clusters.",
        rich_help_panel=_WHICH,
    ),
]
Timeout = Annotated[
    int | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=1,
        help="Seconds for each wait of the command, not for the whole command; the last lines of "
        "this help show the number of waits.",
        rich_help_panel=_HOW,
    ),
]
