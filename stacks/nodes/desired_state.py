"""Desired state of a node: an SSM parameter, and the signal that this state is reached."""

from collections.abc import Iterable, Iterator, Mapping

from aws_cdk import Stack, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived.node_alarms import publishing_nodes
from denodo_ha.environment.derived.node_state import Deployed, desired_state, node_secrets
from denodo_ha.environment.derived.topology import hands_out_balancer_name
from denodo_ha.environment.model.cluster import Instance
from denodo_ha.environment.model.environment import Environment
from stacks.access.machine_permissions import allow, allow_metrics
from stacks.file_asset import FileAsset, LocalFile
from stacks.log_group import LogGroup
from stacks.nodes.node import Node


class NodeState(Construct):
    """SSM parameter with a node's desired state, and the permissions that the node needs for it.

    CloudFormation creates the parameter before the instance. Therefore the parameter can depend on
    the load balancer, but not on an instance.
    """

    def __init__(
        self,
        scope: Stack,
        id_: str,
        *,
        environment: Environment,
        cluster: str,
        name: str,
        node: Node,
        machine: Instance,
        rmi_host: str,
        scheduler_rmi_host: str,
        program: FileAsset,
        log_group: str,
        statements: Iterable[iam.PolicyStatement],
    ) -> None:
        """Create the parameter.

        Args:
            scope: stack of the cluster.
            id_: id.
            environment: the configuration.
            cluster: name of the cluster.
            name: name of the node.
            node: the node.
            machine: instance type and disks of the node.
            rmi_host: host name that the node's servers send to RMI clients; empty for the node's
                own name.
            scheduler_rmi_host: host name that the node's Scheduler sends to its clients; empty for
                the node's own name.
            program: program of the node.
            log_group: name of the cluster's log group; empty if the nodes send no logs.
            statements: permissions that all nodes of the cluster need for their desired states.
        """
        super().__init__(scope, id_)
        resource = node.resource
        deployed = Deployed(
            rmi_host=rmi_host,
            scheduler_rmi_host=scheduler_rmi_host,
            stack=names.cluster_stack(environment.name, cluster),
            resource=scope.resolve(resource.logical_id),
            program=program.address,
            log_group=log_group,
        )
        state = desired_state(environment, cluster, name, machine=machine, deployed=deployed)
        parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=names.node_parameter(environment.name, cluster, name),
            description=f"Desired state of the Denodo node {name} of {cluster}",
            string_value=scope.to_json_string(state),
            tier=ssm.ParameterTier.INTELLIGENT_TIERING,
        )
        Tags.of(self).add(names.NODE_TAG, name)
        for statement in (
            allow("ssm:GetParameter", parameter.parameter_arn),
            program.statement,
            *statements,
        ):
            node.role.add_to_policy(statement)
        # The node sends this signal once the node has reached its desired state. An override is one
        # call to the jsii process; the options of the resource need three.
        signal = {"Count": 1, "Timeout": f"PT{environment.denodo.start_limit}S"}
        resource.add_override("CreationPolicy", {"ResourceSignal": signal})
        resource.node.add_dependency(parameter)


def create_node_states(
    stack: Stack,
    *,
    environment: Environment,
    cluster: str,
    nodes: Mapping[str, tuple[Node, Instance]],
    archive: LocalFile,
    balancer: str,
    log_group: LogGroup | None,
    pause_namespace: str,
) -> None:
    """Create the node program and the desired states of the nodes.

    Args:
        stack: stack of the cluster.
        environment: the configuration.
        cluster: name of the cluster.
        nodes: each node by name, with its instance type and disks.
        archive: the archive with the node program.
        balancer: DNS name of the load balancer; empty without a load balancer.
        log_group: log group of the cluster; None without logs.
        pause_namespace: namespace of the metric that silences the alarms; empty without alarms.
    """
    program = FileAsset(stack, "Program", file=archive)
    rmi_host = balancer if hands_out_balancer_name(environment) else ""
    statements = [*_node_statements(stack, environment, cluster)]
    if pause_namespace:
        statements.append(allow_metrics(pause_namespace))
    configured = environment.clusters[cluster].nodes
    for name, (node, machine) in nodes.items():
        NodeState(
            stack,
            f"state-{name}",
            environment=environment,
            cluster=cluster,
            name=name,
            node=node,
            machine=machine,
            rmi_host=rmi_host,
            scheduler_rmi_host=balancer if configured[name].scheduler_auxiliary_port else "",
            program=program,
            log_group=log_group.name if log_group else "",
            statements=[*statements, *(log_group.write_statements(name) if log_group else ())],
        )


def _node_statements(
    stack: Stack, environment: Environment, cluster: str
) -> Iterator[iam.PolicyStatement]:
    """Yield the permissions that all nodes of a cluster need for their desired states."""
    yield allow("cloudformation:SignalResource", stack.stack_id)
    secret_arns = node_secrets(environment, cluster)
    if secret_arns:
        yield allow("secretsmanager:GetSecretValue", *secret_arns)
    if environment.denodo.metadata.uri:
        yield _allow_import(stack, environment.denodo.metadata.uri)
    if publishing_nodes(environment, cluster):
        yield allow_metrics(names.node_metrics_namespace(environment.name))


def _allow_import(stack: Stack, uri: str) -> iam.PolicyStatement:
    """Return the permission to read the S3 object from which metadata is imported."""
    path = uri.removeprefix("s3://")
    return allow("s3:GetObject", f"arn:{stack.partition}:s3:::{path}")
