"""What CloudFormation does to a node when a property of its instance changes.

What it does to a shared database: `denodo_ha.environment.facts.update_effects`.

From AWS, "AWS::EC2::Instance" (CloudFormation template reference), "Update requires" of each
property, for instances in a VPC whose root device is an EBS volume.
"""

from enum import StrEnum
from typing import Final


class Effect(StrEnum):
    """What a deploy does to a node or to a database, the mildest first."""

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
        """Whether the node does not serve for a while."""
        return self in {Effect.RESTART, Effect.REPLACEMENT, Effect.REMOVED}


INSTANCE: Final[dict[str, Effect]] = {
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
"""What a change of a property does; what is not named here, such as the image, replaces it."""

WHERE: Final[dict[str, tuple[str, ...]]] = {
    "AWS::EC2::Subnet": ("AvailabilityZone", "CidrBlock", "VpcId"),
    "AWS::EC2::VPC": ("CidrBlock",),
}
"""Properties that replace a subnet or a VPC, and so the nodes in it (AWS, "AWS::EC2::Subnet" and
"AWS::EC2::VPC")."""

RESTARTING_STATE: Final = frozenset(
    {
        *("catalog", "denodo", "heap_mib", "host", "jvm", "license_manager", "ports", "rmi_host"),
        *("security_token", "servers", "tls"),
    }
)
"""Keys of the desired state whose change restarts the servers (docs/node.md)."""


# REMOVED

DATABASE: Final[dict[str, Effect]] = {
    **dict.fromkeys(
        (
            *("AllocatedStorage", "AllowMajorVersionUpgrade", "ApplyImmediately"),
            *("AssociatedRoles", "AutoMinorVersionUpgrade", "BackupRetentionPeriod"),
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
"""What a change of a property does; what is not named here, such as the key, replaces it.

A retention of 0 days is no backups at all: to and from it the database restarts.
"""

PARAMETERS: Final = ("Family", "Parameters")
"""Properties of a parameter group whose change may restart the database: "if the parameter group
contains static parameters, whether they were changed or not, an update triggers a reboot" (AWS,
"AWS::RDS::DBInstance", DBParameterGroupName)."""

SUBNETS: Final = ("SubnetIds",)
"""Properties of a subnet group that change it in place (AWS, "AWS::RDS::DBSubnetGroup"). The
subnets of another VPC are refused by RDS, so that the deploy fails."""
