"""Stack of one cluster: network, security groups, nodes and, if configured, load balancer."""

from collections.abc import Sequence

from aws_cdk import CfnOutput
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import (
    cookie_balancer,
    failover_plan,
    node_metadata,
    node_names,
)
from denodo_ha.environment.derived.firewall import firewall
from denodo_ha.environment.derived.topology import listeners
from denodo_ha.environment.model.cluster import Instance
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.pins import (
    NEWEST_FIRST_BOOT,
    Pins,
    configured_machine,
    pinned_machine,
)
from denodo_ha.environment.rules import quotas
from stacks import accepted_findings, cluster_outputs
from stacks.access.machine_permissions import metadata_statements
from stacks.access.node_operators import NodeOperatorPolicy
from stacks.access.solution_manager import SolutionManagerPolicy
from stacks.alarms.cluster_alarms import WatchedGroup, create_cluster_alarms
from stacks.balancer.alarm_health_checks import create_health_checks
from stacks.balancer.node_balancer import NodeBalancer
from stacks.environment_stack import EnvironmentStack
from stacks.file_asset import LocalFile
from stacks.haproxy.haproxy_balancer import HaproxyBalancer
from stacks.haproxy.haproxy_layer import HaproxyLayer, create_haproxy_layer
from stacks.log_group import create_log_group
from stacks.network.network import Network
from stacks.network.node_names import NodeNames
from stacks.network.security_groups import SecurityGroups, group_names
from stacks.nodes.capacity import reserve_capacity
from stacks.nodes.desired_state import create_node_states
from stacks.nodes.node import FixedAddress, Node
from stacks.nodes.ssm_document import NodeDocument


