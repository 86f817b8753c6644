"""Topology rules that the templates of every configuration must follow.

The rules are independent of the code under test: they use neither `stacks` nor
`environment.derived`, only the templates and the values written in the configuration.
"""

from typing import Any

from denodo_ha.environment.model.environment import Environment
from tests.stacks.topology import (
    alarms,
    failover,
    firewall,
    haproxy,
    metadata,
    node_balancer,
    nodes,
    outbound_access,
)
from tests.stacks.topology.cluster_view import PARAMETER, RECORD, ZONE, ClusterView, output_of
from tests.support.assembly import Assembly

NAMED = {RECORD, PARAMETER, ZONE, metadata.SECRET}
"""Types of resources whose names are fixed, because other programs use the names."""


def holds(environment: Environment, assembly: Assembly) -> None:
    """Assert that the templates of an environment follow all rules of the topology."""
    names = {f"{environment.name}-{name}" for name in environment.clusters}
    if environment.failover:
        names.add(f"{environment.name}-failover")
    if environment.alarms.route53:
        names.add(f"{environment.name}-route53")
    if environment.dashboard:
        names.add(f"{environment.name}-dashboard")
    names |= metadata.stacks(environment)
    assert set(assembly.templates) == names
    for name, cluster in environment.clusters.items():
        _cluster_holds(ClusterView(environment, name, cluster, assembly))
    if environment.failover:
        failover.holds(environment, assembly)
    metadata.holds(environment, assembly)
    alarms.holds(environment, assembly)
    for stack, template in assembly.templates.items():
        _portable(environment, stack, template)


def _cluster_holds(view: ClusterView) -> None:
    nodes.holds(view)
    if view.cluster.balancer.kind != "none":
        node_balancer.holds(view)
    if view.cluster.balancer.kind == "haproxy":
        haproxy.holds(view)
    firewall.holds(view)
    outbound_access.holds(view)
    _outputs_are_there(view)


def _portable(environment: Environment, stack: str, template: dict[str, Any]) -> None:
    """No template has a custom resource, an export or a physical name; resources have tags."""
    for output in template.get("Outputs", {}).values():
        assert "Export" not in output
    for id_, resource in template.get("Resources", {}).items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        assert not kind.startswith(("Custom::", "AWS::CloudFormation::", "AWS::Lambda::")), id_
        for key in ("Name", "LoadBalancerName", "AlarmName", "RoleName", "GroupName"):
            named = kind in NAMED or id_.startswith(("PublishGetStackOutput", "ExportsReplication"))
            assert key not in properties or named, (id_, key)
        tags = properties.get("Tags", properties.get("HealthCheckTags"))
        if isinstance(tags, list):
            given = {tag["Key"]: tag["Value"] for tag in tags}
            assert given["denodo:environment"] == environment.name, id_
            if not stack.endswith(("-failover", "-route53", "-dashboard")):
                cluster = stack.removeprefix(f"{environment.name}-")
                cluster = cluster.removesuffix("-catalog").removesuffix("-exports-copy")
                assert given["denodo:cluster"] == cluster
            assert environment.tags.items() <= given.items()


def _outputs_are_there(view: ClusterView) -> None:
    """The outputs that commands and users rely on are present."""
    outputs = set(view.template["Outputs"])
    services = view.environment.services
    named = {"jdbc": "JdbcUrl", "odbc": "OdbcEndpoint", "web": "WebUrl"}
    address = "NodeAddress" if view.cluster.balancer.kind == "none" else "BalancerDnsName"
    assert outputs >= {address} | {named[name] for name in named if name in services}
    for name in view.cluster.nodes:
        expected = view.adopted.get(name) or {"Ref": view.nodes[name]}
        assert view.template["Outputs"][output_of("NodeId", name)]["Value"] == expected
