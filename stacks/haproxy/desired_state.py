"""Desired state of HAProxy: an SSM parameter with the addresses of configuration and secrets."""

import hashlib

from aws_cdk import Stack
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived.node_alarms import haproxy_metrics
from denodo_ha.environment.haproxy.config_file import Host, render_config, temporary_file
from denodo_ha.environment.haproxy.systemd_unit import render_drop_in
from denodo_ha.environment.model.environment import Environment
from stacks.access.machine_permissions import allow, allow_metrics
from stacks.file_asset import FileAsset, LocalFile
from stacks.haproxy.instances import HaproxyInstances
from stacks.log_group import INSTANCES, LogGroup

HOST = Host(behind_proxy=True, tool=None)
"""Machine that HAProxy runs on in AWS, for rendering the configuration file."""


class HaproxyState(Construct):
    """SSM parameter with the desired state, and the permissions that instances need for it.

    HAProxy's configuration file can be too long for a parameter, so the file is an object in the
    CDK's bucket, named by its SHA-256. A changed file changes the parameter but no instance. An
    operator applies the file with `denodo-ha haproxy apply`, which validates the file and does not
    interrupt connections.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        cluster: str,
        instances: HaproxyInstances,
        program: FileAsset,
        log_group: LogGroup | None,
    ) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        settings = environment.clusters[cluster].balancer.proxy
        file = self._publish(render_config(environment, cluster, HOST))
        resource = instances.fleet.node.default_child
        assert isinstance(resource, autoscaling.CfnAutoScalingGroup)  # created by the L2 construct
        # With passthrough the nodes terminate TLS, and HAProxy needs no certificate.
        tls = settings.tls if settings.tls and settings.tls.mode != "passthrough" else None
        certificate = tls.certificate if tls else None
        authority = tls.authority if tls and tls.mode == "reencrypt" else None
        state: dict[str, object] = {
            "program": program.address,
            "file": file.address,
            "drop_in": render_drop_in(settings, HOST),
            "certificate": certificate,
            "authority": authority,
            "health_port": settings.health_port,
            **({"logs": {"group": log_group.name}} if log_group else {}),
            "signal": {"stack": stack.stack_name, "resource": stack.get_logical_id(resource)},
        }
        metrics = haproxy_metrics(environment, cluster)
        if metrics:
            # Without metrics, the keys are left out, so that the parameters of clusters without
            # metrics did not change when these keys were added.
            state |= {"metrics": metrics, "cluster": cluster}
        parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=names.haproxy_parameter(environment.name, cluster),
            description=f"What the HAProxies of {cluster} shall be",
            string_value=stack.to_json_string(state),
        )
        secrets = [secret for secret in (certificate, authority) if secret]
        for statement in (
            allow("ssm:GetParameter", parameter.parameter_arn),
            program.statement,
            file.statement,
            allow("cloudformation:SignalResource", stack.stack_id),
            *([allow("secretsmanager:GetSecretValue", *secrets)] if secrets else []),
            *([allow_metrics(metrics)] if metrics else []),
            *(log_group.write_statements(INSTANCES) if log_group else ()),
        ):
            instances.role.add_to_policy(statement)
        instances.fleet.node.add_dependency(parameter)

    def _publish(self, content: str) -> FileAsset:
        """Publish HAProxy's configuration; the CDK copies the temporary file before deletion."""
        with temporary_file(content) as path:
            sha256 = hashlib.sha256(content.encode()).hexdigest()
            return FileAsset(self, "File", file=LocalFile(path, sha256))
