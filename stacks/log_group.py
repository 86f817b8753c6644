"""Log group of a cluster, to which the cluster's machines send their logs."""

from aws_cdk import CfnDeletionPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from denodo_ha.environment import names
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.logs import Logs

INSTANCES = "i-*"
"""Pattern of the first part of the names of HAProxy instances' log streams: the instance id."""


class LogGroup:
    """Log group that is kept when the stack is deleted, or when its creation fails.

    The logs of a machine are needed most when the machine is gone, for example after a deployment
    that CloudFormation has rolled back. The group has a generated name, so that a stack of the same
    name can be created again. The events in the log group expire.

    Attributes:
        name: name of the group.
    """

    def __init__(self, stack: Stack, *, settings: Logs, region: str) -> None:
        group = logs.CfnLogGroup(
            stack,
            names.LOG_GROUP,
            retention_in_days=settings.retention_days,
            kms_key_id=(settings.kms_key or {}).get(region),
        )
        group.cfn_options.deletion_policy = CfnDeletionPolicy.RETAIN
        group.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
        self.name = group.ref
        self._groups = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:"
        self._arn = f"{self._groups}{self.name}"

    def write_statements(self, machine: str) -> list[iam.PolicyStatement]:
        """Return the statements that let a machine write its own streams.

        Args:
            machine: first part of the names of the streams, which may contain wildcards.
        """
        return [
            # The resource of this action is the log group (AWS, Service Authorization Reference,
            # Amazon CloudWatch Logs).
            iam.PolicyStatement(actions=["logs:CreateLogStream"], resources=[f"{self._arn}:*"]),
            iam.PolicyStatement(
                actions=["logs:PutLogEvents"],
                resources=[f"{self._arn}:log-stream:{machine}/*"],
            ),
        ]

    def read_statements(self) -> list[iam.PolicyStatement]:
        """Return the statements for `denodo-ha logs`."""
        return [
            iam.PolicyStatement(
                sid="ReadLogs",
                actions=["logs:DescribeLogStreams", "logs:FilterLogEvents"],
                resources=[f"{self._arn}:*"],
            ),
            iam.PolicyStatement(
                sid="FindLogGroups",
                actions=["logs:DescribeLogGroups"],
                resources=[f"{self._groups}*"],
            ),
        ]


def create_log_group(stack: Stack, environment: Environment, region: str) -> LogGroup | None:
    """Create the log group of a cluster, if the configuration has logs."""
    settings = environment.logs
    return LogGroup(stack, settings=settings, region=region) if settings is not None else None
