"""The stack of one cluster: network, groups, nodes, balancer and what watches it."""

from aws_cdk import CfnOutput
from constructs import Construct

from config import site
from config.firewall import firewall
from config.model import Environment
from config.pins import Pins, pinned, wanted
from config.ports import JDBC_URLS
from config.topology import listeners
from stacks import naming
from stacks.balancer import Balancer
from stacks.base import EnvironmentStack
from stacks.health import MetricHealthCheck
from stacks.network import Network
from stacks.node import Node
from stacks.security import SecurityGroups


class ClusterStack(EnvironmentStack):
    """A cluster with a Network Load Balancer.

    Attributes:
        name: the cluster's name.
        balancer: its balancer.
        outputs: outputs by name, for the failover stack.
    """

    def __init__(
        self, scope: Construct, id_: str, *, environment: Environment, name: str, pins: Pins
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
        self._environment = environment
        self.network = Network(
            self,
            "Network",
            network=self.cluster.network,
            public_balancer=self.cluster.balancer.scheme == "internet-facing",
        )
        self.groups = SecurityGroups(
            self, "Groups", vpc=self.network.vpc, sides=firewall(environment, name)
        )
        self.nodes = self._nodes(pins)
        self.balancer = Balancer(
            self,
            "Balancer",
            balancer=self.cluster.balancer,
            listeners=listeners(environment, self.cluster),
            vpc=self.network.vpc,
            subnets=self.network.balancer_subnets,
            security_group=self.groups.balancer,
            instance_ids=self.nodes,
        )
        self.outputs: dict[str, CfnOutput] = {}
        self._outputs()
        if site.checks(environment).get(name) == "alarm":
            self._watch()

    @property
    def replaced_with(self) -> list[str | None]:
        """What replaces the balancer when it changes: its name and zone are then others."""
        network = self.cluster.network
        return [self.cluster.balancer.scheme, network.vpc or network.cidr]

    def _nodes(self, pins: Pins) -> dict[str, str]:
        """Instance id of every node by name."""
        parent = Construct(self, "Nodes")
        ids: dict[str, str] = {}
        for name, node in sorted(self.cluster.nodes.items()):
            machine = wanted(self.cluster.instance, node)
            assert machine is not None
            ids[name] = Node(
                parent,
                name,
                name=name,
                label=f"{self.stack_name}-{name}",
                machine=pinned(machine, pins.of(self.name, name)),
                vpc=self.network.vpc,
                subnet=self.network.node_subnets[node.zone],
                zone=node.zone,
                region=self.cluster.region,
                security_group=self.groups.nodes,
            ).instance_id
        return ids

    def _outputs(self) -> None:
        """What people and the failover stack need to know."""
        host = self.balancer.nlb.load_balancer_dns_name
        self._output(naming.BALANCER_DNS_NAME, host)
        self._output(
            naming.BALANCER_ZONE_ID, self.balancer.nlb.load_balancer_canonical_hosted_zone_id
        )
        services = self._environment.services
        if "jdbc" in services:
            url = JDBC_URLS[self._environment.denodo.version]
            self._output(naming.JDBC_URL, url.format(host=host, port=services["jdbc"].port))
        if "odbc" in services:
            self._output(naming.ODBC_ENDPOINT, f"{host}:{services['odbc'].port}")
        if "web" in services:
            self._output(naming.WEB_URL, f"http://{host}:{services['web'].port}/")
        for name, instance_id in self.nodes.items():
            self._output(naming.node_output(name), instance_id)

    def _watch(self) -> None:
        """The alarm and its check, which hang on the balancer and so are in its stack."""
        failover = self._environment.failover
        assert failover is not None
        jdbc = self._environment.services["jdbc"]
        watch = MetricHealthCheck(
            self,
            "Health",
            nlb=self.balancer.nlb,
            group=self.balancer.groups["jdbc"],
            region=self.cluster.region,
            minutes=failover.threshold or site.ALARM_THRESHOLD_DEFAULT,
            replaced_with=[*self.replaced_with, jdbc.target_port],
        )
        self._output(naming.HEALTH_CHECK_ID, watch.check.health_check_id)

    def _output(self, name: str, value: str) -> None:
        self.outputs[name] = CfnOutput(self, name, value=value)
