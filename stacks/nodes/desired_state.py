"""The desired state of a node, and the first boot that is waited for until it is reached."""

from aws_cdk import CfnCreationPolicy, CfnResourceSignal, Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived.node_state import Deployed, desired_state, node_secrets
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import NODE_TAG
from stacks.nodes.node import Node
from stacks.nodes.program_asset import ProgramAsset


class NodeState(Construct):
    """The parameter that a node reads, and what its role needs to come up by it.

    The parameter comes before the instance, and so may depend on the balancer, not on instances.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        cluster: str,
        name: str,
        node: Node,
        instance_type: str,
        rmi_host: str,
        program: ProgramAsset,
    ) -> None:
        """Make the parameter.

        Args:
            scope: parent.
            id_: id.
            environment: the configuration.
            cluster: the cluster's name.
            name: the node's name.
            node: the node.
            instance_type: what it runs.
            rmi_host: the name that its servers hand to clients; empty: its own.
            program: what it fetches.
        """
        super().__init__(scope, id_)
        stack = Stack.of(self)
        resource = node.instance.node.default_child
        assert isinstance(resource, ec2.CfnInstance)  # so the library makes it
        deployed = Deployed(
            rmi_host=rmi_host,
            stack=stack.stack_name,
            resource=stack.get_logical_id(resource),
            program=program.address,
        )
        state = desired_state(
            environment, cluster, name, instance_type=instance_type, deployed=deployed
        )
        self._parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=names.node_parameter(environment.name, cluster, name),
            description=f"Desired state of the Denodo node {name} of {cluster}",
            string_value=stack.to_json_string(state),
            tier=ssm.ParameterTier.INTELLIGENT_TIERING,
        )
        Tags.of(self).add(NODE_TAG, name)
        self._permit(node.role, stack, program, node_secrets(environment, cluster))
        self._permit_import(node.role, stack, environment)
        self._wait(resource, environment.denodo.start_limit)

    def _permit(
        self, role: iam.Role, stack: Stack, program: ProgramAsset, arns: tuple[str, ...]
    ) -> None:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ssm:GetParameter"], resources=[self._parameter.parameter_arn]
            )
        )
        role.add_to_policy(program.statement)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudformation:SignalResource"],
                resources=[stack.stack_id],
            )
        )
        if arns:
            role.add_to_policy(
                iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[*arns])
            )

    def _permit_import(self, role: iam.Role, stack: Stack, environment: Environment) -> None:
        uri = environment.denodo.metadata.uri
        if uri:
            place = uri.removeprefix("s3://")
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["s3:GetObject"], resources=[f"arn:{stack.partition}:s3:::{place}"]
                )
            )

    def _wait(self, instance: ec2.CfnInstance, seconds: int) -> None:
        """Count the node as created when it says so itself."""
        instance.cfn_options.creation_policy = CfnCreationPolicy(
            resource_signal=CfnResourceSignal(count=1, timeout=f"PT{seconds}S")
        )
        instance.node.add_dependency(self._parameter)
