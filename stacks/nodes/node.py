"""One Denodo server: an instance with a role of its own."""

from aws_cdk import Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct

from denodo_ha.environment.model.cluster import Instance
from denodo_ha.environment.names import NODE_TAG
from stacks.access.machine_permissions import make_machine_role
from stacks.nodes.first_boot import first_boot_user_data

DATA_DEVICE = "/dev/sdf"


class Node(Construct):
    """An instance in one zone: pinned image, encrypted gp3 disks, IMDSv2.

    There is no termination protection, as it would block the node's replacement.

    Attributes:
        instance: the instance.
        instance_id: its id.
        private_address: its private IPv4 address.
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
    ) -> None:
        """Make instance and role.

        Args:
            scope: parent.
            id_: id.
            name: the node's name.
            label: what the EC2 console shows.
            machine: what it is.
            vpc: where it is.
            subnet: where it is.
            zone: where it is.
            region: where it is.
            security_group: its group.
            parameter: name of the parameter with its desired state; None: the image is all.
        """
        super().__init__(scope, id_)
        self.role = make_machine_role(self, machine.role_policies)
        instance = ec2.Instance(
            self,
            "Instance",
            instance_name=label,
            instance_type=ec2.InstanceType(machine.type),
            machine_image=ec2.MachineImage.generic_linux({region: machine.image}),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=[subnet]),
            availability_zone=zone,
            security_group=security_group,
            role=self.role,
            # In place; `require_imdsv2` would add a launch template whose change replaces the node.
            http_tokens=ec2.HttpTokens.REQUIRED,
            block_devices=self._disks(machine),
            propagate_tags_to_volume_on_creation=True,
            key_pair=(
                ec2.KeyPair.from_key_pair_name(self, "KeyPair", machine.key)
                if machine.key
                else None
            ),
            user_data=first_boot_user_data(parameter=parameter, region=region)
            if parameter
            else None,
        )
        # First boot may need the way out, and CloudFormation knows of no such need.
        instance.node.add_dependency(subnet.internet_connectivity_established)
        self.instance = instance
        self.instance_id = instance.instance_id
        self.private_address = instance.instance_private_ip
        Tags.of(self).add(NODE_TAG, name)

    def _disks(self, machine: Instance) -> list[ec2.BlockDevice]:
        key = kms.Key.from_key_arn(self, "Key", machine.kms_key) if machine.kms_key else None
        sizes = [(machine.root_device, machine.disk_gib)]
        if machine.data_disk_gib:
            sizes.append((DATA_DEVICE, machine.data_disk_gib))
        return [
            ec2.BlockDevice(
                device_name=device,
                volume=ec2.BlockDeviceVolume.ebs(
                    size,
                    encrypted=True,
                    kms_key=key,
                    volume_type=ec2.EbsDeviceVolumeType.GP3,
                ),
            )
            for device, size in sizes
        ]


class FixedAddress(Construct):
    """An Elastic IP for a node that clients reach directly; it outlives the instance.

    L1, as there is no L2 for either resource.

    Attributes:
        address: the public IPv4 address.
    """

    def __init__(self, scope: Construct, id_: str, *, instance_id: str) -> None:
        super().__init__(scope, id_)
        address = ec2.CfnEIP(self, "Address", domain="vpc")
        ec2.CfnEIPAssociation(
            self, "Association", allocation_id=address.attr_allocation_id, instance_id=instance_id
        )
        self.address = address.attr_public_ip
