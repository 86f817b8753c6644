"""IAM policy for operators who change the nodes of a cluster."""

from collections.abc import Iterable, Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.access.cluster_grants import ClusterGrants, write_history

_READS = (
    "ec2:DescribeInstances",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetHealth",
    "ssm:GetCommandInvocation",
)


class NodeOperatorPolicy(Construct):
    """Managed policy for operators who run `denodo-ha roll`, not attached to any principal.

    On nodes, the policy allows only the cluster's own SSM document. With HAProxy, the
    policy allows HAProxy's documents on HAProxy instances, and no change of target groups, because
    the targets are HAProxy instances and not nodes. The policy allows snapshots of the cluster's
    volumes, for `denodo-ha rollout --snapshot`. The policy does not allow deployments:
    `denodo-ha rollout` also needs the permissions of `cdk deploy`.

    Attributes:
        arn: ARN of the policy.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: str,
        cluster: str,
        node_document: str | None,
        haproxy_documents: Sequence[str] = (),
        existing_instance_ids: Sequence[str],
        history_buckets: Sequence[str] = (),
        has_alarms: bool = False,
        shifted_balancer: str | None = None,
        more: Iterable[iam.PolicyStatement] = (),
    ) -> None:
        """Create the policy.

        Args:
            scope: parent.
            id_: id.
            environment: name of the environment.
            cluster: name of the cluster.
            node_document: name of the nodes' SSM document; None if nodes have no program.
            haproxy_documents: names of HAProxy's SSM documents; empty without HAProxy.
            shifted_balancer: ARN of the load balancer; None without zonal shift.
            existing_instance_ids: ids of existing instances, which lack the cluster's tags.
            more: further statements, which the caller adds for parts that not every cluster has.
            history_buckets: names of the buckets in which commands leave their history.
            has_alarms: whether the cluster has alarms, which commands silence.
        """
        super().__init__(scope, id_)
        grants = ClusterGrants(Stack.of(self), environment, cluster)
        statements: list[iam.PolicyStatement] = []
        if node_document is not None:
            statements += [
                grants.send_documents("RunTheDocument", [node_document]),
                grants.send_to_instances("OnTheNodes"),
            ]
        if haproxy_documents:
            statements += grants.send_to_haproxy(haproxy_documents)
        else:
            statements.append(_change_targets(grants))
        if shifted_balancer is not None:
            statements += _shift_zones(grants, shifted_balancer)
        statements.append(grants.write_drain_tag())
        reads: Sequence[str] = _READS
        if node_document is not None:
            statements += _create_snapshots(grants)
            reads = (*_READS, "ec2:DescribeSnapshots")
            statements.append(
                iam.PolicyStatement(
                    sid="SeeDesiredStates",
                    actions=["ssm:GetParameter"],
                    resources=[grants.parameter_arn("*")],
                )
            )
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            # Changing the description replaces the policy and detaches it from all principals.
            description="Change the nodes of a Denodo cluster, one at a time",
            statements=[
                *statements,
                grants.hold_lock(read=node_document is None, pause=True),
                *grants.silence_alarms(has_alarms=has_alarms),
                *grants.read_state(reads),
                *grants.write_drain_tag_of_existing(existing_instance_ids),
                *more,
                *write_history(grants.stack.partition, history_buckets),
            ],
        )
        self.arn = policy.managed_policy_arn


def _create_snapshots(grants: ClusterGrants) -> list[iam.PolicyStatement]:
    """Allow snapshots of volumes with the cluster's tags; the snapshots must get the same tags."""
    requested = grants.tag_conditions("aws:RequestTag")
    # ARNs of snapshots have no account (AWS, Service Authorization Reference, Amazon EC2).
    snapshots = grants.stack.format_arn(
        service="ec2", account="", resource="snapshot", resource_name="*"
    )
    return [
        iam.PolicyStatement(
            sid="ReadVolumes",
            actions=["ec2:CreateSnapshot"],
            resources=[grants.arn("ec2", "volume", "*")],
            conditions={"StringEquals": grants.tag_conditions("aws:ResourceTag")},
        ),
        iam.PolicyStatement(
            sid="CreateSnapshots",
            actions=["ec2:CreateSnapshot"],
            resources=[snapshots],
            conditions={"StringEquals": requested},
        ),
        iam.PolicyStatement(
            sid="TagNewSnapshots",
            actions=["ec2:CreateTags"],
            resources=[snapshots],
            conditions={"StringEquals": {"ec2:CreateAction": "CreateSnapshot", **requested}},
        ),
    ]


def _shift_zones(grants: ClusterGrants, balancer: str) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="ShiftZones",
            actions=[
                "arc-zonal-shift:CancelZonalShift",
                "arc-zonal-shift:StartZonalShift",
                "arc-zonal-shift:UpdateZonalShift",
            ],
            resources=[balancer],
        ),
        iam.PolicyStatement(
            sid="SeeZones",
            actions=[
                "arc-zonal-shift:ListZonalShifts",
                "ec2:DescribeAvailabilityZones",
                "elasticloadbalancing:DescribeLoadBalancerAttributes",
            ],
            resources=["*"],
            conditions={"StringEquals": {"aws:RequestedRegion": grants.stack.region}},
        ),
    ]


def _change_targets(grants: ClusterGrants) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="TakeOutAndBringBack",
        actions=[
            "elasticloadbalancing:DeregisterTargets",
            "elasticloadbalancing:RegisterTargets",
        ],
        resources=[grants.arn("elasticloadbalancing", "targetgroup", "*/*")],
        conditions={"StringEquals": grants.tag_conditions("aws:ResourceTag")},
    )
