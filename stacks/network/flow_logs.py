"""Flow logs of a created VPC: accepted and rejected connections, in CloudWatch Logs."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.library_values import service_principal


class FlowLogs(Construct):
    """Flow log of a VPC, its log group, and the role that writes the log.

    The log group is kept when the stack is deleted, since the log shows what happened before
    the deletion. The events in the log group expire. The role can be used by VPC Flow Logs only,
    and can write to this log group only.
    """

    def __init__(self, scope: Construct, id_: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(scope, id_)
        group = logs.LogGroup(
            self,
            "Group",
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        ec2.FlowLog(
            self,
            "Log",
            resource_type=ec2.FlowLogResourceType.from_vpc(vpc),
            traffic_type=ec2.FlowLogTrafficType.ALL,
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                group,
                iam.Role(self, "Role", assumed_by=service_principal("vpc-flow-logs.amazonaws.com")),
            ),
        )
