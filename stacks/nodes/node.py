"""Denodo node: an EC2 instance with its own role."""

from collections.abc import Iterable

from aws_cdk import Duration, Stack, Tags
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from denodo_ha.environment.derived.node_state import DATA_DEVICE
from denodo_ha.environment.facts.instance_recovery import Recovery, recovery_of
from denodo_ha.environment.model.cluster import Instance
from denodo_ha.environment.model.pins import NEWEST_FIRST_BOOT
from denodo_ha.environment.names import NODE_TAG, instance_of_generation
from stacks.access.machine_permissions import create_machine_role
from stacks.library_values import encrypted_volume, instance_type, machine_image
from stacks.nodes.first_boot import node_script

RECOVERY_MINUTES = 2
"""Minutes for which the system status check must fail before EC2 recovers an instance, as in AWS's
example (AWS, Amazon CloudWatch User Guide, "Create alarms to stop, terminate, reboot, or recover an
EC2 instance")."""


class Node(Construct):
    """EC2 instance of a node in one zone: pinned image, encrypted gp3 disks, IMDSv2.

    Termination protection is off, because it would prevent CloudFormation from replacing the node.

    Attributes:
        instance: the instance.
        resource: the L1 construct of the instance.
        instance_id: id of the instance.
        private_address: private IPv4 address of the instance.
        role: role of the instance.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        label: str,
        machine: Instance,
        vpc: ec2.IVpc,
        subnet: ec2.ISubnet,
        zone: str,
        region: str,
        security_group: ec2.ISecurityGroup,
        parameter: str | None = None,
        first_boot: int = NEWEST_FIRST_BOOT,
        generation: int = 1,
        aws_access: Iterable[IDependable] = (),
    ) -> None:
        """Create the instance and its role.

        Args:
            scope: parent.
            id_: id.
            name: name of the node.
            label: name of the instance in the EC2 console.
            machine: image, instance type, disks and managed policies.
            vpc: VPC of the instance.
            subnet: subnet of the instance.
            zone: availability zone of the subnet.
            region: region of the image.
            security_group: security group of the instance.
            parameter: name of the parameter with the desired state; None for an instance without
                the node program.
            first_boot: version of the first-boot script.
            generation: number of the instance; another number replaces the instance alone.
            aws_access: endpoints that the instance needs before it can call AWS.
        """
        super().__init__(scope, id_)
        self.role = create_machine_role(self, machine.role_policies)
        instance = ec2.Instance(
            self,
            "Instance",
            instance_name=label,
            instance_type=instance_type(machine.type),
            machine_image=machine_image(region, machine.image),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=[subnet]),
            availability_zone=zone,
            security_group=security_group,
            role=self.role,
            # Require IMDSv2 by this property, which changes in place: the CDK's `require_imdsv2`
            # creates a launch template, whose changes would replace the node.
            http_tokens=ec2.HttpTokens.REQUIRED,
            block_devices=self._block_devices(machine),
            propagate_tags_to_volume_on_creation=True,
            key_pair=(
                ec2.KeyPair.from_key_pair_name(self, "KeyPair", machine.key)
                if machine.key
                else None
            ),
            user_data=(
                ec2.UserData.custom(
                    node_script(parameter=parameter, region=region, version=first_boot)
                )
                if parameter
                else None
            ),
        )
        construct = instance.node
        resource = construct.default_child
        assert isinstance(resource, ec2.CfnInstance)  # created by the L2 construct
        if generation > 1:
            # Only the instance's logical id changes, so that CloudFormation replaces the instance
            # and keeps its role, profile and security group.
            first = Stack.of(self).get_logical_id(resource)
            resource.override_logical_id(instance_of_generation(first, generation))
        # The first boot may need a route to the internet, or VPC endpoints. CloudFormation cannot
        # infer this dependency.
        construct.add_dependency(subnet.internet_connectivity_established, *aws_access)
        if recovery_of(machine.type) is Recovery.ALARM:
            self._recover_by_alarm(instance.instance_id)
        self.instance, self.resource = instance, resource
        self.instance_id = instance.instance_id
        self.private_address = instance.instance_private_ip
        Tags.of(self).add(NODE_TAG, name)

    def _recover_by_alarm(self, instance_id: str) -> None:
        """Create an alarm with which EC2 moves the instance if the host of the instance fails."""
        alarm = cloudwatch.Alarm(
            self,
            "Recovery",
            alarm_description="EC2 moves the instance to another host, because its host has failed",
            metric=cloudwatch.Metric(
                namespace="AWS/EC2",
                metric_name="StatusCheckFailed_System",
                dimensions_map={"InstanceId": instance_id},
                statistic="Minimum",
                period=Duration.minutes(1),
            ),
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=1,
            evaluation_periods=RECOVERY_MINUTES,
            # A stopped instance reports nothing, and needs no recovery.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.Ec2Action(actions.Ec2InstanceAction.RECOVER))

    def _block_devices(self, machine: Instance) -> list[ec2.BlockDevice]:
        key = kms.Key.from_key_arn(self, "Key", machine.kms_key) if machine.kms_key else None
        sizes = [(machine.root_device, machine.disk_gib)]
        if machine.data_disk_gib:
            sizes.append((DATA_DEVICE, machine.data_disk_gib))
        return [
            ec2.BlockDevice(
                device_name=device,
                volume=(
                    ec2.BlockDeviceVolume.ebs(
                        size,
                        encrypted=True,
                        kms_key=key,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                    )
                    if key
                    else encrypted_volume(size)
                ),
            )
            for device, size in sizes
        ]


class FixedAddress(Construct):
    """Elastic IP of a node without a balancer; the address remains when the instance is replaced.

    These are L1 constructs, because the CDK library has no L2 constructs for the resources.

    Attributes:
        address: public IPv4 address.
    """

    def __init__(self, scope: Construct, id_: str, *, instance_id: str) -> None:
        super().__init__(scope, id_)
        address = ec2.CfnEIP(self, "Address", domain="vpc")
        ec2.CfnEIPAssociation(
            self, "Association", allocation_id=address.attr_allocation_id, instance_id=instance_id
        )
        self.address = address.attr_public_ip
