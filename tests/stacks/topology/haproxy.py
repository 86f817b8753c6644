"""The rules of a cluster behind HAProxy, in addition to those of all clusters."""

import json
from typing import Any

from tests.stacks.topology.cluster_view import INSTANCE, LB, LISTENER, PROFILE, ClusterView

FLEET = "AWS::AutoScaling::AutoScalingGroup"
TEMPLATE = "AWS::EC2::LaunchTemplate"


def holds(view: ClusterView) -> None:
    """Assert every rule of this module."""
    _fleet_is_as_configured(view)
    _role_is_least(view)
    _every_port_has_its_group(view)
    _groups_let_in_what_they_must_and_nothing_else(view)
    _routes_are_in_the_metadata(view)


def _fleet_is_as_configured(view: ClusterView) -> None:
    """Assert that HAProxy instances have the configured image, and are replaced one at a time.

    CloudFormation replaces an instance only after the previous new instance has sent its signal.
    """
    machine = view.cluster.balancer.proxy.instance
    assert machine is not None
    ((id_, fleet),) = view.of(FLEET).items()
    assert (fleet["MinSize"], fleet["DesiredCapacity"]) == (str(machine.count),) * 2
    assert fleet["MaxSize"] == str(machine.count + 1)
    # The group uses EC2 health checks only. Those of the load balancer would replace HAProxy
    # instances while the nodes are down.
    assert "HealthCheckType" not in fleet
    assert len(fleet["VPCZoneIdentifier"]) == len(view.cluster.network.zones)
    resource = view.template["Resources"][id_]
    assert resource["CreationPolicy"]["ResourceSignal"]["Count"] == machine.count
    rolling = resource["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert rolling["MaxBatchSize"] == 1
    assert rolling["MinInstancesInService"] == machine.count
    assert rolling["WaitOnResourceSignals"] is True
    assert {"HealthCheck", "ReplaceUnhealthy", "AZRebalance"} <= {*rolling["SuspendProcesses"]}
    types = {view.template["Resources"][name]["Type"] for name in resource["DependsOn"]}
    assert {"AWS::IAM::Policy", "AWS::SSM::Parameter"} <= types
    ((template_id, template),) = view.of(TEMPLATE).items()
    assert fleet["LaunchTemplate"]["LaunchTemplateId"] == {"Ref": template_id}
    data = template["LaunchTemplateData"]
    assert (data["ImageId"], data["InstanceType"]) == (machine.image, machine.type)
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert "KeyName" not in data
    assert "NetworkInterfaces" not in data
    (disk,) = (disk["Ebs"] for disk in data["BlockDeviceMappings"])
    assert (disk["VolumeType"], disk["Encrypted"]) == ("gp3", True)
    assert disk.get("KmsKeyId") == machine.kms_key
    # User data contains no HAProxy configuration, so a changed configuration replaces no
    # instance.
    script = data["UserData"]["Fn::Base64"]
    assert f"parameter='{_parameter_name(view)}'" in script
    tags = {tag["Key"]: tag["Value"] for tag in fleet["Tags"] if tag["PropagateAtLaunch"]}
    assert tags["denodo:balancer"] == "haproxy"
    assert tags["denodo:cluster"] == view.name


def _parameter_name(view: ClusterView) -> str:
    return f"/denodo/{view.environment.name}/{view.name}/haproxy/state"


def _role_is_least(view: ClusterView) -> None:
    """The instances' role allows parameter, two objects in S3, secrets, signal, Session Manager."""
    ((_, template),) = view.of(TEMPLATE).items()
    profile = template["LaunchTemplateData"]["IamInstanceProfile"]["Arn"]["Fn::GetAtt"][0]
    (role_id,) = (reference["Ref"] for reference in view.of(PROFILE)[profile]["Roles"])
    role = view.of("AWS::IAM::Role")[role_id]
    assert role.get("PermissionsBoundary") == view.environment.permissions_boundary
    machine = view.cluster.balancer.proxy.instance
    assert machine is not None
    assert sorted(role.get("ManagedPolicyArns", [])) == sorted(machine.role_policies)
    allowed: dict[str, list[Any]] = {}
    for policy in view.of("AWS::IAM::Policy").values():
        if {"Ref": role_id} not in policy["Roles"]:
            continue
        for one in policy["PolicyDocument"]["Statement"]:
            assert one["Effect"] == "Allow"
            if one["Action"] == "cloudwatch:PutMetricData":
                assert view.environment.alarms.nodes
                assert one["Condition"] == {
                    "StringEquals": {
                        "cloudwatch:namespace": f"Denodo/Nodes/{view.environment.name}"
                    }
                }
                continue
            on = one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
            for action in [one["Action"]] if isinstance(one["Action"], str) else one["Action"]:
                allowed.setdefault(action, []).extend(on)
    everywhere = {action for action, on in allowed.items() if on == ["*"]}
    assert {action.split(":")[0] for action in everywhere} == {"ec2messages", "ssm", "ssmmessages"}
    named = {action: on for action, on in allowed.items() if action not in everywhere}
    if view.environment.logs is not None:
        (stream,), (group,) = named.pop("logs:PutLogEvents"), named.pop("logs:CreateLogStream")
        assert stream["Fn::Join"][1][-2:] == [{"Ref": "Logs"}, ":log-stream:i-*/*"]
        assert group["Fn::Join"][1][-2:] == [{"Ref": "Logs"}, ":*"]
    assert "*" not in json.dumps(named)
    tls = view.cluster.balancer.proxy.tls
    secrets = set()
    if tls and tls.mode != "passthrough":
        secrets.add(tls.certificate)
        secrets |= {tls.authority} if tls.mode == "reencrypt" else set()
    assert set(named.pop("secretsmanager:GetSecretValue", [])) == secrets
    assert len(named.pop("s3:GetObject")) == 2
    assert named["cloudformation:SignalResource"] == [{"Ref": "AWS::StackId"}]
    assert set(named) == {"ssm:GetParameter", "cloudformation:SignalResource"}


def _every_port_has_its_group(view: ClusterView) -> None:
    """Each service and auxiliary port has a listener and a target group with all instances."""
    proxy = view.cluster.balancer.proxy
    expected = {
        service.port: ("denodo:service", name, f"/health/{name}")
        for name, service in view.environment.services.items()
    }
    if view.environment.denodo.version == "7.0":
        for name, node in view.cluster.nodes.items():
            assert node.auxiliary_port is not None
            expected[node.auxiliary_port] = ("denodo:node", name, "/health")
    for name, port in view.scheduler_ports.items():
        expected[port] = ("denodo:node", name, "/health")
    ((fleet_id, fleet),) = view.of(FLEET).items()
    used = []
    for id_, listener in view.of(LISTENER).items():
        tag, name, path = expected.pop(listener["Port"])
        assert listener["Protocol"] == "TCP"
        assert fleet_id in view.template["Resources"][id_]["DependsOn"]
        (action,) = listener["DefaultActions"]
        used.append(action["TargetGroupArn"]["Ref"])
        group = view.groups[used[-1]]
        assert (group["Port"], group["Protocol"]) == (listener["Port"], "TCP")
        assert "Targets" not in group
        assert {"Key": tag, "Value": name} in group["Tags"]
        attributes = {tag["Key"]: tag["Value"] for tag in group["TargetGroupAttributes"]}
        assert attributes["proxy_protocol_v2.enabled"] == "true"
        # The PROXY header contains the client's address. If packets kept that address, two
        # connections could have the same addresses and ports.
        assert attributes["preserve_client_ip.enabled"] == "false"
        assert group["HealthCheckProtocol"] == "HTTP"
        assert group["HealthCheckPort"] == str(proxy.health_port)
        assert group["HealthCheckPath"] == path
        assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    assert expected == {}
    assert sorted(used) == sorted(view.groups)
    assert sorted(reference["Ref"] for reference in fleet["TargetGroupARNs"]) == sorted(used)


def _groups_let_in_what_they_must_and_nothing_else(view: ClusterView) -> None:
    """Only the load balancer reaches HAProxy, and only HAProxy reaches nodes."""
    cluster, proxy = view.cluster, view.cluster.balancer.proxy
    (balancer,) = view.groups_of(LB, "SecurityGroups")
    (middle,) = {
        reference["Fn::GetAtt"][0]
        for of in view.of(TEMPLATE).values()
        for reference in of["LaunchTemplateData"]["SecurityGroupIds"]
    }
    nodes = view.groups_of(INSTANCE, "SecurityGroupIds")
    assert len({balancer, middle, *nodes}) == 2 + len(nodes)
    served = {listener["Port"] for listener in view.of(LISTENER).values()}
    manager = view.environment.solution_manager
    managers = set(manager.cidrs) if manager else set()
    adopted = {str(cluster.network.cidr)} if view.adopted else set()
    peers = nodes | adopted
    for cidr in cluster.balancer.clients:
        assert served <= view.ports("in", balancer, cidr)
    clients = {*cluster.balancer.clients, *managers, *peers, cluster.network.health_checkers}
    assert view.peers("in", balancer) <= clients
    inside = served | {proxy.health_port}
    assert view.peers("out", balancer) == {middle}
    assert inside <= view.ports("out", balancer, middle)
    assert inside <= view.ports("in", middle, balancer)
    assert view.peers("in", middle) == {balancer, *proxy.metrics_clients}
    assert view.peers("out", middle) == {"0.0.0.0/0", *peers}
    assert view.ports("out", middle, "0.0.0.0/0") == {443}
    behind = {service.node_port or service.port for service in view.environment.services.values()}
    behind |= {node.auxiliary_port for node in cluster.nodes.values() if node.auxiliary_port}
    behind |= {*view.scheduler_ports.values()}
    asked = {
        service.health.port for service in view.environment.services.values() if service.health.port
    }
    if proxy.checks.ready or (proxy.checks.ready is None and _uses_readiness(view)):
        asked.add(9191)
    for peer in peers:
        assert behind | asked <= view.ports("out", middle, peer)
    for group in nodes:
        assert behind | asked <= view.ports("in", group, middle)
        assert view.peers("in", group) == {middle, *managers, *view.scheduler_clients}


def _uses_readiness(view: ClusterView) -> bool:
    """Return whether HAProxy checks the readiness report of nodes for a service."""
    settings = (service.health for service in view.environment.services.values())
    return (
        view.environment.denodo.program
        and not view.adopted
        and any(
            not (settings_.protocol or settings_.port or settings_.path) for settings_ in settings
        )
    )


def _routes_are_in_the_metadata(view: ClusterView) -> None:
    """The metadata for the drill names the nodes to which HAProxy forwards each port."""
    (id_,) = view.of(FLEET)
    metadata = view.template["Resources"][id_]["Metadata"]["Denodo"]
    assert {int(port) for port in metadata["Serves"]} == {
        listener["Port"] for listener in view.of(LISTENER).values()
    }
    for one in metadata["Serves"].values():
        assert set(one["Nodes"]) <= set(view.cluster.nodes)
        # HAProxy checks nodes only if it has a choice, and an auxiliary port has one node.
        assert "Check" in one or len(one["Nodes"]) == 1
        assert {*one.get("Check", {})} <= {"Interval", "Timeout", "Unhealthy", "Healthy"}
    assert metadata["HealthPort"] == view.cluster.balancer.proxy.health_port
