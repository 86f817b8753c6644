"""What a template cannot show of what exists already: an id has no zone."""

from denodo_ha.environment.model.cluster import Cluster


def zones_of_existing_resources(cluster: Cluster) -> dict[str, str]:
    """The zones of a cluster's existing subnets and instances, by id.

    They stand in the template's metadata, where `denodo-ha drill` learns what a lost zone takes.
    """
    found = {
        subnet: zone
        for zone, of in sorted(cluster.network.zones.items())
        for subnet in (of.nodes, of.balancer)
        if subnet is not None
    }
    for _, node in sorted(cluster.nodes.items()):
        if node.instance_id is not None:
            found[node.instance_id] = node.zone
    return found
