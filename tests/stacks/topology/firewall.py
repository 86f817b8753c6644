"""The rules of a cluster's security groups, which admit the expected peers only."""

from tests.stacks.topology.cluster_view import (
    GROUP,
    INSTANCE,
    LB,
    LISTENER,
    ClusterView,
    peer_of,
    ports_to,
    reached,
    security_groups,
)


def holds(view: ClusterView) -> None:
    """Assert every rule of this module."""
    if view.cluster.balancer.kind == "none":
        _the_node_is_reached_directly(view)
    if view.cluster.balancer.kind == "nlb":
        _groups_let_in_what_they_must_and_nothing_else(view)
    _no_group_is_over_its_quota(view)


def _groups_let_in_what_they_must_and_nothing_else(view: ClusterView) -> None:
    """Assert that clients, load balancer and Solution Manager reach the needed ports only."""
    (balancer,) = security_groups([view.of(LB)[view.nlb]], "SecurityGroups")
    nodes = next(iter(security_groups(view.of(INSTANCE).values(), "SecurityGroupIds")), "")
    assert balancer != nodes
    # Security groups of adopted instances are unknown, so rules name the network's addresses.
    cidr_of_nodes = {str(view.cluster.network.cidr)} if view.adopted else set()
    peers = cidr_of_nodes | ({nodes} if nodes else set())
    rules = {
        (direction, group): view.rules_of(direction, group)
        for direction in ("in", "out")
        for group in (balancer, nodes)
    }
    served = {listener["Port"] for listener in view.of(LISTENER).values()}
    # Select the target groups of the Network Load Balancer; those of an Application Load Balancer
    # use HTTP.
    direct = [group for group in view.groups.values() if group["Protocol"] in ("TCP", "TLS")]
    behind = reached(one for one in direct if one["TargetType"] == "instance")
    second = _second_balancer_is_in_between(view, balancer, peers)
    manager = view.environment.solution_manager
    managers = set(manager.cidrs) if manager else set()
    for cidr in view.cluster.balancer.clients:
        assert served <= ports_to(rules["in", balancer], cidr)
    for peer in peers if behind else ():
        assert behind <= ports_to(rules["out", balancer], peer)
    sources = {peer_of(rule) for rule in rules["in", balancer]}
    allowed = {*view.cluster.balancer.clients, *managers, *peers}
    assert sources <= allowed | {view.cluster.network.health_checkers}
    direct_peers = peers if behind else set()
    assert {peer_of(rule) for rule in rules["out", balancer]} == direct_peers | second
    if nodes:
        assert behind <= ports_to(rules["in", nodes], balancer)
        front = {balancer} if behind else set()
        to_scheduler = view.scheduler_clients
        known = {*front, *second, *managers, *to_scheduler}
        assert {peer_of(rule) for rule in rules["in", nodes]} == known
        for cidr in to_scheduler:
            assert ports_to(rules["in", nodes], cidr) - {7998} == set()
            assert 7998 in ports_to(rules["in", nodes], cidr)
    auxiliary = {*view.scheduler_ports.values()}
    if view.environment.denodo.version == "7.0":
        auxiliary |= {node.auxiliary_port or 0 for node in view.cluster.nodes.values()}
    for peer in {*peers, *managers} if auxiliary else ():
        assert auxiliary <= ports_to(rules["in", balancer], peer)


def _second_balancer_is_in_between(view: ClusterView, balancer: str, nodes: set[str]) -> set[str]:
    """Assert that the Application Load Balancer is between the other load balancer and nodes.

    Return the security group of the Application Load Balancer, if any.
    """
    if not view.alb:
        return set()
    (group,) = security_groups([view.of(LB)[view.alb]], "SecurityGroups")
    assert group not in {balancer, *nodes}
    served = {service.port for service in view.cookies.values()}
    behind = reached(
        group for group in view.groups.values() if group["Protocol"] in ("HTTP", "HTTPS")
    )
    into, out = view.rules_of("in", group), view.rules_of("out", group)
    assert {peer_of(rule) for rule in into} == {balancer}
    assert served <= ports_to(into, balancer)
    assert served <= ports_to(view.rules_of("out", balancer), group)
    assert {peer_of(rule) for rule in out} == nodes
    for peer in nodes:
        assert behind <= ports_to(out, peer)
        if "/" not in peer:
            assert behind <= ports_to(view.rules_of("in", peer), group)
    return {group}


def _the_node_is_reached_directly(view: ClusterView) -> None:
    """Assert that there is one node and no load balancer; a public node has an Elastic IP."""
    for kind in (LB, LISTENER, GROUP):
        assert view.of(kind) == {}
    ((name, id_),) = view.nodes.items()
    public = view.cluster.balancer.scheme == "internet-facing"
    associations = list(view.of("AWS::EC2::EIPAssociation").values())
    assert [association["InstanceId"]["Ref"] for association in associations] == (
        [id_] if public else []
    )
    (group,) = security_groups(view.of(INSTANCE).values(), "SecurityGroupIds")
    manager = view.environment.solution_manager
    managers = set(manager.cidrs) if manager else set()
    rules = view.rules_of("in", group)
    served = {service.port for service in view.environment.services.values()}
    served |= {port for port in [view.cluster.nodes[name].auxiliary_port] if port}
    served |= {7998} if view.scheduler_clients else set()
    for cidr in view.cluster.balancer.clients:
        assert served <= ports_to(rules, cidr)
    allowed = {*view.cluster.balancer.clients, *managers, view.cluster.network.health_checkers}
    assert {peer_of(rule) for rule in rules} <= allowed


def _no_group_is_over_its_quota(view: ClusterView) -> None:
    """Assert that each security group has at most 60 rules in a direction, and no rule twice.

    A prefix list counts as many rules as its weight.
    """
    for group in view.of("AWS::EC2::SecurityGroup"):
        for direction in ("in", "out"):
            rules = view.rules_of(direction, group)
            lists = {"SourcePrefixListId", "DestinationPrefixListId"}
            assert sum(25 if lists & rule.keys() else 1 for rule in rules) <= 60
            assert len({(peer_of(rule), rule.get("FromPort")) for rule in rules}) == len(rules)
