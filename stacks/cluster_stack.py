"""The stack of one cluster: network, groups, nodes, and what clients connect to."""

from aws_cdk import CfnOutput
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import (
    cookie_balancer,
    failover_plan,
    node_metadata,
    node_names,
)
from denodo_ha.environment.derived.firewall import SecurityGroup, creates_nodes, firewall
from denodo_ha.environment.derived.topology import listeners, version_ports
from denodo_ha.environment.facts.denodo_ports import JDBC_URLS
from denodo_ha.environment.haproxy import routes
from denodo_ha.environment.model.cluster import Instance
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import Pins, pinned, wanted
from stacks.access.metadata_statements import metadata_statements
from stacks.access.node_operators import NodeOperatorPolicy
from stacks.access.solution_manager import SolutionManagerPolicy
from stacks.balancer.alarm_health_checks import AlarmHealthChecks
from stacks.balancer.existing_zones import zones_of_existing_resources
from stacks.balancer.node_balancer import NodeBalancer
from stacks.environment_stack import EnvironmentStack
from stacks.haproxy.haproxy_balancer import HaproxyBalancer
from stacks.haproxy.haproxy_layer import HaproxyLayer, make_haproxy_layer
from stacks.network.network import Network
from stacks.network.node_names import NodeNames
from stacks.network.security_groups import SecurityGroups
from stacks.nodes.desired_state import NodeState
from stacks.nodes.node import FixedAddress, Node
from stacks.nodes.program_asset import ProgramAsset
from stacks.nodes.ssm_document import NodeDocument


