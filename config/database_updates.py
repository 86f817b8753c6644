"""What becomes of a database when a property of its DB instance changes.

Whether it is replaced: AWS, "AWS::RDS::DBInstance" (CloudFormation template reference), "Update
requires" of each property. Whether it is interrupted where it is not: AWS, "Settings for DB
instances" (Amazon RDS User Guide), which says it of the database and not of the call: the former
calls a new version no interruption, and a new backup window's length some.
"""

from typing import Final

from config.updates import Effect

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
