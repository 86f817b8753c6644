"""`denodo-ha pin`: write the nodes' images, types and disks to the pins file."""

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_document, print_line, print_message
from denodo_ha.cli.time_limit import READ_S, TimeLimit, limited
from denodo_ha.deployed import environment_locator, instances, lost_nodes, node_pins
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.environment_locator import EnvironmentLocation
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.model.pins import Pin, pins_file
from denodo_ha.rollout import pins_file as pins_text


@limited(TimeLimit(READ_S))
def pin(
    *,
    config: options.Config = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    dry_run: options.DryRun = False,
) -> None:
    """Write what the nodes run into the pins file, so that a deploy changes none of them.

    Pins are read from the deployed templates. The file keeps its comments, its order, and the pins
    of clusters that are not selected. Run pin once after the first deploy, and commit the file.

        denodo-ha pin -c prod
    """
    if config is None:
        raise UsageError("pin writes the pins file beside the configuration file: add -c CONFIG")
    file, aws = pins_file(configuration_choice.configuration_path(config)), Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=region, cluster=cluster
    )
    pins: dict[str, dict[str, Pin]] = {}
    for location in [site.cluster(cluster)] if cluster else site.clusters:
        location.require_reachable()
        deployed = read_cluster(aws, location)
        silence, waits = node_pins.silence_minutes(aws, deployed)
        if silence == _minutes_before(site):
            # Leave the default out of the pins file: earlier versions do not know its key.
            silence = None
        pins[location.name] = {
            name: pin_.model_copy(
                update={
                    "minutes_without_data": silence,
                    "replacing": _unfinished(site, location.name, name, pin_),
                }
            )
            for name, pin_ in node_pins.deployed_pins(deployed).items()
        }
        if waits:
            print_message(f"denodo-ha: {waits}")
        for difference in _drifted(aws, deployed, pins[location.name]):
            print_message(f"denodo-ha: {difference}")
    before = pins_text.read(file)
    text = pins_text.changed(before, {name: nodes for name, nodes in pins.items() if nodes})
    if dry_run:
        print_document(text)
    elif text == before:
        print_line(f"{file} has the pins of all nodes already; nothing was changed")
    else:
        pins_text.write(file, text)
        count = sum(map(len, pins.values()))
        print_line(f"wrote {file} with {count} nodes; commit the file")
    raise typer.Exit(exit_codes.DONE)


def _minutes_before(site: EnvironmentLocation) -> int | None:
    """Return the default of a pin's `minutes_without_data`; None without a failover."""
    failover = site.loaded.environment.failover if site.loaded is not None else None
    return failover_plan.alarm_minutes(failover) if failover is not None else None


def _unfinished(site: EnvironmentLocation, cluster: str, node: str, deployed: Pin) -> str | None:
    """Return a pin's `replacing` if the node's new instance is deployed but not in service yet."""
    pin = site.loaded.pins.of(cluster, node) if site.loaded is not None else None
    if pin is None or pin.generation != deployed.generation:
        return None
    return pin.replacing


def _drifted(aws: Aws, cluster: Cluster, pins: dict[str, Pin]) -> list[str]:
    """Return messages about instances that differ from the deployed template."""
    ids = {name: cluster.node(name).instance_id for name in pins}
    deployed = instances.read_instances(aws, cluster.location.region, ids.values())
    differences = []
    for name, id_ in ids.items():
        instance = deployed.get(id_)
        if instance is None or lost_nodes.lost_state(cluster.node(name), instance):
            differences.append(
                f"{name}: the node's instance {id_} no longer exists; the pin has the image, type "
                "and disks that are deployed. To bring the node back, "
                f"{lost_nodes.remedy(cluster.name, cluster.node(name))}"
            )
        elif instance.type != pins[name].type:
            differences.append(
                f"{name} has the instance type {instance.type}, and was deployed with the type "
                f"{pins[name].type}: the type was changed outside CloudFormation. The pin has the "
                "deployed type, so that a deploy changes nothing"
            )
    return differences
