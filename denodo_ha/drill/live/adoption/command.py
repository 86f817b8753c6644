"""`denodo-ha adopt`: write the configuration of a hand-made site, and show the ways forward."""

import re
import shlex
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, get_args

import typer

from denodo_ha.aws.cdk_cli import Cdk, cdk_command
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import configuration_root
from denodo_ha.cli.errors import AwsError, Refused, UsageError
from denodo_ha.cli.new_file import write_new
from denodo_ha.cli.output import json_text, print_document, print_json, print_line, print_message
from denodo_ha.cli.time_limit import READ_S, TimeLimit, limited
from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.adoption.configuration_text import configuration_text
from denodo_ha.drill.live.adoption.found_cluster import FoundSite, LiveResource, SiteResources
from denodo_ha.drill.live.adoption.plan_report import json_report, markdown_page, text_lines
from denodo_ha.drill.live.adoption.site_clusters import find_clusters, network_balancers, record_of
from denodo_ha.drill.live.adoption.site_details import DetailIds, read_details
from denodo_ha.drill.live.adoption.takeover import Takeover, takeovers
from denodo_ha.drill.live.adoption.ways import Names, ways_forward
from denodo_ha.drill.live.aws_calls import ADOPT_CALLS, SiteCalls, read_only_policy
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.site_reader import read_live_site
from denodo_ha.drill.reading.resource_reader import LISTENER, TARGET_GROUP
from denodo_ha.environment.full_command import environment_command
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.loading.problem import ConfigError
from denodo_ha.environment.model.field_types import EnvironmentName

_NAME: Final = get_args(EnvironmentName)[1]
_SITE: Final = "Which site"
_NEEDED: Final = frozenset(
    call.action
    for call in (
        *(aws_calls.LOAD_BALANCERS, aws_calls.LISTENERS, aws_calls.TARGET_GROUPS),
        *(aws_calls.TARGET_HEALTH, aws_calls.TAGS, aws_calls.INSTANCES),
        *(aws_calls.STACKS, aws_calls.STACK_RESOURCES),
    )
)
"""Permissions that `adopt` needs: without them, nodes, ports or the owner of a load balancer would
be unknown."""


@limited(TimeLimit(2 * READ_S, then="the time of cdk synth"))
def adopt(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Name of the environment; the new file is config/NAME.yaml.",
            show_default=False,
        ),
    ] = None,
    *,
    region: options.Regions = None,
    record: Annotated[
        str | None,
        typer.Option(
            "--record",
            metavar="DNS-NAME",
            help="The DNS name that clients use; its records are in a hosted zone of Route 53.",
            rich_help_panel=_SITE,
        ),
    ] = None,
    balancer: Annotated[
        str | None,
        typer.Option(
            "--balancer",
            metavar="BALANCER",
            help="Name, ARN or DNS name of a Network Load Balancer.",
            rich_help_panel=_SITE,
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Folder for the new files; default: config."),
    ] = None,
    show_policy: Annotated[
        bool,
        typer.Option("--show-policy", help="Print the IAM policy that adopt needs, and end."),
    ] = False,
    profile: options.Profile = None,
    form: options.Document = options.DocumentFormat.table,
) -> None:
    """Write the configuration of a site made by hand, and show three ways to continue.

    The command reads the site from AWS and changes nothing in AWS. config/NAME.yaml has the nodes,
    ports, checks and failover of the site, with comments on values that AWS does not show. The plan
    has every step of each way with its commands: leave the site as it is, let the stacks take over
    the load balancers, or build new load balancers beside the old ones. A file that exists is not
    changed, and the plan is then made from the existing file: run the command again after you have
    edited the file, or after a step.

        denodo-ha adopt --region eu-west-1 --record denodo.example.com prod
    """
    if show_policy:
        print_json(read_only_policy(ADOPT_CALLS))
        raise typer.Exit(exit_codes.DONE)
    adoption = _checked_arguments(name, region, to, [record, balancer])
    site = _read(Aws(profile=profile), region or [], SiteLocator(record=record, balancer=balancer))
    files = _Files(adoption)
    loaded = files.configuration(site)
    planned = takeovers(loaded.environment.name, site, synthesise(Cdk(profile), adoption.file))
    files.write_mappings(planned)
    names = Names(
        loaded.environment.name,
        shlex.quote(adoption.choice),
        f"--record {shlex.quote(record)}" if record else f"--balancer {shlex.quote(str(balancer))}",
        {
            takeover.cluster: shlex.quote(str(displayed_path(adoption.mapping(takeover.cluster))))
            for takeover in planned
        },
    )
    ways = ways_forward(site, planned, names)
    if form is options.DocumentFormat.json:
        print_json(json_report(files.report, site, planned, ways))
    elif form is options.DocumentFormat.markdown:
        print_document(markdown_page(f"Adoption of {loaded.environment.name}", ways))
    else:
        for line in text_lines(ways):
            print_line(line)
    raise typer.Exit(exit_codes.DONE)


@dataclass(frozen=True)
class Adoption:
    """The files that `adopt` writes.

    Attributes:
        name: name of the environment.
        folder: folder of the files.
        choice: name or path of the configuration, as for the option -c.
    """

    name: str
    folder: Path
    choice: str

    @property
    def file(self) -> Path:
        """The path of the configuration file."""
        return self.folder / f"{self.name}.yaml"

    def mapping(self, cluster: str) -> Path:
        """Return the path of a cluster's resource mapping file, which an import reads."""
        return self.folder / f"{self.name}.{cluster}.import.json"


