"""The rules of a cluster's nodes: machines, roles, names, desired states, dependencies."""

import json
from typing import Any

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.rules import quotas
from tests.stacks.topology import metadata
from tests.stacks.topology.cluster_view import (
    GROUP,
    INSTANCE,
    LISTENER,
    PARAMETER,
    PROFILE,
    RECORD,
    UNKNOWN,
    ZONE,
    ClusterView,
    mentioned,
    output_of,
    tags_of,
)


def holds(view: ClusterView) -> None:
    """Assert every rule of this module."""
    _nodes_are_as_configured(view)
    _capacity_is_reserved(view)
    _nodes_have_names(view)
    _nodes_have_their_state(view)
    _no_node_depends_on_a_node(view)
    _created_network_is_as_configured(view)
    _documents_keep_their_names(view)


def _nodes_are_as_configured(view: ClusterView) -> None:
    """Zone, subnet, image, type and disks are as configured, and disks are encrypted."""
    assert set(view.nodes) == set(view.cluster.nodes) - set(view.adopted)
    for name, id_ in view.nodes.items():
        node, instance = view.cluster.nodes[name], view.of(INSTANCE)[id_]
        assert instance["AvailabilityZone"] == node.zone
        subnet = view.cluster.network.zones[node.zone].nodes
        assert subnet is None or instance["SubnetId"] == subnet
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert instance["ImageId"].startswith("ami-")
        assert not instance.get("DisableApiTermination", False)
        assert "NetworkInterfaces" not in instance
        assert instance["PropagateTagsToVolumeOnCreation"] is True
        machine = view.machine(name)
        assert instance["ImageId"] == machine["image"]
        assert instance["InstanceType"] == machine["type"]
        assert instance.get("KeyName") == machine.get("key")
        sizes = [machine.get("disk_gib", 100), machine.get("data_disk_gib")]
        disks = [disk["Ebs"] for disk in instance["BlockDeviceMappings"]]
        assert [disk["VolumeSize"] for disk in disks] == [size for size in sizes if size]
        assert {disk["VolumeType"] for disk in disks} == {"gp3"}
        assert {disk["Encrypted"] for disk in disks} == {True}
        assert {disk.get("KmsKeyId") for disk in disks} == {machine.get("kms_key")}
        _role_is_least(view, instance, machine)


def _capacity_is_reserved(view: ClusterView) -> None:
    """With `capacity`, each zone and instance type of nodes has one open Capacity Reservation.

    The reservation exists before an instance is created in it or gets another type.
    """
    reservations = view.of("AWS::EC2::CapacityReservation")
    capacity = view.cluster.capacity
    if capacity is None:
        assert not reservations
        return
    places = {
        (item["AvailabilityZone"], item["InstanceType"]): id_ for id_, item in reservations.items()
    }
    nodes: dict[str, int] = dict.fromkeys(reservations, 0)
    for name, id_ in view.nodes.items():
        place = places[view.cluster.nodes[name].zone, view.machine(name)["type"]]
        nodes[place] += 1
        assert place in view.template["Resources"][id_]["DependsOn"]
    for id_, item in reservations.items():
        wanted = nodes[id_] if capacity.reserve == "running" else capacity.reserve
        assert (item["InstanceCount"], item["InstanceMatchCriteria"]) == (wanted, "open")
        assert (item["EndDateType"], item["Tenancy"]) == ("unlimited", capacity.tenancy)
        assert item["InstancePlatform"] == (capacity.platform or "Linux/UNIX")
        (tags,) = [one["Tags"] for one in item["TagSpecifications"]]
        expected = {"denodo:environment": view.environment.name, "denodo:cluster": view.name}
        assert {**expected, **view.environment.tags}.items() <= {
            tag["Key"]: tag["Value"] for tag in tags
        }.items()
    assert len(places) == len(reservations)
    assert 0 not in nodes.values()


