"""`denodo-ha review`: one page on the effects of a change of the configuration, for reviewers."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.cloud_assembly import read_stacks
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import CommandError, Failed, UsageError
from denodo_ha.cli.output import print_document, print_json, print_message
from denodo_ha.review.base_synthesis import Revisions, synthesised_since
from denodo_ha.review.cost.cost_report import json_report
from denodo_ha.review.cost.price_list import known_prices
from denodo_ha.review.gate import CATEGORIES, parse_gate
from denodo_ha.review.page.html_page import html_page
from denodo_ha.review.page.markdown_page import markdown_page
from denodo_ha.review.page.page_contents import page_of
from denodo_ha.review.picture.svg import svg
from denodo_ha.review.review import Configuration, Review, review_stacks
from denodo_ha.review.stack_diff import stack_differences


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
            f"{', '.join(CATEGORIES)}. cost:+20% allows a rise of the monthly cost by 20%.",
        ),
    ] = None,
    form: Annotated[
        PageFormat, typer.Option("--format", help="Markdown, or JSON for programs.")
    ] = PageFormat.markdown,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write the page as an HTML file that needs no network.",
        ),
    ] = None,
) -> None:
    """Review a change on one page: what gets worse, what clients notice, access, protections.

    With -c CONFIG, the git revision and the working tree of this clone are synthesised, each with
    its own version of the configuration file. Two folders of cdk synth are compared without git;
    add -c CONFIG to silence the findings that the configuration accepts (`accept`). No account is
    needed, and AWS is not called. Exit code 1: a finding of a category in --fail-on is not
    accepted.

        denodo-ha review -c prod --base main --html review.html > review.md

        denodo-ha review base.out new.out --fail-on worse,replacement,access
    """
    failing = parse_gate(fail_on)
    if html is not None:
        _require_folder_of(html)
    # Load the configuration before the synthesis, so that an error in the file is reported with its
    # position.
    configuration = _configuration(config)
    prices = known_prices()
    with _revisions(base_folder, new_folder, config, base) as revisions:
        has_page = form is PageFormat.markdown or html is not None
        with ThreadPoolExecutor(max_workers=1) as pool:
            # Run the drills while the CDK CLI compares the stacks, which takes seconds for each
            # stack that differs.
            differences = pool.submit(_differences, revisions) if has_page else None
            result = review_stacks(
                revisions.base,
                revisions.new,
                configuration,
                datetime.now(UTC).date(),
                prices=prices,
                cost_limit=failing.cost_limit,
            )
        page = page_of(result, _title(revisions), differences.result() if differences else ())
    if html is not None:
        _write(html, html_page(page, _drawing(result)))
    if form is PageFormat.json:
        print_json(_json_report(result, revisions))
    else:
        print_document(markdown_page(page))
    if any(item.category in failing.categories for item in result.findings):
        raise typer.Exit(exit_codes.NO)
    raise typer.Exit(exit_codes.DONE)


@contextmanager
def _revisions(
    base_folder: Path | None, new_folder: Path | None, config: str | None, base: str | None
) -> Iterator[Revisions]:
    if base_folder is not None and new_folder is not None:
        if base is not None:
            message = "--base cannot be given with two folders, which are compared without git"
            raise UsageError(message)
        yield Revisions(
            f"From {base_folder} to {new_folder}",
            read_stacks([base_folder]),
            read_stacks([new_folder]),
        )
    elif base_folder is not None:
        message = (
            f"{base_folder}: one folder cannot be compared: give two folders, BASE.out and "
            "NEW.out, or -c CONFIG to compare the working tree with a git revision"
        )
        raise UsageError(message)
    elif config is None:
        message = (
            "nothing to compare: give -c CONFIG to compare the working tree with a git revision, "
            "or two folders of cdk synth"
        )
        raise UsageError(message)
    else:
        with synthesised_since("main" if base is None else base, config) as revisions:
            yield revisions


def _configuration(config: str | None) -> Configuration:
    """Return the parts of the configuration in the working tree that the review needs."""
    if config is None:
        return Configuration()
    loaded = load_configuration(config)
    findings = tuple(problem.rule for problem in loaded.findings if problem.rule)
    return Configuration(config, loaded.environment.accept, findings)


def _title(revisions: Revisions) -> str:
    return f"{revisions.title}. {revisions.note}" if revisions.note else revisions.title


def _drawing(result: Review) -> str:
    """Return the picture as SVG; empty if there is none, or if Graphviz is not installed."""
    if result.picture is None:
        return ""
    try:
        return svg(result.picture, "Topology as clients see it")
    except CommandError as error:
        print_message(f"The page has the picture only in words: {error}")
        return ""


def _require_folder_of(file: Path) -> None:
    """Raise an error at once if the folder of a file to write does not exist."""
    if file.is_dir() or not file.parent.is_dir():
        is_folder = file.is_dir()
        reason = "is a folder" if is_folder else f"is in {file.parent}, which is not a folder"
        message = f"--html {file} {reason}; name a file in a folder that exists"
        raise UsageError(message)


def _write(file: Path, text: str) -> None:
    """Write the review's HTML page to a file; raise `Failed` if that is not possible."""
    try:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        message = f"--html {file} cannot be written: {error.strerror}; name another file"
        raise Failed(message) from None


def _differences(revisions: Revisions) -> list[str]:
    """Return the differences that `cdk diff` shows, or why `cdk diff` is not available."""
    try:
        return list(stack_differences(revisions.base, revisions.new))
    except CommandError as error:
        return [f"cdk diff is not available: {error}"]


def _json_report(result: Review, revisions: Revisions) -> Mapping[str, object]:
    cost = result.cost
    return {
        "environment": result.environment,
        "title": _title(revisions),
        "findings": result.findings,
        "accepted": result.accepted,
        "compared": result.compared,
        "nodes": result.effects.nodes,
        "balancers": result.effects.balancers,
        "databases": result.effects.databases,
        "cost": cost and {"before": json_report(cost.before), "after": json_report(cost.after)},
        "steps": result.steps,
    }
