"""`denodo-ha cost`: monthly cost of an environment at list prices, and updates of the prices."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import clone_folder, load_configuration
from denodo_ha.cli.errors import Failed, UsageError
from denodo_ha.cli.options import DocumentFormat
from denodo_ha.cli.output import (
    print_json,
    print_line,
    print_markdown,
    print_message,
    print_paragraph,
    print_table,
)
from denodo_ha.cli.progress import Progress
from denodo_ha.review.base_synthesis import as_seen_from_a_tree, synthesise
from denodo_ha.review.cost.cost_report import COLUMNS, cells, json_report, notes
from denodo_ha.review.cost.monthly_cost import MonthlyCost, monthly_cost
from denodo_ha.review.cost.offer_download import (
    PRICE_LIST,
    checked_server,
    download_offer,
    offer_source,
    offer_url,
)
from denodo_ha.review.cost.offer_file import SERVICES, Offer, OfferFileError, read_offer
from denodo_ha.review.cost.price_list import (
    GLOBAL,
    HOURS,
    Source,
    known_prices,
    updated_file,
    user_file,
)

_SERVICE_OF = {
    "ec2": "AmazonEC2",
    "ebs": "AmazonEC2",
    "nat-gateway": "AmazonEC2",
    "elb": "AWSELB",
    "vpc-endpoint": "AmazonVPC",
    "public-ipv4": "AmazonVPC",
    "kms-key": "awskms",
    "route53-zone": "AmazonRoute53",
    "route53-check-option": "AmazonRoute53",
    **dict.fromkeys(("alarm", "high-resolution-alarm", "composite-alarm"), "AmazonCloudWatch"),
    "secret": "AWSSecretsManager",
    "rds-multi-az": "AmazonRDS",
    "rds-multi-az-storage": "AmazonRDS",
}
"""Service code of the price list file by the first word of an item."""


def cost(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CONFIG|PATH...]",
            help="A configuration, a cdk.out folder, or templates in JSON, one stack each.",
            show_default=False,
        ),
    ] = None,
    *,
    config: options.Config = None,
    form: options.Document = DocumentFormat.table,
    update: Annotated[
        list[Path] | None,
        typer.Option(
            "--update",
            metavar="FILE",
            help="First read prices from this price list file of AWS (JSON); repeatable.",
        ),
    ] = None,
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="First download AWS's price list files for the stacks' regions."
        ),
    ] = False,
    price_list: Annotated[
        str,
        typer.Option("--price-list", metavar="URL", help="Server for --online, such as a mirror."),
    ] = PRICE_LIST,
) -> None:
    """Show what an environment costs a month at AWS's list prices, by cluster and item.

    The prices are on-demand list prices of the pages and dates that the output names, for a month
    of 730 hours, without tax, discounts and free tiers. Items that AWS charges by use, such as
    traffic, are listed without a price. If the price of an item is unknown, the sum is `at least`.

    --update and --online write config/prices.json, whose prices take precedence over those of this
    version. AWS's price list needs no account: EC2's file of a region has some 400 MB.

        denodo-ha cost -c prod

        denodo-ha cost cdk.out --format json

        denodo-ha cost -c prod --online
    """
    choices = [*(paths or ()), *([Path(config)] if config else ())]
    server = checked_server(price_list)
    if update:
        _save([_read_file(file) for file in update])
    if not choices:
        if update and not online:
            raise typer.Exit(exit_codes.DONE)
        raise UsageError("nothing to price: give -c CONFIG, or a cdk.out folder")
    stacks = _stacks(choices)
    if online:
        _save(list(_downloads(stacks, server)))
    _print(monthly_cost(stacks, known_prices()), form)
    raise typer.Exit(exit_codes.DONE)


def _stacks(choices: Sequence[Path]) -> tuple[SynthesisedStack, ...]:
    if all(choice.is_dir() or choice.suffix in {".json", ".template"} for choice in choices):
        return read_stacks(choices)
    if len(choices) > 1:
        names = ", ".join(map(str, choices))
        message = f"{names}: give only one configuration, or folders and templates of cdk synth"
        raise UsageError(message)
    clone = clone_folder()
    if clone is None:
        message = (
            f"{choices[0]}: a configuration can be synthesised only in a clone of the project: run "
            "tools/denodo-ha in a clone, or give a folder of cdk synth: denodo-ha cost cdk.out"
        )
        raise UsageError(message)
    # Load the configuration before the synthesis, so that an error in the file is reported with its
    # position.
    load_configuration(str(choices[0]))
    with tempfile.TemporaryDirectory(prefix="denodo-ha-cost-") as folder:
        name = as_seen_from_a_tree(str(choices[0]), clone)
        return synthesise(name, clone, Path(folder) / "cdk.out", name)


def _read_file(file: Path) -> tuple[Source, Offer]:
    try:
        if not file.is_file():
            message = f"{file} is not a file: give a price list file of AWS, such as index.json"
            raise UsageError(message)
        with file.open("rb") as stream:
            offer = read_offer(stream)
    except OfferFileError as error:
        message = (
            f"{file}: {error}. The prices were not changed; download the file again from AWS "
            "(docs/explanation/costs.md#current-prices)"
        )
        raise Failed(message) from None
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}. The prices were not changed"
        raise Failed(message) from None
    return offer_source(offer, file.name, ", ".join(offer.prices)), offer


def _downloads(stacks: Sequence[SynthesisedStack], server: str) -> Iterator[tuple[Source, Offer]]:
    progress = Progress()
    lines = monthly_cost(stacks, {}).lines
    items = {line.item.price for line in lines if line.item.price}
    regions = sorted({region for region, _ in items if region != GLOBAL})
    wanted = {(region, _SERVICE_OF.get(item.split()[0], "")) for region, item in items}
    with progress.step("price list of AWS") as step:
        for service in SERVICES:
            for region in (GLOBAL, *regions):
                if (region, service) in wanted:
                    url = offer_url(server, service, region)
                    step.update(f"{service}, {region}")
                    offer = download_offer(url)
                    yield offer_source(offer, url, region), offer


def _save(read: Sequence[tuple[Source, Offer]]) -> None:
    file = user_file()
    updated_file(file, [(source, offer.prices) for source, offer in read])
    for source, offer in read:
        count = sum(map(len, offer.prices.values()))
        print_message(f"{file}: {count} prices of {source.title}, {source.published}")


def _print(result: MonthlyCost, form: DocumentFormat) -> None:
    if form is DocumentFormat.json:
        print_json(json_report(result))
        return
    for scope in result.scopes:
        title = f"{scope.name}, {scope.region}: {scope.month} USD a month"
        rows = list(map(cells, scope.lines))
        if form is DocumentFormat.markdown:
            print_line(f"\n## {title}\n")
            print_markdown(COLUMNS, rows)
        else:
            print_table(COLUMNS, rows, title)
            print_line("")
    print_line(f"Total: {result.month} USD a month of {HOURS} hours, on demand")
    for note in notes(result):
        print_paragraph(note)
