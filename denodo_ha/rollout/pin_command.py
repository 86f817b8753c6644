"""`denodo-ha pin`: writes what the nodes run into the pins file."""

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import environment_locator, instances, node_pins
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.environment.model.pins import Pin, pins_file
from denodo_ha.rollout import pins_file as files


def pin(
    *,
    config: options.Config = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    dry_run: options.DryRun = False,
) -> None:
    """Write what the nodes run into the pins file, so that a deploy changes none of them.

    It is the deployed template that counts. Comments and order in the file stay, and so do the
    nodes of clusters that were not asked for. Run it once after the first deploy, and commit the
    file.

        denodo-ha pin -c prod
    """
    if config is None:
        raise UsageError("pins lie beside a configuration's file: name it with -c CONFIG")
    file, aws = pins_file(configuration_choice.configuration_path(config)), Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=region
    )
    wanted: dict[str, dict[str, Pin]] = {}
    for place in [site.cluster(cluster)] if cluster else site.clusters:
        place.require_reachable()
        deployed = found.read_cluster(aws, place)
        wanted[place.name] = node_pins.deployed_pins(deployed)
        for difference in _drifted(aws, deployed, wanted[place.name]):
            typer.echo(f"denodo-ha: {difference}", err=True)
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    text = files.changed(before, {name: nodes for name, nodes in wanted.items() if nodes})
    if dry_run:
        typer.echo(text, nl=False)
    elif text == before:
        print_line(f"{file} says what the nodes run already")
    else:
        files.write(file, text)
        count = sum(map(len, wanted.values()))
        print_line(f"wrote {file} with {count} nodes; commit it")
    raise typer.Exit(exit_codes.DONE)


def _drifted(aws: Aws, cluster: Cluster, pins: dict[str, Pin]) -> list[str]:
    """Where an instance is not what was deployed."""
    ids = {name: cluster.node(name).instance_id for name in pins}
    shown = instances.read_instances(aws, cluster.location.region, ids.values())
    told = []
    for name, id_ in ids.items():
        instance = shown.get(id_)
        if instance is None:
            told.append(f"{name}: its instance {id_} is gone; the pin says what was deployed")
        elif instance.type != pins[name].type:
            told.append(
                f"{name} is a {instance.type}, and was deployed as {pins[name].type}: somebody "
                "has changed it. The pin says what was deployed, so that a deploy changes nothing"
            )
    return told
