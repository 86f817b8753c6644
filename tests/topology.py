"""The rules of the topology, read off templates: what must hold for every configuration.

Nothing here uses `stacks` or what `config` derives: the rules are said a second time, from the
configuration's plain values and the templates, so that the two can disagree.
"""

import json
from collections.abc import Iterable
from typing import Any

from config.cluster import Cluster
from config.model import Environment
from config.service import HealthSettings, Service
from tests import topology_catalog, topology_haproxy
from tests.assembly import Assembly

LB = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
INSTANCE = "AWS::EC2::Instance"
PROFILE = "AWS::IAM::InstanceProfile"
INGRESS = "AWS::EC2::SecurityGroupIngress"
EGRESS = "AWS::EC2::SecurityGroupEgress"
TLS_ON_NODES = {9443}
ALARM = "AWS::CloudWatch::Alarm"
CHECK = "AWS::Route53::HealthCheck"
RECORD = "AWS::Route53::RecordSet"

PARAMETER = "AWS::SSM::Parameter"
ZONE = "AWS::Route53::HostedZone"
NAMED = {RECORD, PARAMETER, ZONE, topology_catalog.SECRET}
"""What others know by a name of ours."""

Resources = dict[str, dict[str, Any]]


def holds(environment: Environment, assembly: Assembly) -> None:
    """Assert that an environment's templates keep every rule of the topology."""
    names = {f"{environment.name}-{name}" for name in environment.clusters}
    if environment.failover:
        names.add(f"{environment.name}-failover")
    names |= topology_catalog.stacks(environment)
    assert set(assembly.templates) == names
    for name, cluster in environment.clusters.items():
        ClusterView(environment, name, cluster, assembly).holds()
    if environment.failover:
        _failover(environment, assembly)
    topology_catalog.holds(environment, assembly)
    for stack, template in assembly.templates.items():
        _portable(environment, stack, template)


def _portable(environment: Environment, stack: str, template: dict[str, Any]) -> None:
    """No custom resource, no export, no physical name; tags on what takes tags."""
    for output in template.get("Outputs", {}).values():
        assert "Export" not in output
    for id_, resource in template.get("Resources", {}).items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        assert not kind.startswith(("Custom::", "AWS::CloudFormation::", "AWS::Lambda::")), id_
        for key in ("Name", "LoadBalancerName", "AlarmName", "RoleName", "GroupName"):
            named = kind in NAMED or id_.startswith("PublishGetStackOutput")
            assert key not in properties or named, (id_, key)
        tags = properties.get("Tags", properties.get("HealthCheckTags"))
        if isinstance(tags, list):
            given = {tag["Key"]: tag["Value"] for tag in tags}
            assert given["denodo:environment"] == environment.name, id_
            if not stack.endswith("-failover"):
                cluster = stack.removeprefix(f"{environment.name}-").removesuffix("-catalog")
                assert given["denodo:cluster"] == cluster
            assert environment.tags.items() <= given.items()


