"""Instances that run HAProxy, in an Auto Scaling group."""

import math
from collections.abc import Iterable, Mapping

from aws_cdk import Tags
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from denodo_ha.environment.facts.limits import HAPROXY_START_LIMIT_S
from denodo_ha.environment.model.haproxy import HaproxyInstance
from denodo_ha.environment.names import BALANCER_TAG, METADATA
from stacks.access.machine_permissions import create_machine_role
from stacks.library_values import instance_type, seconds
from stacks.nodes.first_boot import HAPROXY, first_boot_script

_SUSPENDED_PROCESSES = (
    autoscaling.ScalingProcess.HEALTH_CHECK,
    autoscaling.ScalingProcess.REPLACE_UNHEALTHY,
    autoscaling.ScalingProcess.AZ_REBALANCE,
    autoscaling.ScalingProcess.ALARM_NOTIFICATION,
    autoscaling.ScalingProcess.SCHEDULED_ACTIONS,
)
"""Processes of Auto Scaling that must not run while instances are replaced (AWS, UpdatePolicy
attribute)."""


class HaproxyInstances(Construct):
    """Auto Scaling group of HAProxy instances in the cluster's zones.

    A change of image or instance type replaces one instance at a time: a new instance must signal
    that its HAProxy is ready before an old instance is terminated. A change of the configuration
    file replaces no instance (`haproxy.desired_state`).

    The Auto Scaling group uses EC2 health checks and not those of the load balancer: HAProxy
    reports itself unhealthy while no node is usable, and replacing HAProxy instances would not
    help.

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
        target_groups: Iterable[elbv2.NetworkTargetGroup],
        parameter: str,
        routes: Mapping[str, object],
        aws_access: Iterable[IDependable] = (),
    ) -> None:
        """Create the Auto Scaling group, its launch template and its role.

        Args:
            scope: parent.
            id_: id.
            machine: image, instance type, disk and number of the instances.
            label: name of the instances in the EC2 console.
            vpc: VPC of the instances.
            subnets: subnets of the instances, with a route to the AWS APIs.
            region: region of the instances.
            security_group: security group of the instances.
            target_groups: target groups of the load balancer.
            parameter: name of the parameter with the desired state.
            routes: nodes behind each port, as metadata for the drill.
            aws_access: endpoints that the instances need before they can call AWS.
        """
        super().__init__(scope, id_)
        self.role = create_machine_role(self, machine.role_policies)
        subnets = [*subnets]
        self.fleet = autoscaling.AutoScalingGroup(
            self,
            "Fleet",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=subnets),
            launch_template=self._launch_template(machine, region, security_group, parameter),
            min_capacity=machine.count,
            # Set the desired capacity explicitly, because otherwise a decrease of `count` has no
            # effect.
            desired_capacity=machine.count,
            # Allow one instance more than `count`: a new instance starts before an old instance is
            # terminated.
            max_capacity=machine.count + 1,
            min_healthy_percentage=100,
            max_healthy_percentage=math.ceil(100 * (machine.count + 1) / machine.count),
            signals=autoscaling.Signals.wait_for_count(
                machine.count, timeout=seconds(HAPROXY_START_LIMIT_S)
            ),
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                max_batch_size=1,
                min_instances_in_service=machine.count,
                min_success_percentage=100,
                pause_time=seconds(HAPROXY_START_LIMIT_S),
                wait_on_resource_signals=True,
                suspend_processes=[*_SUSPENDED_PROCESSES],
            ),
        )
        # Set the target groups on the L1 construct: the L2 construct would add its own rules to the
        # instances' security group.
        resource = self.fleet.node.default_child
        assert isinstance(resource, autoscaling.CfnAutoScalingGroup)  # created by the L2 construct
        resource.add_metadata(METADATA, dict(routes))
        resource.target_group_arns = [group.target_group_arn for group in target_groups]
        # First boot needs the permissions and a route or endpoints to AWS; CloudFormation cannot
        # infer this dependency.
        self.fleet.node.add_dependency(self.role, *aws_access)
        for subnet in subnets:
            self.fleet.node.add_dependency(subnet.internet_connectivity_established)
        Tags.of(self).add("Name", label)
        Tags.of(self).add(BALANCER_TAG, "haproxy")

    def _launch_template(
        self,
        machine: HaproxyInstance,
        region: str,
        security_group: ec2.ISecurityGroup,
        parameter: str,
    ) -> ec2.LaunchTemplate:
        """Create the launch template: pinned image, encrypted gp3 disk, IMDSv2."""
        key = kms.Key.from_key_arn(self, "Key", machine.kms_key) if machine.kms_key else None
        return ec2.LaunchTemplate(
            self,
            "Template",
            instance_type=instance_type(machine.type),
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
            user_data=ec2.UserData.custom(
                first_boot_script(parameter=parameter, region=region, kind=HAPROXY)
            ),
        )
