"""Stack of an environment's dashboard, and the clusters' outputs that the dashboard needs."""

from collections.abc import Callable, Iterator, Mapping

from aws_cdk import CfnOutput, Fn, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived import alarms, failover_plan, node_metadata
from denodo_ha.environment.derived.dashboard import (
    ClusterMetrics,
    FailoverMetrics,
    GroupMetrics,
    dashboard_body,
)
from denodo_ha.environment.model.environment import Environment
from stacks.alarms.cluster_alarms import NLB_METRICS, WatchedGroup
from stacks.cluster_stack import ClusterStack
from stacks.environment_stack import EnvironmentStack
from stacks.failover_stack import FailoverStack


class DashboardStack(EnvironmentStack):
    """Dashboard of an environment, with the clusters in the failover's account.

    Without failover, the account and region are those of the first cluster. References to other
    stacks are weak, so that each stack can be removed alone. The dashboard has a fixed name, by
    which operators open the dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        clusters: Mapping[str, ClusterStack],
        failover: FailoverStack | None,
    ) -> None:
        home: EnvironmentStack = failover or next(iter(clusters.values()))
        super().__init__(
            scope,
            id_,
            environment=environment,
            account=home.account,
            region=home.region,
            description=f"Dashboard of the Denodo environment {environment.name}",
            accepted_findings=(),
        )
        self._environment = environment
        shown = {
            name: stack for name, stack in clusters.items() if stack.cluster.account == home.account
        }
        body = dashboard_body(
            environment,
            {name: self._cluster(name, stack) for name, stack in shown.items()},
            self._failover(failover) if failover is not None else None,
        )
        cloudwatch.CfnDashboard(
            self, "Dashboard", dashboard_name=id_, dashboard_body=self.to_json_string(body)
        )

    def _cluster(self, name: str, stack: ClusterStack) -> ClusterMetrics:
        value = self._exporter(stack)
        groups = {
            group.id.removeprefix(_SERVICE): GroupMetrics(
                group.namespace,
                {
                    key: value(_dimension_output(group, key), dimension)
                    for key, dimension in group.dimensions.items()
                },
            )
            for group in stack.watched_groups
            if not group.is_auxiliary
        }
        balancer = stack.load_balancer_name
        outputs = stack.outputs
        return ClusterMetrics(
            region=stack.region,
            load_balancer=value(_BALANCER, balancer) if balancer is not None else None,
            groups=groups,
            instances={
                node: value(names.node_id_output(node)) for node in sorted(stack.cluster.nodes)
            },
            fleet=value(names.HAPROXY_FLEET) if names.HAPROXY_FLEET in outputs else None,
            alarms=[value(output, arn) for output, arn in _alarms(stack)],
            database=self._database(name, stack),
        )

    def _exporter(self, stack: EnvironmentStack) -> Callable[..., str]:
        """Return a function that returns a weak reference to an output of a stack.

        If the function is called with a value, the function creates the output with this value,
        unless the output exists.
        """
        self.add_stack_dependency(stack, "the dashboard needs outputs of the cluster")
        created: set[str] = set()

        def value(output: str, exported: str | None = None) -> str:
            if exported is not None and output not in created:
                created.add(output)
                CfnOutput(stack, output, value=exported)
            return Fn.get_stack_output(stack.stack_name, output, stack.region)

        return value

    def _database(self, name: str, stack: ClusterStack) -> str | None:
        """Return the identifier of the cluster's database; None without a created database."""
        if not node_metadata.creates_database(stack.cluster):
            return None
        catalog = names.catalog_stack(self._environment.name, name)
        host = Fn.get_stack_output(catalog, names.CATALOG_HOST, stack.cluster.region)
        return Fn.select(0, Fn.split(".", host))

    def _failover(self, stack: FailoverStack) -> FailoverMetrics:
        value = self._exporter(stack)
        failover = self._environment.failover
        assert failover is not None  # the stack exists only with failover
        clusters = {"Primary": failover.primary, "Secondary": failover.secondary}
        has_metrics = node_metadata.partition(stack.region) == "aws"
        return FailoverMetrics(
            region=stack.region,
            namespace=failover_plan.switch_namespace(failover),
            checks={
                clusters[role]: value(names.CHECK_ID_OF_ROLE[role])
                for role in alarms.checked_roles(self._environment)
                if has_metrics
            },
            alarms=[value(output, arn) for output, arn in _alarms(stack)],
        )


_SERVICE = "service-"
_BALANCER = "DashboardBalancer"
"""Name of the output that contains the Network Load Balancer's name in CloudWatch metrics."""


def _dimension_output(group: WatchedGroup, key: str) -> str:
    """Return the name of the output that contains a dimension of a target group's metrics."""
    if group.namespace == NLB_METRICS and key == "LoadBalancer":
        return _BALANCER
    return f"Dashboard{key}{names.alphanumeric(group.id.title())}"


def _alarms(stack: Stack) -> Iterator[tuple[str, str]]:
    """Yield the name of an output, and the ARN for it, for each composite alarm of a stack."""
    for construct in stack.node.find_all():
        if isinstance(construct, cloudwatch.CfnCompositeAlarm):
            _, path = construct.node.path.split("/", 1)
            yield f"Dashboard{names.alphanumeric(path)}", construct.attr_arn
