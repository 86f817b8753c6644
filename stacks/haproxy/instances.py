"""The machines that HAProxy runs on."""

import math
from collections.abc import Iterable, Mapping

from aws_cdk import Duration, Tags
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_kms as kms
from constructs import Construct

from denodo_ha.environment.facts.limits import PROXY_START_LIMIT_S
from denodo_ha.environment.model.haproxy import HaproxyInstance
from denodo_ha.environment.names import BALANCER_TAG, METADATA
from stacks.access.machine_permissions import make_machine_role
from stacks.nodes.first_boot import HAPROXY, first_boot_user_data

_QUIET = (
    autoscaling.ScalingProcess.HEALTH_CHECK,
    autoscaling.ScalingProcess.REPLACE_UNHEALTHY,
    autoscaling.ScalingProcess.AZ_REBALANCE,
    autoscaling.ScalingProcess.ALARM_NOTIFICATION,
    autoscaling.ScalingProcess.SCHEDULED_ACTIONS,
)
"""What must not come in between while instances are replaced (AWS, UpdatePolicy attribute)."""


class HaproxyInstances(Construct):
    """An Auto Scaling group of HAProxies over the cluster's zones.

    Another image or type replaces them one at a time: a new one comes first, and says that it
    serves before an old one goes. Their file changes without any of that (`haproxy.desired_state`).

    Its health is EC2's and not the balancer's: the balancer finds HAProxy unhealthy while no node
    is usable, and new HAProxies would not bring the nodes back.

    Attributes:
        fleet: the Auto Scaling group.
        role: role of the instances.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        machine: HaproxyInstance,
        label: str,
        vpc: ec2.IVpc,
        subnets: Iterable[ec2.ISubnet],
        region: str,
        security_group: ec2.ISecurityGroup,
        groups: Iterable[elbv2.NetworkTargetGroup],
        parameter: str,
        serves: Mapping[str, object],
    ) -> None:
        """Make the group.

        Args:
            scope: parent.
            id_: id.
            machine: what they are.
            label: what the EC2 console shows.
            vpc: where they are.
            subnets: where they are, with a way to AWS.
            region: where they are.
            security_group: their group.
            groups: the groups that they are targets of.
            parameter: name of the parameter with what they shall be.
            serves: what is behind them, for whoever reads the template.
        """
        super().__init__(scope, id_)
        self.role = make_machine_role(self, machine.role_policies)
        subnets = [*subnets]
        self.fleet = autoscaling.AutoScalingGroup(
            self,
            "Fleet",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=subnets),
            launch_template=self._template(machine, region, security_group, parameter),
            min_capacity=machine.count,
            # Said too, so that a smaller count takes effect.
            desired_capacity=machine.count,
            # Room for the new one that comes before an old one goes.
            max_capacity=machine.count + 1,
            min_healthy_percentage=100,
            max_healthy_percentage=math.ceil(100 * (machine.count + 1) / machine.count),
            signals=autoscaling.Signals.wait_for_count(
                machine.count, timeout=Duration.seconds(PROXY_START_LIMIT_S)
            ),
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                max_batch_size=1,
                min_instances_in_service=machine.count,
                min_success_percentage=100,
                pause_time=Duration.seconds(PROXY_START_LIMIT_S),
                wait_on_resource_signals=True,
                suspend_processes=[*_QUIET],
            ),
        )
        # L1: the L2 would open the instances' group by rules of its own.
        resource = self.fleet.node.default_child
        assert isinstance(resource, autoscaling.CfnAutoScalingGroup)  # so the library makes it
        resource.add_metadata(METADATA, dict(serves))
        resource.target_group_arns = [group.target_group_arn for group in groups]
        # First boot needs its rights and the way out, and CloudFormation knows of no such need.
        self.fleet.node.add_dependency(self.role)
        for subnet in subnets:
            self.fleet.node.add_dependency(subnet.internet_connectivity_established)
        Tags.of(self).add("Name", label)
        Tags.of(self).add(BALANCER_TAG, "haproxy")

    def _template(
        self,
        machine: HaproxyInstance,
        region: str,
        security_group: ec2.ISecurityGroup,
        parameter: str,
    ) -> ec2.LaunchTemplate:
        """What an instance is: pinned image, encrypted gp3 disk, IMDSv2."""
        key = kms.Key.from_key_arn(self, "Key", machine.kms_key) if machine.kms_key else None
        return ec2.LaunchTemplate(
            self,
            "Template",
            instance_type=ec2.InstanceType(machine.type),
            machine_image=ec2.MachineImage.generic_linux({region: machine.image}),
            role=self.role,
            security_group=security_group,
            http_tokens=ec2.LaunchTemplateHttpTokens.REQUIRED,
            block_devices=[
                ec2.BlockDevice(
                    device_name=machine.root_device,
                    volume=ec2.BlockDeviceVolume.ebs(
                        machine.disk_gib,
                        encrypted=True,
                        kms_key=key,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                    ),
                )
            ],
            user_data=first_boot_user_data(parameter=parameter, region=region, kind=HAPROXY),
        )