class ClusterView:
    """One cluster's template beside its configuration."""

    def __init__(
        self, environment: Environment, name: str, cluster: Cluster, assembly: Assembly
    ) -> None:
        self.environment, self.name, self.cluster = environment, name, cluster
        self.stack = f"{environment.name}-{name}"
        self.template = assembly.templates[self.stack]
        self.assembly = assembly
        self.groups = self.of(GROUP)
        kinds = {one["Type"]: id_ for id_, one in self.of(LB).items()}
        self.nlb, self.alb = kinds.get("network", ""), kinds.get("application", "")
        self.cookies = {
            name: one
            for name, one in environment.services.items()
            if one.sticky == "cookie" and cluster.balancer.kind == "nlb"
        }
        self.nodes = {_tags(one)["denodo:node"]: id_ for id_, one in self.of(INSTANCE).items()}
        self.adopted = {
            name: node.instance_id for name, node in cluster.nodes.items() if node.instance_id
        }

    def of(self, kind: str) -> Resources:
        """Properties of the resources of a kind."""
        return self.assembly.resources(self.stack, kind)

    def holds(self) -> None:
        """Assert every rule."""
        self.nodes_are_as_configured()
        self.nodes_have_names()
        self.nodes_have_their_state()
        self.nothing_waits_for_itself()
        if self.cluster.balancer.kind == "none":
            self.the_node_is_reached_directly()
        else:
            self.balancer_is_as_configured()
        if self.cluster.balancer.kind == "haproxy":
            topology_haproxy.holds(self)
        if self.cluster.balancer.kind == "nlb":
            self.every_port_has_its_group()
            self.cookies_are_set_behind_it()
            self.groups_let_in_what_they_must_and_nothing_else()
        self.no_group_is_over_its_quota()
        self.outputs_are_there()

    def nodes_are_as_configured(self) -> None:
        """Rules 2, 3 and 5."""
        assert set(self.nodes) == set(self.cluster.nodes) - set(self.adopted)
        for name, id_ in self.nodes.items():
            node, instance = self.cluster.nodes[name], self.of(INSTANCE)[id_]
            assert instance["AvailabilityZone"] == node.zone
            subnet = self.cluster.network.zones[node.zone].nodes
            assert subnet is None or instance["SubnetId"] == subnet
            assert instance["MetadataOptions"]["HttpTokens"] == "required"
            assert instance["ImageId"].startswith("ami-")
            assert not instance.get("DisableApiTermination", False)
            assert "NetworkInterfaces" not in instance
            machine = self.machine(name)
            assert instance["ImageId"] == machine["image"]
            assert instance["InstanceType"] == machine["type"]
            assert instance.get("KeyName") == machine.get("key")
            sizes = [machine.get("disk_gib", 100), machine.get("data_disk_gib")]
            disks = [one["Ebs"] for one in instance["BlockDeviceMappings"]]
            assert [one["VolumeSize"] for one in disks] == [size for size in sizes if size]
            assert {one["VolumeType"] for one in disks} == {"gp3"}
            assert {one["Encrypted"] for one in disks} == {True}
            assert {one.get("KmsKeyId") for one in disks} == {machine.get("kms_key")}
            self.role_is_least(instance, machine)

    def machine(self, name: str) -> dict[str, Any]:
        """What the configuration asks for: the cluster's machine, with the node's overrides."""
        parts = (self.cluster.instance, self.cluster.nodes[name].instance)
        return {
            key: value
            for part in parts
            if part is not None
            for key, value in part.model_dump(exclude_none=True).items()
        }

    def role_is_least(self, instance: dict[str, Any], machine: dict[str, Any]) -> None:
        """A node's role: Session Manager, what the configuration names, and the boundary."""
        (role_id,) = (
            role["Ref"] for role in self.of(PROFILE)[instance["IamInstanceProfile"]["Ref"]]["Roles"]
        )
        role = self.of("AWS::IAM::Role")[role_id]
        assert role.get("PermissionsBoundary") == self.environment.permissions_boundary
        assert sorted(role.get("ManagedPolicyArns", [])) == sorted(machine.get("role_policies", ()))
        statements = [
            statement
            for policy in self.of("AWS::IAM::Policy").values()
            if {"Ref": role_id} in policy["Roles"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]
        by_action: dict[str, list[Any]] = {}
        for one in statements:
            assert one["Effect"] == "Allow"
            resources = one["Resource"]
            for action in [one["Action"]] if isinstance(one["Action"], str) else one["Action"]:
                by_action.setdefault(action, []).extend(
                    resources if isinstance(resources, list) else [resources]
                )
        sessions = {action for action, on in by_action.items() if on == ["*"]}
        assert {action.split(":")[0] for action in sessions} == {"ssm", "ssmmessages"}
        assert sessions - {"ssm:UpdateInstanceInformation"} == {
            f"ssmmessages:{verb}{what}Channel"
            for verb in ("Create", "Open")
            for what in ("Control", "Data")
        }
        named = by_action.keys() - sessions - topology_catalog.actions_of_a_node(self.cluster)
        if not self.environment.denodo.program:
            assert named == set()
            return
        may = {"ssm:GetParameter", "s3:GetObject", "cloudformation:SignalResource"}
        may -= topology_catalog.actions_of_a_node(self.cluster)
        assert may <= named <= may | {"secretsmanager:GetSecretValue"}
        (parameter,) = by_action["ssm:GetParameter"]
        ref = parameter["Fn::Join"][1][-1]["Ref"]
        assert self.of(PARAMETER)[ref]["Name"].endswith(f"/{_tags(instance)['denodo:node']}")
        for address in by_action["s3:GetObject"]:
            assert "*" not in json.dumps(address)
        for secret in by_action.get("secretsmanager:GetSecretValue", []):
            assert secret.split(":")[3:5] == [self.cluster.region, self.cluster.account]
            assert "*" not in secret

    def nodes_have_names(self) -> None:
        """Each node whose address is known has a record, in the given zone or one of its own."""
        given = self.cluster.network.node_zone
        domain = given.name.lower() if given else f"{self.name}.{self.environment.name}.internal"
        known = {
            **{name: {"Fn::GetAtt": [id_, "PrivateIp"]} for name, id_ in self.nodes.items()},
            **{name: node.address for name, node in self.cluster.nodes.items() if node.address},
        }
        records = {one["Name"]: one for one in self.of(RECORD).values()}
        assert set(records) == {f"{name.lower()}.{domain}." for name in known}
        for name, address in known.items():
            record = records[f"{name.lower()}.{domain}."]
            assert (record["Type"], record["TTL"]) == ("A", "10")
            assert record["ResourceRecords"] == [address]
            told = self.template["Outputs"][_output("NodeName", name)]["Value"]
            assert told == f"{name.lower()}.{domain}"
        assert len(self.of(ZONE)) == (0 if given or not known else 1)
        for zone in self.of(ZONE).values():
            assert zone["Name"] == f"{domain}."
            others = [one.vpc for one in self.cluster.network.node_zone_vpcs]
            assert [one["VPCId"] for one in zone["VPCs"]][1:] == others
        assert self.template["Metadata"]["Denodo"]["Nodes"] == {
            _output("NodeId", name): name for name in self.cluster.nodes
        }

    def nodes_have_their_state(self) -> None:
        """Rules 6 and 7: a parameter for each node that is created, which its first boot reads."""
        parameters = {one["Name"]: id_ for id_, one in self.of(PARAMETER).items()}
        program = self.environment.denodo.program
        prefix = f"/denodo/{self.environment.name}/{self.name}/"
        if self.cluster.balancer.kind == "haproxy":
            del parameters[prefix + "haproxy/state"]
        assert set(parameters) == ({prefix + name for name in self.nodes} if program else set())
        for name, id_ in self.nodes.items():
            instance, resource = self.of(INSTANCE)[id_], self.template["Resources"][id_]
            script = instance["UserData"]["Fn::Base64"]
            if not program:
                assert "CreationPolicy" not in resource
                continue
            assert f"parameter='{prefix}{name}'" in script
            assert self.name_of_balancer() not in script
            assert resource["CreationPolicy"]["ResourceSignal"]["Count"] == 1
            state = self.state_of(parameters[prefix + name])
            assert state["node"] == name
            assert state["signal"]["resource"] == id_
            seven = self.environment.denodo.version == "7.0"
            behind = self.cluster.balancer.kind != "none"
            own = self.template["Outputs"][_output("NodeName", name)]["Value"]
            assert state["host"] == own
            assert state["rmi_host"] == (_UNKNOWN if seven and behind else own)
            assert state["ports"].get("auxiliary") == self.cluster.nodes[name].auxiliary_port

    def name_of_balancer(self) -> str:
        """What stands for the balancer in a template."""
        return self.nlb or "no balancer"

    def state_of(self, parameter: str) -> dict[str, Any]:
        """The desired state in a parameter; `_UNKNOWN` is what CloudFormation fills in."""
        value = self.of(PARAMETER)[parameter]["Value"]
        if isinstance(value, dict):
            parts = value["Fn::Join"][1]
            value = "".join(one if isinstance(one, str) else _UNKNOWN for one in parts)
        state: dict[str, Any] = json.loads(value)
        return state

    def nothing_waits_for_itself(self) -> None:
        """What a node's creation waits for is never something that waits for a node.

        CloudFormation refuses a circle by itself. But a node is created when it is ready: what it
        needs for that, which is its role, its parameter and its way out, must not wait for any
        node; targets and names do.
        """
        resources = self.template["Resources"]
        waiting = {id_: _mentioned(one) & resources.keys() for id_, one in resources.items()}
        for node in self.nodes.values():
            needed: set[str] = set()
            todo = [node]
            while todo:
                for other in waiting[todo.pop()] - needed:
                    needed.add(other)
                    todo.append(other)
            assert needed & set(self.nodes.values()) == set()
            kinds = {resources[one]["Type"] for one in needed}
            assert kinds & {RECORD, GROUP, LISTENER, "AWS::EC2::EIPAssociation"} == set()
            if self.environment.denodo.program:
                assert {PARAMETER, "AWS::IAM::Policy", PROFILE} <= kinds

    def balancer_is_as_configured(self) -> None:
        """Rules 3 and 4."""
        assert len(self.of(LB)) == 1 + bool(self.cookies)
        balancer = self.of(LB)[self.nlb]
        settings = self.cluster.balancer
        assert balancer["Type"] == "network"
        assert balancer["Scheme"] == settings.scheme
        assert len(balancer["SecurityGroups"]) == 1
        given = [
            one.get("AllocationId", one.get("PrivateIPv4Address"))
            for one in balancer.get("SubnetMappings", [])
        ]
        assert given == [settings.addresses[zone] for zone in sorted(settings.addresses)]
        places: list[Any] = balancer.get("Subnets", []) + balancer.get("SubnetMappings", [])
        assert len(places) == len(self.cluster.network.zones)
        assert ("Subnets" in balancer) != ("SubnetMappings" in balancer)
        attributes = _attributes(balancer["LoadBalancerAttributes"])
        assert attributes["load_balancing.cross_zone.enabled"] == str(settings.cross_zone).lower()

    def every_port_has_its_group(self) -> None:
        """Rule 1: one listener and one group a port, with the nodes that belong there."""
        wanted: dict[int, tuple[int, set[str], Service | None]] = {
            one.port: (one.node_port or one.port, set(self.cluster.nodes), one)
            for one in self.environment.services.values()
        }
        if self.environment.denodo.version == "7.0":
            for name, node in self.cluster.nodes.items():
                assert node.auxiliary_port is not None
                wanted[node.auxiliary_port] = (node.auxiliary_port, {name}, None)
        listeners = self.listeners_of(self.nlb)
        assert sorted(one["Port"] for one in listeners) == sorted(wanted)
        used = []
        for listener in listeners:
            group_id = _forwarded(listener)
            used.append(group_id)
            port, nodes, service = wanted[listener["Port"]]
            if service in self.cookies.values():
                used.append(self.leads_to_the_alb(group_id, listener["Port"]))
                self.idle_is_right(listener, service)
                assert listener["Protocol"] == "TCP"
                assert "Certificates" not in listener
                continue
            self.group_is_right(self.groups[group_id], port, nodes, service)
            certificates = [one["CertificateArn"] for one in listener.get("Certificates", [])]
            wanted_one = service.certificate(self.name) if service else None
            assert certificates == ([wanted_one] if wanted_one else [])
            assert listener["Protocol"] == ("TLS" if wanted_one else "TCP")
            assert ("SslPolicy" in listener) == bool(wanted_one)
            self.idle_is_right(listener, service)
        assert sorted(used) == sorted(self.groups)

    def listeners_of(self, balancer: str) -> list[dict[str, Any]]:
        """The listeners of a balancer."""
        found = self.of(LISTENER).values()
        return [one for one in found if one["LoadBalancerArn"] == {"Ref": balancer}]

    def idle_is_right(self, listener: dict[str, Any], service: Service | None) -> None:
        """A listener's own idle timeout is the service's, if it has one."""
        idle = _attributes(listener.get("ListenerAttributes", []))
        expected = service.idle_timeout if service else None
        assert idle.get("tcp.idle_timeout.seconds") == (str(expected) if expected else None)

    def leads_to_the_alb(self, group_id: str, port: int) -> str:
        """The group of the other balancer, on the same port; gives the group that it leads to.

        It is made after the listener, takes no attribute and is no group of nodes to commands.
        """
        group = self.groups[group_id]
        assert (group["TargetType"], group["Protocol"], group["Port"]) == ("alb", "TCP", port)
        assert group["Targets"] == [{"Id": {"Ref": self.alb}, "Port": port}]
        assert "TargetGroupAttributes" not in group
        assert not {"denodo:service", "denodo:node"} & _tags(group).keys()
        (name,) = (key for key, one in self.cookies.items() if one.port == port)
        assert _tags(group)["denodo:alb"] == name
        ((listener_id, listener),) = (
            (id_, one)
            for id_, one in self.of(LISTENER).items()
            if one["LoadBalancerArn"] == {"Ref": self.alb} and one["Port"] == port
        )
        assert listener_id in self.template["Resources"][group_id]["DependsOn"]
        assert group["HealthCheckProtocol"] == listener["Protocol"]
        assert group["HealthCheckPort"] == str(port)
        assert group["Matcher"]["HttpCode"] == "200-499"
        assert group["HealthCheckPath"].startswith("/")
        assert not group["HealthCheckPath"].startswith("/ready/")
        return _forwarded(listener)

    def cookies_are_set_behind_it(self) -> None:
        """Rule 1's exception: a second balancer, which ends TLS and keeps clients by cookie."""
        if not self.cookies:
            return
        front, alb = self.of(LB)[self.nlb], self.of(LB)[self.alb]
        assert alb["Scheme"] == "internal"
        places = front.get("Subnets") or [one["SubnetId"] for one in front["SubnetMappings"]]
        assert alb["Subnets"] == places
        attributes = _attributes(alb["LoadBalancerAttributes"])
        idle = max(one.idle_timeout or 350 for one in self.cookies.values())
        assert attributes["idle_timeout.timeout_seconds"] == str(idle)
        assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
        protected = str(self.cluster.balancer.deletion_protection).lower()
        assert attributes["deletion_protection.enabled"] == protected
        listeners = {one["Port"]: one for one in self.listeners_of(self.alb)}
        assert set(listeners) == {one.port for one in self.cookies.values()}
        for name, service in self.cookies.items():
            listener, port = listeners[service.port], service.node_port or service.port
            certificate = service.certificate(self.name)
            assert listener["Protocol"] == ("HTTPS" if certificate else "HTTP")
            certificates = [one["CertificateArn"] for one in listener.get("Certificates", [])]
            assert certificates == ([certificate] if certificate else [])
            group = self.groups[_forwarded(listener)]
            assert _tags(group)["denodo:service"] == name
            assert group["Protocol"] == ("HTTPS" if port in TLS_ON_NODES else "HTTP")
            assert group["HealthCheckProtocol"] in ("HTTP", "HTTPS")
            assert group["Matcher"]["HttpCode"] == "200-399"
            self.targets_are_right(group, port, set(self.cluster.nodes))
            attributes = _attributes(group["TargetGroupAttributes"])
            assert attributes["stickiness.enabled"] == "true"
            assert attributes["stickiness.type"] == "lb_cookie"
            delay = str(self.cluster.balancer.deregistration_delay)
            assert attributes["deregistration_delay.timeout_seconds"] == delay
            self.check_is_right(group, port, service)

    def group_is_right(
        self, group: dict[str, Any], port: int, nodes: set[str], service: Service | None
    ) -> None:
        """A group's targets and attributes; traps 1 to 3 for a single-node auxiliary group."""
        self.targets_are_right(group, port, nodes)
        attributes = _attributes(group["TargetGroupAttributes"])
        delay = str(self.cluster.balancer.deregistration_delay)
        assert attributes["deregistration_delay.timeout_seconds"] == delay
        off = attributes.get("target_group_health.dns_failover.minimum_healthy_targets.count")
        keeps = attributes["preserve_client_ip.enabled"]
        if service is None:
            assert (off, keeps) == ("off", "false")
            assert _tags(group)["denodo:node"] in nodes
            assert group["HealthCheckProtocol"] == "TCP"
        else:
            assert (off, keeps) == (None, str(service.client_ip).lower())
            assert _tags(group)["denodo:service"] in self.environment.services
            sticky = attributes.get("stickiness.enabled") == "true"
            assert sticky == (service.sticky is True)
        self.check_is_right(group, port, service)

    def targets_are_right(self, group: dict[str, Any], port: int, nodes: set[str]) -> None:
        """A group has the nodes that belong there, on one port."""
        by_id = {id_: name for name, id_ in (*self.nodes.items(), *self.adopted.items())}
        ids = [
            one["Id"] if isinstance(one["Id"], str) else one["Id"]["Ref"]
            for one in group["Targets"]
        ]
        assert sorted(by_id[id_] for id_ in ids) == sorted(nodes)
        assert {target["Port"] for target in group["Targets"]} == {port}
        assert group["Port"] == port

    def check_is_right(self, group: dict[str, Any], port: int, service: Service | None) -> None:
        """A group's health check: the service's settings, the balancer's, the defaults."""
        general = self.cluster.balancer.health
        own = service.health if service else HealthSettings()
        values = {
            key: getattr(own, key) or getattr(general, key) or default
            for key, default in (("interval", 5), ("timeout", 4), ("healthy", 2), ("unhealthy", 2))
        }
        assert group["HealthCheckIntervalSeconds"] == values["interval"]
        assert group["HealthCheckTimeoutSeconds"] == values["timeout"] < values["interval"]
        assert group["HealthyThresholdCount"] == values["healthy"]
        assert group["UnhealthyThresholdCount"] == values["unhealthy"]
        asked = self.environment.denodo.program and not self.adopted
        given = any(one.protocol or one.port or one.path for one in (own, general))
        if service and asked and not given:
            name = _tags(group)["denodo:service"]
            assert group["HealthCheckProtocol"] == "HTTP"
            assert group["HealthCheckPort"] == "9191"
            assert group["HealthCheckPath"] == f"/ready/{name}"
            return
        if service in self.cookies.values():
            tls = int(group["HealthCheckPort"]) in TLS_ON_NODES
            said = own.protocol or general.protocol or ("https" if tls else "http")
            assert group["HealthCheckProtocol"] == said.upper()
            assert group["HealthCheckPath"] == (own.path or general.path or "/")
        expected = (own.port or general.port or port) if service else port
        assert group["HealthCheckPort"] == str(expected)

    def groups_let_in_what_they_must_and_nothing_else(self) -> None:
        """Rule 3: clients to the balancer, balancer to nodes, managers to management ports."""
        (balancer,) = _security_groups([self.of(LB)[self.nlb]], "SecurityGroups")
        nodes = next(iter(_security_groups(self.of(INSTANCE).values(), "SecurityGroupIds")), "")
        assert balancer != nodes
        # Adopted instances are in groups of their owner's: known by their network's addresses.
        cidr_of_nodes = {str(self.cluster.network.cidr)} if self.adopted else set()
        peers = cidr_of_nodes | ({nodes} if nodes else set())
        rules = {
            (direction, group): self.rules_of(direction, group)
            for direction in ("in", "out")
            for group in (balancer, nodes)
        }
        served = {one["Port"] for one in self.of(LISTENER).values()}
        # An Application Load Balancer's groups speak HTTP; one that leads to it holds no node.
        direct = [one for one in self.groups.values() if one["Protocol"] in ("TCP", "TLS")]
        behind = _reached(one for one in direct if one["TargetType"] == "instance")
        second = self.second_balancer_is_in_between(balancer, peers)
        manager = self.environment.solution_manager
        managers = set(manager.cidrs) if manager else set()
        for cidr in self.cluster.balancer.clients:
            assert served <= _ports(rules["in", balancer], cidr)
        for peer in peers if behind else ():
            assert behind <= _ports(rules["out", balancer], peer)
        sources = {_peer(one) for one in rules["in", balancer]}
        allowed = {*self.cluster.balancer.clients, *managers, *peers}
        assert sources <= allowed | {self.cluster.network.health_checkers}
        direct_peers = peers if behind else set()
        assert {_peer(one) for one in rules["out", balancer]} == direct_peers | second
        if nodes:
            assert behind <= _ports(rules["in", nodes], balancer)
            front = {balancer} if behind else set()
            assert {_peer(one) for one in rules["in", nodes]} == {*front, *second, *managers}
        if self.environment.denodo.version == "7.0":
            auxiliary = {node.auxiliary_port for node in self.cluster.nodes.values()}
            for peer in {*peers, *managers}:
                assert auxiliary <= _ports(rules["in", balancer], peer)

    def second_balancer_is_in_between(self, balancer: str, nodes: set[str]) -> set[str]:
        """Only the first reaches it, on its listeners' ports, and it reaches the nodes only."""
        if not self.alb:
            return set()
        (group,) = _security_groups([self.of(LB)[self.alb]], "SecurityGroups")
        assert group not in {balancer, *nodes}
        served = {one.port for one in self.cookies.values()}
        behind = _reached(
            one for one in self.groups.values() if one["Protocol"] in ("HTTP", "HTTPS")
        )
        into, out = self.rules_of("in", group), self.rules_of("out", group)
        assert {_peer(one) for one in into} == {balancer}
        assert served <= _ports(into, balancer)
        assert served <= _ports(self.rules_of("out", balancer), group)
        assert {_peer(one) for one in out} == nodes
        for peer in nodes:
            assert behind <= _ports(out, peer)
            if "/" not in peer:
                assert behind <= _ports(self.rules_of("in", peer), group)
        return {group}

    def the_node_is_reached_directly(self) -> None:
        """Without a balancer: one node, an Elastic IP if it is public, and its own group."""
        for kind in (LB, LISTENER, GROUP):
            assert self.of(kind) == {}
        ((name, id_),) = self.nodes.items()
        public = self.cluster.balancer.scheme == "internet-facing"
        associations = list(self.of("AWS::EC2::EIPAssociation").values())
        assert [one["InstanceId"]["Ref"] for one in associations] == ([id_] if public else [])
        (group,) = _security_groups(self.of(INSTANCE).values(), "SecurityGroupIds")
        manager = self.environment.solution_manager
        managers = set(manager.cidrs) if manager else set()
        rules = self.rules_of("in", group)
        served = {one.port for one in self.environment.services.values()}
        served |= {port for port in [self.cluster.nodes[name].auxiliary_port] if port}
        for cidr in self.cluster.balancer.clients:
            assert served <= _ports(rules, cidr)
        allowed = {*self.cluster.balancer.clients, *managers, self.cluster.network.health_checkers}
        assert {_peer(one) for one in rules} <= allowed

    def rules_of(self, direction: str, group: str) -> list[dict[str, Any]]:
        """The rules of a group in one direction."""
        kind = INGRESS if direction == "in" else EGRESS
        return [one for one in self.of(kind).values() if one["GroupId"]["Fn::GetAtt"][0] == group]

    def groups_of(self, kind: str, key: str) -> set[str]:
        """The security groups of the resources of a kind."""
        return _security_groups(self.of(kind).values(), key)

    def peers(self, direction: str, group: str) -> set[str]:
        """The other ends of a group's rules."""
        return {_peer(one) for one in self.rules_of(direction, group)}

    def ports(self, direction: str, group: str, peer: str) -> set[int]:
        """The ports that a group's rules open to a peer."""
        return _ports(self.rules_of(direction, group), peer)

    def no_group_is_over_its_quota(self) -> None:
        """Sixty rules each way, a prefix list as many as it weighs; and none of them twice."""
        for group in self.of("AWS::EC2::SecurityGroup"):
            for direction in ("in", "out"):
                rules = self.rules_of(direction, group)
                assert sum(25 if "SourcePrefixListId" in one else 1 for one in rules) <= 60
                assert len({(_peer(one), one.get("FromPort")) for one in rules}) == len(rules)

    def outputs_are_there(self) -> None:
        """Names that others rely on."""
        outputs = set(self.template["Outputs"])
        services = self.environment.services
        named = {"jdbc": "JdbcUrl", "odbc": "OdbcEndpoint", "web": "WebUrl"}
        where = "NodeAddress" if self.cluster.balancer.kind == "none" else "BalancerDnsName"
        assert outputs >= {where} | {named[name] for name in named if name in services}
        for name in self.cluster.nodes:
            expected = self.adopted.get(name) or {"Ref": self.nodes[name]}
            assert self.template["Outputs"][_output("NodeId", name)]["Value"] == expected


def _failover(environment: Environment, assembly: Assembly) -> None:
    """Two records of one name and type, each with a check that can see its cluster."""
    failover = environment.failover
    assert failover is not None
    stack = f"{environment.name}-failover"
    records = {one["Failover"]: one for one in assembly.resources(stack, RECORD).values()}
    assert set(records) == {"PRIMARY", "SECONDARY"}
    assert len({(one["Name"], one["Type"]) for one in records.values()}) == 1
    assert len({one["SetIdentifier"] for one in records.values()}) == 2
    apex = failover.record == "@"
    zone = failover.zone.name
    assert records["PRIMARY"]["Name"] == (f"{zone}." if apex else f"{failover.record}.{zone}.")
    for role, name in (("PRIMARY", failover.primary), ("SECONDARY", failover.secondary)):
        record, cluster = records[role], environment.clusters[name]
        assert record["Comment"].startswith(f"{name} ")
        if "AliasTarget" in record:
            assert record["AliasTarget"]["EvaluateTargetHealth"] is True
            assert "TTL" not in record
            assert ("HealthCheckId" in record) == (role == "PRIMARY")
            continue
        bare = cluster.balancer.kind == "none"
        assert record["Type"] == ("A" if bare else "CNAME")
        assert bare or not apex
        output = record["ResourceRecords"][0]["Fn::GetStackOutput"]
        assert output["OutputName"] == ("NodeAddress" if bare else "BalancerDnsName")
        _check(environment, assembly, role, name, record)
    _switch(assembly, stack, records)
    _operators(environment, assembly.templates[stack])


def _check(
    environment: Environment, assembly: Assembly, role: str, name: str, record: dict[str, Any]
) -> None:
    """A record's health check sees its cluster, unless operators decide alone or none can."""
    failover, cluster = environment.failover, environment.clusters[name]
    assert failover is not None
    internal = cluster.balancer.scheme == "internal"
    seen = not (internal and cluster.balancer.kind == "none")
    is_primary = role == "PRIMARY"
    wanted = seen and (failover.control == "automatic" if is_primary else failover.secondary_health)
    own = assembly.resources(f"{environment.name}-failover", CHECK)
    checks = [
        one
        for one in _leaves(own, record.get("HealthCheckId"))
        if own.get(one.get("Ref", ""), {}).get("HealthCheckConfig", {}) != _switch_config(own)
    ]
    if not wanted:
        assert checks == []
        return
    if not any("Ref" in one for one in checks):
        assert cluster.account == (
            failover.account or environment.clusters[failover.primary].account
        )
        _watched(assembly, f"{environment.name}-{name}", checks)
        return
    (found,) = checks
    config = own[found["Ref"]]["HealthCheckConfig"]
    assert not internal
    if config["Type"] == "TCP":
        assert config["Port"] == environment.services["jdbc"].port
        assert ("IPAddress" in config) == (cluster.balancer.kind == "none")
        everyone = "0.0.0.0/0" in cluster.balancer.clients
        admitted = "0.0.0.0/0" if everyone else str(cluster.network.health_checkers)
        rules = assembly.resources(f"{environment.name}-{name}", INGRESS).values()
        assert config["Port"] in _ports(rules, admitted)


def _watched(assembly: Assembly, stack: str, checks: list[dict[str, Any]]) -> None:
    """A group and its balancer are watched: what is new has no data, and what is lost neither."""
    outputs = assembly.templates[stack]["Outputs"]
    own, alarms = assembly.resources(stack, CHECK), assembly.resources(stack, ALARM)
    assert len(checks) == len(own) == len(alarms) == 2
    seen = {}
    for one in checks:
        assert one["Fn::GetStackOutput"]["StackName"] == stack
        id_ = outputs[one["Fn::GetStackOutput"]["OutputName"]]["Value"]["Ref"]
        config = own[id_]["HealthCheckConfig"]
        assert config["Type"] == "CLOUDWATCH_METRIC"
        alarm = alarms[config["AlarmIdentifier"]["Name"]["Ref"]]
        assert (alarm["Statistic"], alarm["Period"]) == ("Maximum", 60)
        assert alarm["TreatMissingData"] == "missing"
        dimensions = {pair["Name"] for pair in alarm["Dimensions"]}
        seen[alarm["MetricName"], *sorted(dimensions)] = config["InsufficientDataHealthStatus"]
    assert seen == {
        ("HealthyHostCount", "LoadBalancer", "TargetGroup"): "LastKnownStatus",
        ("ActiveFlowCount", "LoadBalancer"): "Unhealthy",
    }


def _leaves(own: Resources, check: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The checks that a record's check is made of; all of them must be healthy."""
    if check is None:
        return []
    config = own.get(check.get("Ref", ""), {}).get("HealthCheckConfig", {})
    if config.get("Type") != "CALCULATED":
        return [check]
    children: list[dict[str, Any]] = config["ChildHealthChecks"]
    assert config["HealthThreshold"] == len(children) > 1
    return children


def _switch_config(own: Resources) -> dict[str, Any]:
    """The settings of the one check that keeps what it was told last."""
    configs = [one["HealthCheckConfig"] for one in own.values()]
    (found,) = [
        one for one in configs if one.get("InsufficientDataHealthStatus") == "LastKnownStatus"
    ]
    return dict(found)


def _switch(assembly: Assembly, stack: str, records: Resources) -> None:
    """One datapoint moves the site and holds: its alarm is beside it, and nothing else decides."""
    own = assembly.resources(stack, CHECK)
    config = _switch_config(own)
    ((alarm_id, alarm),) = assembly.resources(stack, ALARM).items()
    assert config["Type"] == "CLOUDWATCH_METRIC"
    assert config["AlarmIdentifier"]["Name"] == {"Ref": alarm_id}
    assert alarm["TreatMissingData"] == "missing"
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Maximum", 60, 1)
    assert not any(alarm.get(key) for key in ("Metrics", "DatapointsToAlarm", "ExtendedStatistic"))
    (id_,) = [id_ for id_, one in own.items() if one["HealthCheckConfig"] == config]
    assert {"Ref": id_} in _leaves(own, records["PRIMARY"]["HealthCheckId"])
    assert {"Ref": id_} not in _leaves(own, records["SECONDARY"].get("HealthCheckId"))


def _operators(environment: Environment, template: dict[str, Any]) -> None:
    """Who moves the site may look, and put one metric: no record and no check is theirs."""
    ((id_, policy),) = [
        (id_, one)
        for id_, one in template["Resources"].items()
        if one["Type"] == "AWS::IAM::ManagedPolicy"
    ]
    assert template["Outputs"]["OperatorPolicyArn"]["Value"] == {"Ref": id_}
    properties = policy["Properties"]
    assert not properties.keys() & {"Users", "Groups", "ManagedPolicyName"}
    assert properties.get("Roles", []) == []
    writing = 0
    for statement in properties["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action
            name = action.partition(":")[2]
            if name == "PutMetricData":
                writing += 1
                condition = statement["Condition"]["StringEquals"]
                assert condition["cloudwatch:namespace"] == "Denodo/Failover"
                assert "aws:RequestedRegion" in condition
            else:
                assert name.startswith(("Describe", "Get", "List", "TestDNSAnswer"))
    assert writing == 1
    assert environment.name in json.dumps(properties)


_UNKNOWN = "known-at-deploy.example.com"


def _output(prefix: str, node: str) -> str:
    """Name of an output about a node."""
    return prefix + "".join(letter for letter in node if letter.isalnum())


def _mentioned(value: Any) -> set[str]:
    """The logical ids that a resource waits for."""
    if isinstance(value, list):
        return {id_ for one in value for id_ in _mentioned(one)}
    if not isinstance(value, dict):
        return set()
    found = {id_ for one in value.values() for id_ in _mentioned(one)}
    if "Ref" in value:
        found.add(value["Ref"])
    if "Fn::GetAtt" in value:
        found.add(value["Fn::GetAtt"][0])
    depends = value.get("DependsOn", [])
    return found | {depends} if isinstance(depends, str) else found | set(depends)


def _forwarded(listener: dict[str, Any]) -> str:
    """The group that a listener sends to."""
    (action,) = listener["DefaultActions"]
    return str(action["TargetGroupArn"]["Ref"])


def _reached(groups: Iterable[dict[str, Any]]) -> set[int]:
    """The ports that groups send to and check."""
    return {port for one in groups for port in (one["Port"], int(one["HealthCheckPort"]))}


def _attributes(pairs: Iterable[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def _tags(properties: dict[str, Any]) -> dict[str, str]:
    return _attributes(properties["Tags"])


def _security_groups(resources: Iterable[dict[str, Any]], key: str) -> set[str]:
    return {group["Fn::GetAtt"][0] for one in resources for group in one[key]}


def _peer(rule: dict[str, Any]) -> str:
    """The other end of a rule: a CIDR, a prefix list or a group's logical id."""
    for key in ("CidrIp", "SourcePrefixListId"):
        if key in rule:
            return str(rule[key])
    group = rule.get("SourceSecurityGroupId") or rule["DestinationSecurityGroupId"]
    return str(group["Fn::GetAtt"][0])


def _ports(rules: Iterable[dict[str, Any]], peer: str) -> set[int]:
    """The ports that rules open to a peer."""
    return {
        port
        for rule in rules
        if _peer(rule) == peer
        for port in range(rule["FromPort"], rule["ToPort"] + 1)
    }
