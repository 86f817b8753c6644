"""Options that several commands have, with the same names and help.

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


class TableFormat(StrEnum):
    """A table for people, or JSON for machines."""

    table = "table"
    json = "json"


class DocumentFormat(StrEnum):
    """A table for people, JSON for machines, or Markdown for documents."""

    table = "table"
    json = "json"
    markdown = "markdown"


Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="CONFIG",
        help="The configuration: a path, or a name of config/ or config/examples/, "
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
        help="The environment's name, where its file is not at hand; its stacks are found by "
        "their tags in every --region.",
        rich_help_panel=_WHICH,
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="REGION",
        help="Region to look in; may be repeated. With --config: only the clusters there.",
        rich_help_panel=_WHICH,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="PROFILE",
        help="Profile of your AWS settings; default: AWS_PROFILE, or what the SDK finds.",
        rich_help_panel=_WHICH,
    ),
]
Format = Annotated[
    TableFormat,
    typer.Option("--format", help="A table, or JSON for machines.", rich_help_panel=_HOW),
]
Document = Annotated[
    DocumentFormat,
    typer.Option("--format", help="A table, JSON or Markdown.", rich_help_panel=_HOW),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be done, and do nothing.", rich_help_panel=_HOW),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="CLUSTER",
        help="The cluster, where the environment has several.",
        rich_help_panel=_WHICH,
    ),
]
Timeout = Annotated[
    int | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=1, help="Give up after so long.", rich_help_panel=_HOW
    ),
]
