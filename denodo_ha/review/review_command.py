"""`denodo-ha review`: one page on what a change of the configuration does, for its reviewer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, get_args

import typer

from denodo_ha.aws.cloud_assembly import read_stacks
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import CommandError, UsageError
from denodo_ha.cli.output import print_document, print_json
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment.facts.review_findings import Category
from denodo_ha.review.base_synthesis import Revisions, synthesised_since
from denodo_ha.review.markdown_page import markdown_page
from denodo_ha.review.picture.graph import marked, simplified
from denodo_ha.review.picture.mermaid import mermaid
from denodo_ha.review.picture.topology import picture_of
from denodo_ha.review.review import Configuration, Review, review_stacks
from denodo_ha.review.stack_diff import stack_differences

_CATEGORIES = get_args(Category)


class PageFormat(StrEnum):
    """Output formats: Markdown for a pull request, JSON for programs."""

    markdown = "markdown"
    json = "json"


def review(
    base_folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="BASE.out", help="Folder of cdk synth before the change.", show_default=False
        ),
    ] = None,
    new_folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="NEW.out", help="Folder of cdk synth after the change.", show_default=False
        ),
    ] = None,
    *,
    config: options.Config = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base", metavar="REV", help="Git revision before the change; default: main."
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            "--fail-on",
            metavar="CATEGORIES",
            help="Exit with 1 on a finding of these categories, separated by commas: "
            f"{', '.join(_CATEGORIES)}.",
        ),
    ] = None,
    form: Annotated[
        PageFormat, typer.Option("--format", help="Markdown, or JSON for programs.")
    ] = PageFormat.markdown,
) -> None:
    """Review a change on one page: what gets worse, what clients notice, access, protections.

    With -c CONFIG, the git revision and the working tree of this clone are synthesised, each with
    its own version of the configuration file. Two folders of cdk synth are compared without git;
    with -c CONFIG, the configuration's `accept` then silences findings, too. No account is needed,
    and AWS is not called. Exit code 1: a finding of a category in --fail-on is not accepted.

        denodo-ha review -c prod --base main > review.md

        denodo-ha review base.out new.out --fail-on worse,replacement,access
    """
    failing = _parsed_categories(fail_on)
    # Loaded first: an error in the file is reported with its position, before any synthesis.
    configuration = _configuration(config)
    with _revisions(base_folder, new_folder, config, base) as revisions:
        result = review_stacks(
            revisions.base, revisions.new, configuration, datetime.now(UTC).date()
        )
        if form is PageFormat.json:
            print_json(_json_report(result, revisions))
        else:
            page = markdown_page(
                result, _title(revisions), _picture(revisions), _differences(revisions)
            )
            print_document(page)
    if any(item.category in failing for item in result.findings):
        raise typer.Exit(exit_codes.NO)
    raise typer.Exit(exit_codes.DONE)


def _parsed_categories(fail_on: str | None) -> frozenset[str]:
    if fail_on is None:
        return frozenset()
    names = [name.strip() for name in fail_on.split(",")]
    unknown = [name for name in names if name not in _CATEGORIES]
    if unknown:
        message = (
            f"--fail-on {fail_on}: {', '.join(map(repr, unknown))} is not a category; the "
            f"categories are: {', '.join(_CATEGORIES)}"
        )
        raise UsageError(message)
    return frozenset(names)


@contextmanager
def _revisions(
    base_folder: Path | None, new_folder: Path | None, config: str | None, base: str | None
) -> Iterator[Revisions]:
    if base_folder is not None and new_folder is not None:
        if base is not None:
            message = "--base REV: not together with two folders, which are compared without git"
            raise UsageError(message)
        yield Revisions(
            f"From {base_folder} to {new_folder}",
            read_stacks([base_folder]),
            read_stacks([new_folder]),
        )
    elif base_folder is not None:
        message = (
            f"{base_folder}: one folder cannot be compared; give two, BASE.out and NEW.out, or -c "
            "CONFIG to compare the working tree with a git revision"
        )
        raise UsageError(message)
    elif config is None:
        message = (
            "nothing to compare: give -c CONFIG to compare the working tree with a git revision, "
            "or two folders of cdk synth"
        )
        raise UsageError(message)
    else:
        with synthesised_since(base or "main", config) as revisions:
            yield revisions


def _configuration(config: str | None) -> Configuration:
    """Return what the review needs of the configuration in the working tree."""
    if config is None:
        return Configuration()
    loaded = load_configuration(config)
    findings = tuple(problem.rule for problem in loaded.findings if problem.rule)
    return Configuration(config, loaded.environment.accept, findings)


def _title(revisions: Revisions) -> str:
    return f"{revisions.title}. {revisions.note}" if revisions.note else revisions.title


def _picture(revisions: Revisions) -> str:
    """Return the picture with its changed parts marked; empty if there is nothing to draw."""
    models = [build_model(stacks) for stacks in (revisions.base, revisions.new)]
    if not models[1].clusters:
        return ""
    before, after = (simplified(picture_of(model)) for model in models)
    return mermaid(marked(before, after) if models[0].clusters else after)


def _differences(revisions: Revisions) -> list[str]:
    """Return the differences of `cdk diff`, or the reason why there are none."""
    try:
        return list(stack_differences(revisions.base, revisions.new))
    except CommandError as error:
        return [f"cdk diff is not available: {error}"]


def _json_report(result: Review, revisions: Revisions) -> Mapping[str, object]:
    return {
        "environment": result.environment,
        "title": _title(revisions),
        "findings": result.findings,
        "accepted": result.accepted,
        "nodes": result.effects.nodes,
        "balancers": result.effects.balancers,
        "databases": result.effects.databases,
        "steps": result.steps,
    }
