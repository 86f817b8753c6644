"""What a cluster's HAProxies shall be: a parameter, which names the file and the certificates."""

from aws_cdk import Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.haproxy.config_file import Host, render_config, temporary_file
from denodo_ha.environment.haproxy.systemd_unit import render_drop_in
from denodo_ha.environment.model.environment import Environment
from stacks.haproxy.instances import HaproxyInstances
from stacks.nodes.program_asset import ProgramAsset

HOST = Host(behind_proxy=True)
"""HAProxy's host as our stacks make it."""


class HaproxyState(Construct):
    """The parameter that the HAProxies read, and what their role needs to follow it.

    The file is an object of the bucket that the CDK publishes to, named by its content: it may be
    longer than a parameter. Another file changes the parameter, and no instance: HAProxy takes it
    when an operator says so (`denodo-ha haproxy apply`), validated and without a lost connection.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        cluster: str,
        proxies: HaproxyInstances,
        program: ProgramAsset,
    ) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        settings = environment.clusters[cluster].balancer.proxy
        file = self._file(render_config(environment, cluster, HOST))
        resource = proxies.fleet.node.default_child
        assert isinstance(resource, autoscaling.CfnAutoScalingGroup)  # so the library makes it
        # Passed through, the nodes end TLS, and HAProxy needs no certificate.
        tls = settings.tls if settings.tls and settings.tls.mode != "passthrough" else None
        state = {
            "program": program.address,
            "file": file.s3_object_url,
            "drop_in": render_drop_in(settings, HOST),
            "certificate": tls.certificate if tls else None,
            "authority": tls.authority if tls and tls.mode == "reencrypt" else None,
            "health_port": settings.health_port,
            "signal": {"stack": stack.stack_name, "resource": stack.get_logical_id(resource)},
        }
        parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=names.haproxy_parameter(environment.name, cluster),
            description=f"What the HAProxies of {cluster} shall be",
            string_value=stack.to_json_string(state),
        )
        permit = proxies.role.add_to_policy
        permit(_allow("ssm:GetParameter", parameter.parameter_arn))
        permit(program.statement)
        permit(_allow("s3:GetObject", f"{file.bucket.bucket_arn}/{file.s3_object_key}"))
        permit(_allow("cloudformation:SignalResource", stack.stack_id))
        secrets = [str(state[key]) for key in ("certificate", "authority") if state[key]]
        if secrets:
            permit(_allow("secretsmanager:GetSecretValue", *secrets))
        proxies.fleet.node.add_dependency(parameter)

    def _file(self, content: str) -> assets.Asset:
        with temporary_file(content) as path:
            # Copied into the assembly at once.
            return assets.Asset(self, "File", path=path)


def _allow(action: str, *resources: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=[action], resources=[*resources])
