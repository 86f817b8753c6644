"""`denodo-ha picture`: the topology as clients see it, from templates."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.cloud_assembly import read_stacks
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_document
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.review.picture.dot import dot
from denodo_ha.review.picture.graph import Picture, marked, simplified
from denodo_ha.review.picture.mermaid import mermaid
from denodo_ha.review.picture.svg import svg
from denodo_ha.review.picture.topology import picture_of


class PictureFormat(StrEnum):
    """Formats of a picture."""

    svg = "svg"
    mermaid = "mermaid"
    dot = "dot"


def picture(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="A cdk.out folder, or templates (JSON or YAML), one stack each."
        ),
    ],
    *,
    form: Annotated[
        PictureFormat,
        typer.Option("--format", help="SVG, Mermaid for Markdown, or Graphviz's DOT."),
    ] = PictureFormat.svg,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", metavar="PATH", help="Mark the differences from this cdk.out or template."
        ),
    ] = None,
) -> None:
    """Draw the topology as clients see it: names, balancers, ports, nodes by zone, checks, switch.

    The picture is made from templates, without any AWS call. Parts that cannot be read from the
    templates are missing from the picture; `denodo-ha drill` lists these parts.

        denodo-ha picture cdk.out > topology.svg

        denodo-ha picture cdk.out --against base.out --format mermaid
    """
    drawn = _picture(paths)
    if against is not None:
        drawn = marked(_picture([against]), drawn)
    match form:
        case PictureFormat.svg:
            print_document(svg(drawn, "Topology as clients see it"))
        case PictureFormat.mermaid:
            print_document(mermaid(drawn))
        case PictureFormat.dot:
            print_document(dot(drawn))
    raise typer.Exit(exit_codes.DONE)


def _picture(paths: list[Path]) -> Picture:
    model = build_model(read_stacks(paths))
    if not model.clusters:
        message = (
            "none of these templates has a load balancer or an instance to draw: give the template "
            "of a cluster's stack"
        )
        raise UsageError(message)
    return simplified(picture_of(model))
