"""Effects of changed properties on nodes, load balancers and the metadata database.

Source: AWS, CloudFormation template reference, "Update requires" of each property; for instances in
a VPC whose root device is an EBS volume.
"""

from enum import StrEnum
from typing import Final


class Effect(StrEnum):
    """Effect of a deployment on a node, load balancer or database, in order of severity."""

    NOTHING = "nothing"
    STATE = "state only"
    IN_PLACE = "in place"
    RESTART = "restart"
    INTERRUPTION = "interruption"
    REPLACEMENT = "replacement"
    NEW = "new"
    REMOVED = "removed"

    @property
    def touches(self) -> bool:
        """True if a change with this effect interrupts the node's service for some time."""
        return self in {Effect.RESTART, Effect.REPLACEMENT, Effect.REMOVED}


INSTANCE_EFFECTS: Final[dict[str, Effect]] = {
    **dict.fromkeys(
        (
            *("CreditSpecification", "DisableApiTermination", "IamInstanceProfile"),
            *("InstanceInitiatedShutdownBehavior", "MetadataOptions", "Monitoring"),
            *("PropagateTagsToVolumeOnCreation", "SecurityGroupIds", "SourceDestCheck"),
            *("SsmAssociations", "Tags", "Volumes"),
        ),
        Effect.IN_PLACE,
    ),
    **dict.fromkeys(
        (
            *("AdditionalInfo", "Affinity", "EbsOptimized", "HostId", "InstanceType", "KernelId"),
            *("RamdiskId", "Tenancy", "UserData"),
        ),
        Effect.RESTART,
    ),
}
"""Effect of a change to each property of "AWS::EC2::Instance". A change to any other property, such
as the image, replaces the instance."""

NETWORK_REPLACEMENTS: Final[dict[str, tuple[str, ...]]] = {
    "AWS::EC2::Subnet": ("AvailabilityZone", "CidrBlock", "VpcId"),
    "AWS::EC2::VPC": ("CidrBlock",),
}
"""Properties whose change replaces a subnet or a VPC, and therefore the nodes in the subnet or VPC
(AWS, "AWS::EC2::Subnet" and "AWS::EC2::VPC")."""

LOAD_BALANCER_IN_PLACE: Final = frozenset(
    {
        *("EnableCapacityReservationProvisionStabilize", "EnablePrefixForIpv6SourceNat"),
        *("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic", "IpAddressType"),
        *("Ipv4IpamPoolId", "LoadBalancerAttributes", "MinimumLoadBalancerCapacity"),
        *("SecurityGroups", "SubnetMappings", "Subnets", "Tags"),
    }
)
"""Properties of "AWS::ElasticLoadBalancingV2::LoadBalancer" that change in place. A change to any
other property, such as the scheme, replaces the load balancer, which then has another DNS name."""

TARGET_GROUP_REPLACEMENTS: Final = frozenset(
    {
        *("IpAddressType", "Name", "Port", "Protocol", "ProtocolVersion", "TargetType"),
        "VpcId",
    }
)
"""Properties of "AWS::ElasticLoadBalancingV2::TargetGroup" whose change replaces the target group.
Connections through the old target group are closed."""

RESTARTING_STATE: Final = frozenset(
    {
        *("catalog", "denodo", "heap_mib", "host", "jvm", "license_manager", "ports", "rmi_host"),
        *("scheduler_rmi_host", "security_token", "servers", "tls", "web_jmx"),
    }
)
"""Keys of the desired state whose change restarts the servers (docs/reference/node.md)."""

DATABASE_EFFECTS: Final[dict[str, Effect]] = {
    **dict.fromkeys(
        (
            *("AllocatedStorage", "AllowMajorVersionUpgrade", "ApplyImmediately"),
            *("AssociatedRoles", "AutoMinorVersionUpgrade", "BackupRetentionPeriod"),
            # CloudFormation's schema marks none of these properties as create-only. Their effect
            # has not been tested on RDS.
            *("AutomaticBackupReplicationRegion", "AutomaticBackupReplicationKmsKeyId"),
            *("CopyTagsToSnapshot", "DatabaseInsightsMode", "DeleteAutomatedBackups"),
            *("DeletionProtection", "EnableCloudwatchLogsExports"),
            *("EnableIAMDatabaseAuthentication", "EnablePerformanceInsights", "Iops"),
            *("ManageMasterUserPassword", "MasterUserPassword", "MaxAllocatedStorage"),
            *("MonitoringInterval", "MonitoringRoleArn", "MultiAZ"),
            *("PerformanceInsightsRetentionPeriod", "PreferredBackupWindow"),
            *("PreferredMaintenanceWindow", "PubliclyAccessible", "StorageThroughput", "Tags"),
            "VPCSecurityGroups",
        ),
        Effect.IN_PLACE,
    ),
    **dict.fromkeys(
        (
            *("CACertificateIdentifier", "DBInstanceClass", "DBParameterGroupName"),
            *("EngineVersion", "OptionGroupName", "StorageType"),
        ),
        Effect.INTERRUPTION,
    ),
}
"""Effect of a change to each property of "AWS::RDS::DBInstance". A change to any other property,
such as the KMS key, replaces the database.

A retention of 0 days means no backups: a change from or to 0 restarts the database."""

PARAMETER_GROUP_RESTARTS: Final = ("Family", "Parameters")
"""Properties of a parameter group whose change may restart the database: "if the parameter group
contains static parameters, whether they were changed or not, an update triggers a reboot" (AWS,
"AWS::RDS::DBInstance", DBParameterGroupName)."""

SUBNET_GROUP_IN_PLACE: Final = ("SubnetIds",)
"""Properties of a subnet group that change in place (AWS, "AWS::RDS::DBSubnetGroup"). RDS rejects
subnets of another VPC, so that the deployment fails."""