class ClusterStack(EnvironmentStack):
    """A cluster behind a Network Load Balancer, with or without HAProxy, or a single node alone.

    Attributes:
        name: the cluster's name.
        cluster: its configuration.
        outputs: outputs by name, for the failover stack.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        name: str,
        pins: Pins,
        node_program: str,
        haproxy_program: str,
    ) -> None:
        self.name = name
        self.cluster = environment.clusters[name]
        super().__init__(
            scope,
            id_,
            environment=environment,
            account=self.cluster.account,
            region=self.cluster.region,
            description=f"Denodo {environment.denodo.version}, cluster {name}",
            cluster=name,
        )
        self._environment, self._proxy_program = environment, haproxy_program
        self.outputs: dict[str, CfnOutput] = {}
        balanced = self.cluster.balancer.kind != "none"
        public = self.cluster.balancer.scheme == "internet-facing"
        self._network = Network(
            self,
            "Network",
            network=self.cluster.network,
            public_nodes=public and not balanced,
            public_balancer=public and balanced,
        )
        groups: list[SecurityGroup] = ["balancer"] if balanced else []
        if self.cluster.balancer.kind == "haproxy":
            groups.append("haproxy")
        if creates_nodes(self.cluster):
            groups.append("nodes")
        self._behind = bool(cookie_balancer.alb_services(environment, self.cluster))
        if self._behind:
            groups.append("alb")
        self._groups = SecurityGroups(
            self,
            "Groups",
            vpc=self._network.vpc,
            groups=groups,
            sides=firewall(environment, name),
        )
        self._nodes = self._make_nodes(pins)
        self._haproxy: HaproxyLayer | None = None
        host = self._balanced() if balanced else self._bare(public=public)
        self._let_keep_metadata()
        self._name_nodes()
        document = None
        if environment.denodo.program and self._nodes:
            document = self._set_up_nodes(pins, node_program, balancer=host if balanced else "")
        if document is not None or self._haproxy is not None:
            self._let_operators_in(document)
        if balanced and environment.solution_manager is not None:
            self._let_solution_manager_in()
        self._say_where(host)

    @property
    def replaced_with(self) -> list[object]:
        """What replaces the balancer when it changes: its name and zone are then others."""
        network, balancer = self.cluster.network, self.cluster.balancer
        return [balancer.scheme, network.vpc or network.cidr, sorted(balancer.addresses.items())]

    def _make_nodes(self, pins: Pins) -> dict[str, Node]:
        """The nodes that are created here, by name."""
        nodes: dict[str, Node] = {}
        for name, node in sorted(self.cluster.nodes.items()):
            if node.instance_id is not None:
                continue
            nodes[name] = Node(
                self,
                # With a prefix, as CDK reads meaning into the names Default and Resource.
                f"node-{name}",
                name=name,
                label=f"{self.stack_name}-{name}",
                machine=self._machine(name, pins),
                vpc=self._network.vpc,
                subnet=self._network.node_subnets[node.zone],
                zone=node.zone,
                region=self.cluster.region,
                security_group=self._groups["nodes"],
                parameter=(
                    names.node_parameter(self._environment.name, self.name, name)
                    if self._environment.denodo.program
                    else None
                ),
            )
        return nodes

    def _let_keep_metadata(self) -> None:
        """What nodes and the stack of their metadata need of each other."""
        set_up = self._nodes if self._environment.denodo.program else {}
        for name, node in set_up.items():
            for statement in metadata_statements(self._environment, self.name, name):
                node.role.add_to_policy(statement)
        if not node_metadata.creates_database(self.cluster):
            return
        if self._nodes:
            self._output(names.NODES_SECURITY_GROUP_ID, self._groups["nodes"].security_group_id)
        if self.cluster.network.vpc is None:
            self._output(names.VPC_ID, self._network.vpc.vpc_id)
            for zone, subnet in self._network.node_subnets.items():
                self._output(names.subnet_output(zone), subnet.subnet_id)

    def _machine(self, node: str, pins: Pins) -> Instance:
        """What a node runs."""
        machine = wanted(self.cluster.instance, self.cluster.nodes[node])
        assert machine is not None  # denodo_ha.environment.rules.nodes has refused it
        return pinned(machine, pins.of(self.name, node))

    def _name_nodes(self) -> None:
        """Names that outlive the instances."""
        recorded = node_names.nodes_with_record(self._environment, self.name)
        addresses = {
            name: self.cluster.nodes[name].address or self._nodes[name].private_address
            for name in recorded
        }
        if recorded:
            NodeNames(
                self,
                "Names",
                zone_name=node_names.zone_name(self._environment, self.name),
                network=self.cluster.network,
                vpc=self._network.vpc,
                region=self.cluster.region,
                addresses=addresses,
            )

    def _set_up_nodes(self, pins: Pins, archive: str, *, balancer: str) -> str:
        """What the nodes shall be, and what brings them there at first boot and later.

        Gives the name of their document.
        """
        program = ProgramAsset(self, "Program", archive=archive)
        # From 8.0 on clients need no second connection, and JMX stubs carry the node's own name.
        rmi_host = balancer if version_ports(self._environment).auxiliary else ""
        for name, node in self._nodes.items():
            NodeState(
                self,
                f"state-{name}",
                environment=self._environment,
                cluster=self.name,
                name=name,
                node=node,
                instance_type=self._machine(name, pins).type,
                rmi_host=rmi_host,
                program=program,
            )
        document = NodeDocument(self, "Operations").name
        self._output(names.NODE_DOCUMENT, document)
        return document

    def _let_operators_in(self, document: str | None) -> None:
        """What people may do who change nodes and HAProxies."""
        policy = NodeOperatorPolicy(
            self,
            "NodeOperators",
            environment=self._environment.name,
            cluster=self.name,
            document=document,
            haproxy=[self._haproxy.document, self._haproxy.rotation] if self._haproxy else [],
            existing=self._existing(),
        )
        self._output(names.NODE_OPERATOR_POLICY_ARN, policy.arn)

    def _let_solution_manager_in(self) -> None:
        """What its scripts may do to the balancer, beside reaching the nodes."""
        policy = SolutionManagerPolicy(
            self,
            "SolutionManager",
            environment=self._environment.name,
            cluster=self.name,
            haproxy=[self._haproxy.rotation] if self._haproxy else [],
            existing=self._existing(),
        )
        self._output(names.SOLUTION_MANAGER_POLICY_ARN, policy.arn)

    def _existing(self) -> list[str]:
        """The instances that existed before."""
        nodes = sorted(self.cluster.nodes.items())
        return [node.instance_id for _, node in nodes if node.instance_id]

    def _instance_id(self, node: str) -> str:
        """Id of a node's instance, made here or existing already."""
        given = self.cluster.nodes[node].instance_id
        return given if given is not None else self._nodes[node].instance_id

    def _balanced(self) -> str:
        """Put a balancer in front of the nodes; gives its name."""
        proxied = self.cluster.balancer.kind == "haproxy"
        balancer = self._proxied() if proxied else self._direct()
        host = balancer.nlb.load_balancer_dns_name
        self._output(names.BALANCER_DNS_NAME, host)
        self._output(
            names.BALANCER_HOSTED_ZONE_ID, balancer.nlb.load_balancer_canonical_hosted_zone_id
        )
        if len(self._nodes) < len(self.cluster.nodes):
            # Who owns the instances lets these groups in.
            output = (
                names.HAPROXY_SECURITY_GROUP_ID if proxied else names.BALANCER_SECURITY_GROUP_ID
            )
            group = self._groups["haproxy" if proxied else "balancer"]
            self._output(output, group.security_group_id)
            if self._behind:
                self._output(names.ALB_SECURITY_GROUP_ID, self._groups["alb"].security_group_id)
        if failover_plan.health_checks(self._environment).get(self.name) == "alarm":
            self._watch(balancer)
        return host

    def _direct(self) -> NodeBalancer:
        """A balancer whose targets are the nodes."""
        return NodeBalancer(
            self,
            "Balancer",
            name=self.name,
            balancer=self.cluster.balancer,
            listeners=listeners(self._environment, self.cluster),
            vpc=self._network.vpc,
            subnets=self._network.balancer_subnets,
            security_group=self._groups["balancer"],
            instance_ids={name: self._instance_id(name) for name in self.cluster.nodes},
            alb_group=self._groups["alb"] if self._behind else None,
            alb_idle_timeout=(
                cookie_balancer.idle_timeout(self._environment, self.cluster)
                if self._behind
                else None
            ),
        )

    def _proxied(self) -> HaproxyBalancer:
        """A balancer whose targets are HAProxies, which go on to the nodes."""
        made = self._haproxy = make_haproxy_layer(
            self,
            environment=self._environment,
            name=self.name,
            network=self._network,
            groups=self._groups,
            program=self._proxy_program,
        )
        self._output(names.HAPROXY_DOCUMENT, made.document)
        self._output(names.HAPROXY_ROTATION_DOCUMENT, made.rotation)
        self._output(names.HAPROXY_FLEET, made.fleet)
        return made.balancer

    def _bare(self, *, public: bool) -> str:
        """Let clients connect to the only node; gives its address."""
        (node,) = self._nodes.values()
        address = node.private_address
        if public:
            address = FixedAddress(self, "Address", instance_id=node.instance_id).address
        self._output(names.NODE_ADDRESS, address)
        return address

    def _watch(self, balancer: NodeBalancer | HaproxyBalancer) -> None:
        """Alarms and their checks, which hang on the balancer and so are in its stack."""
        failover = self._environment.failover
        assert failover is not None  # there is a check
        jdbc = self._environment.services["jdbc"]
        group: list[object] = [jdbc.target_port, jdbc.tls is not None]
        if self.cluster.balancer.kind == "haproxy":
            group = ["haproxy", jdbc.port]
        watch = AlarmHealthChecks(
            self,
            "Health",
            nlb=balancer.nlb,
            group=balancer.groups["jdbc"],
            region=self.cluster.region,
            minutes=failover.threshold or failover_plan.ALARM_THRESHOLD_DEFAULT,
            balancer_replaced_with=self.replaced_with,
            replaced_with=[*self.replaced_with, *group],
        )
        self._output(names.HEALTH_CHECK_ID, watch.check.health_check_id)
        self._output(names.ALIVE_CHECK_ID, watch.alive.health_check_id)

    def _say_where(self, host: str) -> None:
        """What people need to know."""
        services = self._environment.services
        if "jdbc" in services:
            url = JDBC_URLS[self._environment.denodo.version]
            self._output(names.JDBC_URL, url.format(host=host, port=services["jdbc"].port))
        if "odbc" in services:
            self._output(names.ODBC_ENDPOINT, f"{host}:{services['odbc'].port}")
        if "web" in services:
            scheme = "https" if self._speaks_https("web") else "http"
            self._output(names.WEB_URL, f"{scheme}://{host}:{services['web'].port}/")
        for name in sorted(self.cluster.nodes):
            self._output(names.node_id_output(name), self._instance_id(name))
        for name in node_names.nodes_with_record(self._environment, self.name):
            host = node_names.host_name(self._environment, self.name, name)
            self._output(names.node_name_output(name), host)
        # Outputs have letters and digits only, and names of nodes may have more.
        told = {
            names.NODES_METADATA: {
                names.node_id_output(name): name for name in sorted(self.cluster.nodes)
            }
        }
        zones = zones_of_existing_resources(self.cluster)
        if zones:
            told[names.ZONES_METADATA] = zones
        self.template_options.metadata = {names.METADATA: told}

    def _speaks_https(self, name: str) -> bool:
        """Whether clients reach a service by HTTPS."""
        service = self._environment.services[name]
        if self.cluster.balancer.kind == "haproxy":
            return routes.speaks_https(self.cluster, name, service)
        return service.tls is not None

    def _output(self, name: str, value: str) -> None:
        self.outputs[name] = CfnOutput(self, name, value=value)