def _checked_arguments(
    name: str | None, regions: list[str] | None, to: Path | None, sites: list[str | None]
) -> Adoption:
    """Check the arguments of `adopt`; return which files it writes.

    Raises:
        UsageError: An argument is missing or wrong; the message has all errors.
    """
    errors = []
    if name is None:
        errors.append("NAME is missing: the name of the new environment, such as prod")
    elif re.fullmatch(_NAME.pattern, name) is None:
        errors.append(f"{name} {_NAME.what}: {_NAME.why}; {_NAME.hint.format(example='prod')}")
    if not regions:
        errors.append("--region is missing: give the region of each load balancer")
    if sum(site is not None for site in sites) != 1:
        errors.append(
            "which site? Give either --record NAME (the DNS name that clients use) or --balancer "
            "NAME (a load balancer)"
        )
    if to is not None and not to.is_dir():
        errors.append(f"--to {to} is not a folder: create the folder, or leave out --to")
    if name is None or errors:
        raise UsageError("; ".join(errors))
    cdk_command()  # raises an error without a clone of the repository, before anything is written
    folder = to or configuration_root() / "config"
    choice = name if to is None else str(displayed_path(folder / f"{name}.yaml"))
    return Adoption(name, folder, choice)


def _read(aws: Aws, regions: list[str], locator: SiteLocator) -> FoundSite:
    """Return the site to adopt, which a locator names.

    Raises:
        AwsError: A part without which no configuration can be written could not be read.
    """
    site = read_live_site(aws, regions, locator)
    missing = [part.text for part in site.unread if part.action in _NEEDED]
    if missing:
        # If the configuration left out a node, a deploy would take that node out of service.
        message = f"the site cannot be adopted, because a part is unknown: {'; '.join(missing)}"
        raise AwsError(message)
    resources = SiteResources(site)
    balancers = network_balancers(resources)
    calls = SiteCalls(aws)
    details = read_details(
        calls,
        DetailIds(
            _by_region(balancers),
            _by_region(resources.of_type(LISTENER)),
            {
                region: sorted({id_ for group in groups for id_, _ in resources.targets(group)})
                for region, groups in _grouped(resources.of_type(TARGET_GROUP)).items()
            },
            record_of(resources),
        ),
        balancers[0].region,
    )
    return find_clusters(resources, details)


def _grouped(resources: Iterable[LiveResource]) -> dict[str, list[LiveResource]]:
    """Return the given resources by region."""
    grouped: dict[str, list[LiveResource]] = {}
    for resource in resources:
        grouped.setdefault(resource.region, []).append(resource)
    return grouped


def _by_region(resources: Iterable[LiveResource]) -> dict[str, list[str]]:
    """Return the ids of resources by region."""
    return {region: [item.id for item in items] for region, items in _grouped(resources).items()}


def synthesise(cdk: Cdk, file: Path) -> tuple[SynthesisedStack, ...]:
    """Return the stacks of a configuration, whose logical ids an import needs."""
    with tempfile.TemporaryDirectory() as folder:
        cdk.synth(file, Path(folder))
        return read_stacks([Path(folder)])


class _Files:
    """Writer of the files of `adopt`; an existing file is not replaced."""

    def __init__(self, adoption: Adoption) -> None:
        self._adoption = adoption
        self.report: dict[str, str] = {}

    def configuration(self, site: FoundSite) -> Loaded:
        """Write the configuration unless it exists, and return it validated.

        Raises:
            Refused: The site belongs to stacks of this project.
            ConfigError: The configuration has errors, which only the user can correct.
        """
        file = self._adoption.file
        if not file.exists():
            owners = sorted({item.balancer.owner for item in site.clusters if item.balancer.is_own})
            if owners:
                regions = sorted({item.balancer.region for item in site.clusters})
                status = environment_command("status", "NAME", regions)
                message = (
                    f"there is nothing to adopt: the load balancer belongs to {', '.join(owners)}, "
                    f"a stack of this project; `{status}` shows the environment NAME"
                )
                raise Refused(message)
            write_new(file, configuration_text(self._adoption.name, site), displayed_path(file))
            self._note(file, "written")
        else:
            self._note(file, "exists and is not changed")
        try:
            return load(file)
        except ConfigError:
            print_message(
                f"{displayed_path(file)} describes what AWS shows of the site. Correct these "
                "values, and run the command again for the plan:"
            )
            raise

    def write_mappings(self, planned: Iterable[Takeover]) -> None:
        """Write the resource mapping file of each cluster that can be taken over.

        Raises:
            UsageError: A mapping file exists and has other resources.
        """
        for takeover in planned:
            if takeover.is_done or takeover.refusals:
                continue
            file = self._adoption.mapping(takeover.cluster)
            text = json_text(takeover.identifiers) + "\n"
            if not file.exists():
                write_new(file, text, displayed_path(file))
                self._note(file, "written")
            elif file.read_text(encoding="utf-8") == text:
                self._note(file, "exists and is correct")
            else:
                message = (
                    f"{displayed_path(file)} exists and does not have the present resources of the "
                    f"load balancer of {takeover.cluster}: remove the file, and run the command "
                    "again"
                )
                raise UsageError(message)

    def _note(self, file: Path, state: str) -> None:
        self.report[str(displayed_path(file))] = state
        print_message(f"{displayed_path(file)}: {state}")


def displayed_path(file: Path) -> Path:
    """Return a path as messages show it: relative for a file below the current folder."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