def _role_is_least(view: ClusterView, instance: dict[str, Any], machine: dict[str, Any]) -> None:
    """A node's role allows Session Manager and the configured policies, within the boundary."""
    (role_id,) = (
        role["Ref"] for role in view.of(PROFILE)[instance["IamInstanceProfile"]["Ref"]]["Roles"]
    )
    role = view.of("AWS::IAM::Role")[role_id]
    assert role.get("PermissionsBoundary") == view.environment.permissions_boundary
    assert sorted(role.get("ManagedPolicyArns", [])) == sorted(machine.get("role_policies", ()))
    statements = [
        statement
        for policy in view.of("AWS::IAM::Policy").values()
        if {"Ref": role_id} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    program = view.environment.denodo.program
    silences = program and quotas.has_alarms(view.environment, view.name)
    stack = names.cluster_stack(view.environment.name, view.name)
    namespaces = [f"Denodo/Nodes/{view.environment.name}"] * (
        program and view.environment.alarms.nodes
    ) + [f"Denodo/Pause/{stack}"] * silences
    metrics = [one for one in statements if one["Action"] == "cloudwatch:PutMetricData"]
    assert sorted(
        one["Condition"]["StringEquals"]["cloudwatch:namespace"] for one in metrics
    ) == sorted(namespaces)
    by_action: dict[str, list[Any]] = {}
    for one in (one for one in statements if one not in metrics):
        assert one["Effect"] == "Allow"
        resources = one["Resource"]
        for action in [one["Action"]] if isinstance(one["Action"], str) else one["Action"]:
            by_action.setdefault(action, []).extend(
                resources if isinstance(resources, list) else [resources]
            )
    sessions = {action for action, on in by_action.items() if on == ["*"]}
    services = {action.split(":")[0] for action in sessions}
    assert services == {"ec2messages", "ssm", "ssmmessages"}
    # SSM agents of earlier versions need these actions for Run Command.
    commands = {action for action in sessions if action.startswith("ec2messages:")}
    assert len(commands) == 6
    assert sessions - commands - {"ssm:UpdateInstanceInformation"} == {
        f"ssmmessages:{verb}{what}Channel"
        for verb in ("Create", "Open")
        for what in ("Control", "Data")
    }
    named = by_action.keys() - sessions - metadata.actions_of_a_node(view.cluster)
    if not view.environment.denodo.program:
        assert named == set()
        return
    may = {"ssm:GetParameter", "s3:GetObject", "cloudformation:SignalResource"}
    may -= metadata.actions_of_a_node(view.cluster)
    may |= _log_actions(view, by_action, tags_of(instance)["denodo:node"])
    assert may <= named <= may | {"secretsmanager:GetSecretValue"}
    (parameter,) = by_action["ssm:GetParameter"]
    ref = parameter["Fn::Join"][1][-1]["Ref"]
    assert view.of(PARAMETER)[ref]["Name"].endswith(f"/{tags_of(instance)['denodo:node']}")
    # For `cloudformation:SignalResource`, IAM supports no narrower resource than a whole stack.
    assert by_action["cloudformation:SignalResource"] == [{"Ref": "AWS::StackId"}]
    starred = {one for one in map(json.dumps, by_action["s3:GetObject"]) if "*" in one}
    # A node may read the copies of the exports that all nodes of the other cluster have made.
    assert starred == {
        json.dumps(
            f"arn:{node_metadata.partition(view.cluster.region)}:s3:::"
            f"{node_metadata.export_copy_bucket_name(view.environment, source)}/*/{name}"
        )
        for source in node_metadata.copied_clusters(view.environment, view.name)
        for name in ("export.json", "metadata.vql")
    }
    for secret in by_action.get("secretsmanager:GetSecretValue", []):
        assert secret.split(":")[3:5] == [view.cluster.region, view.cluster.account]
        assert "*" not in secret


def _log_actions(view: ClusterView, by_action: dict[str, list[Any]], node: str) -> set[str]:
    """With logs, a node may write the streams that begin with its name, in the cluster's group."""
    if view.environment.logs is None:
        assert not view.of("AWS::Logs::LogGroup").keys() & {"Logs"}
        return set()
    (stream,), (group,) = by_action["logs:PutLogEvents"], by_action["logs:CreateLogStream"]
    assert [part for part in stream["Fn::Join"][1] if "Ref" in part][-1] == {"Ref": "Logs"}
    assert stream["Fn::Join"][1][-1] == f":log-stream:{node}/*"
    assert group["Fn::Join"][1][-2:] == [{"Ref": "Logs"}, ":*"]
    return {"logs:PutLogEvents", "logs:CreateLogStream"}


def _nodes_have_names(view: ClusterView) -> None:
    """Each node with a known address has a record in the existing or the created hosted zone."""
    given = view.cluster.network.node_zone
    domain = given.name.lower() if given else f"{view.name}.{view.environment.name}.internal"
    known = {
        **{name: {"Fn::GetAtt": [id_, "PrivateIp"]} for name, id_ in view.nodes.items()},
        **{name: node.address for name, node in view.cluster.nodes.items() if node.address},
    }
    records = {record["Name"]: record for record in view.of(RECORD).values()}
    assert set(records) == {f"{name.lower()}.{domain}." for name in known}
    for name, address in known.items():
        record = records[f"{name.lower()}.{domain}."]
        assert (record["Type"], record["TTL"]) == ("A", "10")
        assert record["ResourceRecords"] == [address]
        output = view.template["Outputs"][output_of("NodeName", name)]["Value"]
        assert output == f"{name.lower()}.{domain}"
    assert len(view.of(ZONE)) == (0 if given or not known else 1)
    for zone in view.of(ZONE).values():
        assert zone["Name"] == f"{domain}."
        others = [vpc.vpc for vpc in view.cluster.network.node_zone_vpcs]
        assert [vpc["VPCId"] for vpc in zone["VPCs"]][1:] == others
    assert view.template["Metadata"]["Denodo"]["Nodes"] == {
        output_of("NodeId", name): name for name in view.cluster.nodes
    }


def _nodes_have_their_state(view: ClusterView) -> None:
    """Each created node has a parameter, and its user data reads this parameter."""
    parameters = {parameter["Name"]: id_ for id_, parameter in view.of(PARAMETER).items()}
    program = view.environment.denodo.program
    prefix = f"/denodo/{view.environment.name}/{view.name}/"
    if view.cluster.balancer.kind == "haproxy":
        del parameters[prefix + "haproxy/state"]
    assert set(parameters) == ({prefix + name for name in view.nodes} if program else set())
    for name, id_ in view.nodes.items():
        instance, resource = view.of(INSTANCE)[id_], view.template["Resources"][id_]
        script = instance["UserData"]["Fn::Base64"]
        if not program:
            assert "CreationPolicy" not in resource
            continue
        assert f"parameter='{prefix}{name}'" in script
        assert view.balancer_id() not in script
        assert resource["CreationPolicy"]["ResourceSignal"]["Count"] == 1
        assert view.of(PARAMETER)[parameters[prefix + name]]["Tier"] == "Intelligent-Tiering"
        state = view.state_of(parameters[prefix + name])
        assert state["node"] == name
        assert state["signal"]["resource"] == id_
        seven = view.environment.denodo.version == "7.0"
        behind = view.cluster.balancer.kind != "none"
        own = view.template["Outputs"][output_of("NodeName", name)]["Value"]
        assert state["host"] == own
        assert state["rmi_host"] == (UNKNOWN if seven and behind else own)
        assert state["ports"].get("auxiliary") == view.cluster.nodes[name].auxiliary_port
        port = view.scheduler_ports.get(name)
        assert state["ports"].get("scheduler_auxiliary") == port
        assert state.get("scheduler_rmi_host") == (UNKNOWN if port else None)


def _no_node_depends_on_a_node(view: ClusterView) -> None:
    """No resource that a node needs to become ready depends on a node.

    CloudFormation itself refuses circular dependencies. But for CloudFormation, a node is created
    only when the node is ready. So the role, the parameter and the routes that a node needs to
    become ready must not depend on any node. Targets and names do depend on nodes.
    """
    resources = view.template["Resources"]
    references = {
        id_: mentioned(resource) & resources.keys() for id_, resource in resources.items()
    }
    for node in view.nodes.values():
        needed: set[str] = set()
        todo = [node]
        while todo:
            for other in references[todo.pop()] - needed:
                needed.add(other)
                todo.append(other)
        assert needed & set(view.nodes.values()) == set()
        kinds = {resources[one]["Type"] for one in needed}
        assert kinds & {RECORD, GROUP, LISTENER, "AWS::EC2::EIPAssociation"} == set()
        if view.environment.denodo.program:
            assert {PARAMETER, "AWS::IAM::Policy", PROFILE} <= kinds
        if view.cluster.network.vpc is None:
            way_out = "VPCEndpoint" if view.cluster.network.nat == "none" else "Route"
            assert f"AWS::EC2::{way_out}" in kinds


def _created_network_is_as_configured(view: ClusterView) -> None:
    """A created VPC has DNS; subnets assign public addresses only to a public single node."""
    for vpc in view.of("AWS::EC2::VPC").values():
        assert (vpc["EnableDnsSupport"], vpc["EnableDnsHostnames"]) == (True, True)
    balancer = view.cluster.balancer
    public_node = balancer.kind == "none" and balancer.scheme == "internet-facing"
    at_launch = {
        subnet.get("MapPublicIpOnLaunch", False) for subnet in view.of("AWS::EC2::Subnet").values()
    }
    assert (True in at_launch) == (public_node and view.cluster.network.vpc is None)


def _documents_keep_their_names(view: ClusterView) -> None:
    """A change of an SSM document creates a new version, not another document."""
    for document in view.of("AWS::SSM::Document").values():
        assert document["UpdateMethod"] == "NewVersion"
