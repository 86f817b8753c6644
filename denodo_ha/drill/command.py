"""The command `denodo-ha drill`: the outcome of every single failure.

The command reads templates before a deploy, or with --live the resources that are deployed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import DocumentFormat
from denodo_ha.cli.output import print_json
from denodo_ha.cli.time_limit import TimeLimit, limited
from denodo_ha.drill.comparison import outcome_changes
from denodo_ha.drill.drill_output import print_comparison, print_drill
from denodo_ha.drill.drill_run import DrillResult, drill_paths
from denodo_ha.drill.event_orders import search_orders
from denodo_ha.drill.policies import POLICY_IDS, Verdict, apply_policies

if TYPE_CHECKING:
    from denodo_ha.drill.live.live_drill import LiveDrill


@limited(TimeLimit(60, then="the drill itself, which does not call AWS"))
def drill(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH...", help="A cdk.out folder, or templates (JSON or YAML), one stack each."
        ),
    ] = None,
    *,
    form: options.Document = DocumentFormat.table,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="PATH",
            help="Show only the differences from the drill of this cdk.out or template.",
        ),
    ] = None,
    orders: Annotated[
        bool,
        typer.Option(
            "--orders",
            help="Also search every order of failures and repairs; exit with 1 if DNS answers "
            "wrongly after an order.",
        ),
    ] = False,
    orders_depth: Annotated[
        int | None,
        typer.Option(
            "--orders-depth",
            metavar="EVENTS",
            min=1,
            help="With --orders: maximum number of events in an order (default: no maximum).",
        ),
    ] = None,
    no_worse: Annotated[
        bool,
        typer.Option(
            "--no-worse",
            help="With --against: exit with 1 if a failure has a worse outcome than before.",
        ),
    ] = False,
    drained: Annotated[
        list[str] | None,
        typer.Option(
            "--drained",
            metavar="CLUSTER/NODE",
            help="Work out the failures with this node drained; repeatable.",
        ),
    ] = None,
    max_recovery: Annotated[
        int | None,
        typer.Option(
            "--max-recovery",
            metavar="SECONDS",
            min=0,
            help="Exit with 1 if the recovery from a loss takes more than SECONDS.",
        ),
    ] = None,
    min_secondary: Annotated[
        int,
        typer.Option(
            "--min-secondary",
            metavar="N",
            min=0,
            help="Exit with 1 if the secondary has fewer than N jdbc nodes.",
        ),
    ] = 1,
    max_load: Annotated[
        int | None,
        typer.Option(
            "--max-load",
            metavar="PERCENT",
            min=100,
            help="Exit with 1 if a node has more than PERCENT of its previous load after a loss.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="POLICY", help="Do not apply this policy; repeatable."),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Read the resources that run from AWS instead of templates; change nothing.",
            rich_help_panel=options.LIVE_PANEL,
        ),
    ] = False,
    record: options.Record = None,
    balancer: options.LoadBalancer = None,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    show_policy: Annotated[
        bool,
        typer.Option(
            "--show-policy",
            help="Print the IAM policy that --live needs; it permits only reading.",
            rich_help_panel=options.LIVE_PANEL,
        ),
    ] = False,
) -> None:
    """Work out the outcome of every single failure, from templates or for deployed resources.

    The drill applies AWS's documented rules. The drill of templates needs no account and no
    network. The drill with --live reads the resources that run, made by this project or not, and
    changes nothing. Exit code 1: a policy is broken. Exit code 2: no policy is broken, but at
    least one policy is unknown, because a value that the policy needs is not in the templates or
    could not be read.

        denodo-ha drill cdk.out

        denodo-ha drill cdk.out --orders

        denodo-ha drill cdk.out --against base.out --no-worse --format markdown

        denodo-ha drill --live --region eu-west-1 --record denodo.example.com

        denodo-ha drill --live -c prod --against cdk.out
    """
    if show_policy:
        from denodo_ha.drill.live.aws_calls import read_only_policy  # noqa: PLC0415 - needs boto3

        print_json(read_only_policy())
        return
    of_live: dict[str, object] = {
        "--record": record,
        "--balancer": balancer,
        "--config": config,
        "--environment": environment,
        "--region": region,
        "--profile": profile,
    }
    _require_one_source(paths, [name for name, value in of_live.items() if value], live=live)
    if no_worse and against is None:
        raise UsageError("--no-worse needs --against PATH: name the templates to compare with")
    if orders and against is not None:
        raise UsageError("--orders and --against cannot be combined: run the drill once with each")
    ignored = ignore or []
    _require_policies(ignored)

    def verdicts_on(result: DrillResult) -> tuple[Verdict, ...]:
        return apply_policies(
            result,
            max_recovery=max_recovery,
            min_secondary=min_secondary,
            max_load=max_load,
            ignored=ignored,
        )

    live_drill = None
    if live:
        where = (environment, record, balancer)
        live_drill = _drill_live(profile, region, config, where, drained or ())
    base = None if against is None else _drill_of_base(against, drained or ())
    if live_drill and base:
        live_drill = _named_as(base, live_drill)
    result = live_drill.result if live_drill else drill_paths(paths or (), drained or ())
    verdicts = verdicts_on(result)
    is_worse = False
    searches = search_orders(result.model, orders_depth, result.start) if orders else None
    if base is None:
        print_drill(form, result, verdicts, searches, live_drill)
    else:
        changes = outcome_changes(base, result)
        is_worse = any(change.verdict == "worse" for change in changes)
        both = (verdicts_on(base), verdicts)
        print_comparison(form, (base, result), changes, both, live_drill)
    words = {verdict.word for verdict in verdicts} | {search.word for search in searches or ()}
    if (no_worse and is_worse) or "broken" in words:
        raise typer.Exit(exit_codes.NO)
    if "unknown" in words:
        raise typer.Exit(exit_codes.USAGE)


def _require_one_source(
    paths: Sequence[Path] | None, of_live: Sequence[str], *, live: bool
) -> None:
    """Check that the options name either templates or, with --live, a site.

    Raises:
        UsageError: The options name neither templates nor a site, or both.
    """
    problems = []
    if live and paths:
        problems.append("PATH and --live: give templates or --live, not both")
    if not live and not paths:
        problems.append("no templates are given: give PATH, such as cdk.out, or --live to read AWS")
    if of_live and not live:
        problems.append(f"{', '.join(of_live)} can be given only with --live")
    if problems:
        raise UsageError("; ".join(problems))


def _require_policies(names: Sequence[str]) -> None:
    """Check that each name of `--ignore` is the name of a policy.

    Raises:
        UsageError: No policy has one of the names.
    """
    for policy in names:
        if policy not in POLICY_IDS:
            message = (
                f"--ignore {policy}: no policy has this name; the policies are: "
                f"{', '.join(POLICY_IDS)}"
            )
            raise UsageError(message)


def _drill_live(
    profile: str | None,
    regions: Sequence[str] | None,
    config: str | None,
    where: tuple[str | None, str | None, str | None],
    drained: Sequence[str],
) -> "LiveDrill":
    """Return the drill of the site that --config, or one of the other options, names."""
    # Imported only with --live: the drill of templates must run where boto3 is not installed.
    from denodo_ha.drill.live.entry_points import SiteLocator  # noqa: PLC0415 - only with --live
    from denodo_ha.drill.live.live_drill import configured_site, drill_live  # noqa: PLC0415 - for --live

    if config is not None and any(where):
        raise UsageError("give only one of --config, --environment, --record and --balancer")
    locator = None
    if config is not None:
        locator, regions = configured_site(config, regions)
    locator = locator or SiteLocator(*where)
    return drill_live(profile=profile, regions=regions, locator=locator, drained=drained)


def _named_as(base: DrillResult, live_drill: "LiveDrill") -> "LiveDrill":
    """Return the live drill, in which the clusters have the names that the templates give them."""
    # Imported only with --live: the drill of templates must run where boto3 is not installed.
    from denodo_ha.drill.live.drift import with_cluster_names  # noqa: PLC0415 - only with --live

    return with_cluster_names(base.model, live_drill)


def _drill_of_base(path: Path, drained: Sequence[str]) -> DrillResult:
    """Return the drill of the `--against` templates, with those drained nodes that they have."""
    base = drill_paths([path])
    names = {f"{machine.cluster}/{machine.name}" for machine in base.model.machines.values()}
    in_base = [name for name in drained if name in names]
    return drill_paths([path], in_base) if in_base else base
