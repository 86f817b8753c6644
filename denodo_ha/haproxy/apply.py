"""`denodo-ha haproxy apply`: a deployed change of HAProxy's file, on the machines of our stacks."""

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli import options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.haproxy_instances import HaproxyInstances, has_haproxy


def apply(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
) -> None:
    """On AWS: bring each HAProxy to what the last deploy wrote, one at a time.

    Its file is validated, loaded without a lost connection, and looked at. A wrong one leaves the
    old one serving, and the HAProxies that were not asked yet as they are.

        denodo-ha haproxy apply -c prod
    """
    aws = Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=environment, regions=region
    )
    chosen = [site.cluster(cluster)] if cluster else list(site.clusters)
    done = False
    for place in chosen:
        place.require_reachable()
        deployed = found.read_cluster(aws, place)
        if has_haproxy(deployed):
            done = True
            for id_, said in HaproxyInstances(aws, deployed, RealClock()).apply().items():
                print_line(f"{place.name} {id_}: {'; '.join(said.splitlines())}")
    if not done:
        raise UsageError("no cluster here is behind HAProxy")