class ClusterStack(EnvironmentStack):
    """Cluster behind a Network Load Balancer, with or without HAProxy, or a single node.

    Attributes:
        name: name of the cluster.
        cluster: configuration of the cluster.
        outputs: outputs of the stack by name, for the failover stack.
        has_alarms: whether the stack has alarms and the outputs with their topics.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        name: str,
        pins: Pins,
        node_program: LocalFile,
        haproxy_program: LocalFile,
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
            accepted_findings=accepted_findings.of_cluster_stack(environment, name),
            cluster=name,
        )
        self._environment, self._pins = environment, pins
        self._haproxy_program = haproxy_program
        self.has_alarms = quotas.has_alarms(environment, name)
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
        self._has_cookies = bool(cookie_balancer.alb_services(environment, self.cluster))
        self._security_groups = SecurityGroups(
            self,
            "Groups",
            vpc=self._network.vpc,
            groups=group_names(self.cluster, alb=self._has_cookies),
            sides=firewall(environment, name),
        )
        self._nodes = self._create_nodes()
        self._log_group = create_log_group(self, environment, self.cluster.region)
        reserve_capacity(self, environment, name, self._machines())
        self._haproxy: HaproxyLayer | None = None
        self._balancer: NodeBalancer | HaproxyBalancer | None = None
        host = self._create_balancer() if balanced else self._expose_single_node(public=public)
        self._grant_metadata_access()
        self._create_node_names()
        document = None
        if environment.denodo.program and self._nodes:
            document = self._create_node_states(node_program, balancer=host if balanced else "")
        if document is not None or self._haproxy is not None:
            self._create_operator_policy(document)
        if balanced and environment.solution_manager_of(name) is not None:
            self._create_solution_manager_policy()
        if self.has_alarms:
            self._create_alarms()
        self._create_outputs(host)

    @property
    def replacement_settings(self) -> list[object]:
        """Settings whose change replaces the load balancer, and so its DNS name and hosted zone."""
        network, balancer = self.cluster.network, self.cluster.balancer
        return [balancer.scheme, network.vpc or network.cidr, sorted(balancer.addresses.items())]

    @property
    def load_balancer_name(self) -> str | None:
        """Name of the load balancer in CloudWatch metrics; None without a load balancer."""
        return self._balancer.full_name if self._balancer is not None else None

    @property
    def watched_groups(self) -> Sequence[WatchedGroup]:
        """Target groups of the load balancer, with their metrics."""
        return self._balancer.watched_groups if self._balancer is not None else ()

    def _create_nodes(self) -> dict[str, Node]:
        """Create the nodes that are not existing instances. Return the created nodes by name."""
        nodes: dict[str, Node] = {}
        stack_name = names.cluster_stack(self._environment.name, self.name)
        for name, node in sorted(self.cluster.nodes.items()):
            if node.instance_id is not None:
                continue
            pin = self._pins.of(self.name, name)
            nodes[name] = Node(
                self,
                # The id has a prefix, because the CDK treats the ids Default and Resource
                # specially.
                f"node-{name}",
                name=name,
                label=f"{stack_name}-{name}",
                machine=self._machine(name),
                vpc=self._network.vpc,
                subnet=self._network.node_subnets[node.zone],
                zone=node.zone,
                region=self.cluster.region,
                security_group=self._security_groups["nodes"],
                parameter=(
                    names.node_parameter(self._environment.name, self.name, name)
                    if self._environment.denodo.program
                    else None
                ),
                first_boot=pin.first_boot if pin else NEWEST_FIRST_BOOT,
                generation=pin.generation if pin else 1,
                aws_access=self._network.aws_access,
            )
        return nodes

    def _machines(self) -> dict[str, tuple[Node, Instance]]:
        """Return the created nodes by name, each with type, image and disks of the instance."""
        return {name: (node, self._machine(name)) for name, node in self._nodes.items()}

    def _machine(self, node: str) -> Instance:
        """Return a node's instance settings: from the node's pin, else from the configuration."""
        machine = configured_machine(self.cluster.instance, self.cluster.nodes[node])
        assert machine is not None  # denodo_ha.environment.rules.nodes requires type and image
        return pinned_machine(machine, self._pins.of(self.name, node))

    def _instance_id(self, node: str) -> str:
        """Return the instance id of a node, created or existing."""
        existing = self.cluster.nodes[node].instance_id
        return existing if existing is not None else self._nodes[node].instance_id

    def _existing_instance_ids(self) -> list[str]:
        """Return the ids of the existing instances."""
        nodes = sorted(self.cluster.nodes.items())
        return [node.instance_id for _, node in nodes if node.instance_id]

    def _create_balancer(self) -> str:
        """Create the load balancer (with HAProxy if configured). Return the balancer's DNS name."""
        has_haproxy = self.cluster.balancer.kind == "haproxy"
        balancer = self._create_haproxy_layer() if has_haproxy else self._create_node_balancer()
        host = balancer.nlb.load_balancer_dns_name
        self._balancer = balancer
        self._output(names.BALANCER_DNS_NAME, host)
        self._output(
            names.BALANCER_HOSTED_ZONE_ID, balancer.nlb.load_balancer_canonical_hosted_zone_id
        )
        if len(self._nodes) < len(self.cluster.nodes):
            # The ids of the balancers' security groups are outputs, because the owner of existing
            # instances must allow traffic from these groups.
            output = (
                names.HAPROXY_SECURITY_GROUP_ID if has_haproxy else names.BALANCER_SECURITY_GROUP_ID
            )
            group = self._security_groups["haproxy" if has_haproxy else "balancer"]
            self._output(output, group.security_group_id)
            if self._has_cookies:
                self._output(
                    names.ALB_SECURITY_GROUP_ID, self._security_groups["alb"].security_group_id
                )
        if failover_plan.health_checks(self._environment).get(self.name) == "alarm":
            self._create_health_checks(balancer)
        return host

    def _create_node_balancer(self) -> NodeBalancer:
        """Create a load balancer whose targets are the nodes."""
        return NodeBalancer(
            self,
            "Balancer",
            name=self.name,
            balancer=self.cluster.balancer,
            listeners=listeners(self._environment, self.cluster),
            vpc=self._network.vpc,
            subnets=self._network.balancer_subnets,
            security_group=self._security_groups["balancer"],
            instance_ids={name: self._instance_id(name) for name in self.cluster.nodes},
            alb_group=self._security_groups["alb"] if self._has_cookies else None,
            alb_idle_timeout=(
                cookie_balancer.idle_timeout(self._environment, self.cluster)
                if self._has_cookies
                else None
            ),
        )

    def _create_haproxy_layer(self) -> HaproxyBalancer:
        """Create HAProxy instances and the load balancer in front of them."""
        layer = self._haproxy = create_haproxy_layer(
            self,
            environment=self._environment,
            name=self.name,
            network=self._network,
            security_groups=self._security_groups,
            program=self._haproxy_program,
            log_group=self._log_group,
        )
        self._output(names.HAPROXY_DOCUMENT, layer.document)
        self._output(names.HAPROXY_ROTATION_DOCUMENT, layer.rotation_document)
        self._output(names.HAPROXY_FLEET, layer.fleet)
        return layer.balancer

    def _expose_single_node(self, *, public: bool) -> str:
        """Return the address of the only node: an Elastic IP if the node is public."""
        (node,) = self._nodes.values()
        address = node.private_address
        if public:
            address = FixedAddress(self, "Address", instance_id=node.instance_id).address
        self._output(names.NODE_ADDRESS, address)
        return address

    def _create_health_checks(self, balancer: NodeBalancer | HaproxyBalancer) -> None:
        """Create alarms and Route 53 health checks of the load balancer.

        The alarms and health checks depend on the load balancer. Therefore they are in this
        stack and not in the failover stack.
        """
        checks = create_health_checks(
            self,
            environment=self._environment,
            name=self.name,
            pins=self._pins,
            nlb=balancer.nlb,
            target_group=balancer.groups["jdbc"],
            balancer_settings=self.replacement_settings,
        )
        self._output(names.HEALTH_CHECK_ID, checks.healthy_nodes.health_check_id)
        self._output(names.ALIVE_CHECK_ID, checks.alive.health_check_id)

    def _grant_metadata_access(self) -> None:
        """Allow nodes to use their metadata, and create the outputs for the metadata stack."""
        if self._environment.denodo.program:
            for name, node in self._nodes.items():
                for statement in metadata_statements(self._environment, self.name, name):
                    node.role.add_to_policy(statement)
        if not node_metadata.creates_database(self.cluster):
            return
        if self._nodes:
            self._output(
                names.NODES_SECURITY_GROUP_ID, self._security_groups["nodes"].security_group_id
            )
        if self.cluster.network.vpc is None:
            self._output(names.VPC_ID, self._network.vpc.vpc_id)
            for zone, subnet in self._network.node_subnets.items():
                self._output(names.subnet_output(zone), subnet.subnet_id)

    def _create_node_names(self) -> None:
        """Create the DNS names of nodes, which remain the same when instances are replaced."""
        addresses = {
            name: self.cluster.nodes[name].address or self._nodes[name].private_address
            for name in node_names.nodes_with_record(self._environment, self.name)
        }
        if addresses:
            NodeNames(
                self,
                "Names",
                zone_name=node_names.zone_name(self._environment, self.name),
                network=self.cluster.network,
                vpc=self._network.vpc,
                region=self.cluster.region,
                addresses=addresses,
            )

    def _create_node_states(self, archive: LocalFile, *, balancer: str) -> str:
        """Create the program, the desired states and the SSM document of the nodes.

        Return the name of the document.
        """
        pause_namespace = names.pause_namespace(self._environment.name, self.name)
        create_node_states(
            self,
            environment=self._environment,
            cluster=self.name,
            nodes=self._machines(),
            archive=archive,
            balancer=balancer,
            log_group=self._log_group,
            pause_namespace=pause_namespace if self.has_alarms else "",
        )
        document = NodeDocument(
            self,
            "Operations",
            exports=self.cluster.exports is not None,
            pause_namespace=pause_namespace if self.has_alarms else "",
        ).name
        self._output(names.NODE_DOCUMENT, document)
        return document

    def _create_operator_policy(self, node_document: str | None) -> None:
        """Create the policy for operators who change nodes and HAProxy instances."""
        layer = self._haproxy
        policy = NodeOperatorPolicy(
            self,
            "NodeOperators",
            environment=self._environment.name,
            cluster=self.name,
            node_document=node_document,
            haproxy_documents=[layer.document, layer.rotation_document] if layer else [],
            existing_instance_ids=self._existing_instance_ids(),
            history_buckets=node_metadata.history_buckets_of(self._environment, self.name),
            has_alarms=self.has_alarms,
            shifted_balancer=(
                self._balancer.nlb.load_balancer_arn
                if self._balancer is not None and self.cluster.balancer.zonal_shift
                else None
            ),
            more=self._log_group.read_statements() if self._log_group else (),
        )
        self._output(names.NODE_OPERATOR_POLICY_ARN, policy.arn)

    def _create_alarms(self) -> None:
        """Create the alarms and their topics."""
        topics = create_cluster_alarms(
            self,
            environment=self._environment,
            name=self.name,
            load_balancer=self.load_balancer_name,
            groups=self.watched_groups,
            instance_ids={name: self._instance_id(name) for name in self.cluster.nodes},
        )
        self._output(names.URGENT_TOPIC, topics.urgent)
        self._output(names.NOTICE_TOPIC, topics.notice)

    def _create_solution_manager_policy(self) -> None:
        """Create the policy for the scripts of the Solution Manager."""
        policy = SolutionManagerPolicy(
            self,
            "SolutionManager",
            environment=self._environment.name,
            cluster=self.name,
            haproxy_documents=[self._haproxy.rotation_document] if self._haproxy else [],
            existing_instance_ids=self._existing_instance_ids(),
            history_buckets=node_metadata.history_buckets_of(self._environment, self.name),
            has_alarms=self.has_alarms,
        )
        self._output(names.SOLUTION_MANAGER_POLICY_ARN, policy.arn)

    def _create_outputs(self, host: str) -> None:
        """Create the outputs with endpoints and nodes, and metadata for commands and drill."""
        instance_ids = {name: self._instance_id(name) for name in sorted(self.cluster.nodes)}
        for name, value in (
            *cluster_outputs.of_endpoints(self._environment, self.cluster, host),
            *cluster_outputs.of_nodes(self._environment, self.name, instance_ids),
        ):
            self._output(name, value)
        metadata = cluster_outputs.metadata(self._environment, self.name)
        self.template_options.metadata = {names.METADATA: metadata}

    def _output(self, name: str, value: str) -> None:
        self.outputs[name] = CfnOutput(self, name, value=value)
