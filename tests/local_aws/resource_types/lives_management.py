"""Life cycles of parameters, documents, roles and topics."""

from botocore.exceptions import ClientError

from tests.local_aws.cloud import Cloud
from tests.local_aws.resource_types.life import Case, Shown
from tests.local_aws.templates import ALARM, ROLE, ref, resource


def _parameter(cloud: Cloud, name: str) -> Shown:
    try:
        return dict(cloud.client("ssm").get_parameter(Name=name)["Parameter"])
    except ClientError:
        return None


def _document(cloud: Cloud, name: str) -> Shown:
    try:
        return dict(cloud.client("ssm").get_document(Name=name))
    except ClientError:
        return None


def _ssm_association(cloud: Cloud, id_: str) -> Shown:
    try:
        description = cloud.client("ssm").describe_association(AssociationId=id_)
    except ClientError:
        return None
    return dict(description["AssociationDescription"])


def _role(cloud: Cloud, name: str) -> Shown:
    try:
        return dict(cloud.client("iam").get_role(RoleName=name)["Role"])
    except ClientError:
        return None


def _profile(cloud: Cloud, name: str) -> Shown:
    try:
        description = cloud.client("iam").get_instance_profile(InstanceProfileName=name)
    except ClientError:
        return None
    profile = description["InstanceProfile"]
    return {**profile, "Names": len(profile["Roles"])}


def _topic(cloud: Cloud, arn: str) -> Shown:
    try:
        return dict(cloud.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"])
    except ClientError:
        return None


def _key(cloud: Cloud, id_: str) -> Shown:
    description = cloud.client("kms").describe_key(KeyId=id_)["KeyMetadata"]
    return None if description["KeyState"] == "PendingDeletion" else dict(description)


def _composite(cloud: Cloud, name: str) -> Shown:
    described = cloud.client("cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["CompositeAlarm"]
    )
    return next((dict(alarm) for alarm in described["CompositeAlarms"]), None)


def _dashboard(cloud: Cloud, name: str) -> Shown:
    try:
        return dict(cloud.client("cloudwatch").get_dashboard(DashboardName=name))
    except ClientError:
        return None


PART = resource("CloudWatch::Alarm", **ALARM)
RULE = {"Fn::Join": ["", ['ALARM("', ref("Part"), '")']]}

KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ],
}


def _log_group(cloud: Cloud, name: str) -> Shown:
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return next((dict(group) for group in groups if group["logGroupName"] == name), None)


DOCUMENT = {"schemaVersion": "2.2", "mainSteps": []}

CASES = (
    Case(
        "Logs::LogGroup",
        {"It": resource("Logs::LogGroup", RetentionInDays=30)},
        _log_group,
        {"retentionInDays": 30},
        in_place=({"RetentionInDays": 60}, {"retentionInDays": 60}),
        replaced_by={"LogGroupName": "named"},
    ),
    Case(
        "SSM::Parameter",
        {"It": resource("SSM::Parameter", Name="/denodo/a", Type="String", Value="{}")},
        _parameter,
        {"Value": "{}"},
        in_place=({"Value": "[]"}, {"Value": "[]", "Version": 2}),
        replaced_by={"Name": "/denodo/b"},
    ),
    Case(
        "SSM::Document",
        {"It": resource("SSM::Document", Name="run", DocumentType="Command", Content=DOCUMENT)},
        _document,
        {"Status": "Active", "DocumentVersion": "1"},
        in_place=({"Content": {**DOCUMENT, "description": "a"}}, {"DocumentVersion": "2"}),
        replaced_by={"Name": "walk"},
    ),
    Case(
        "SSM::Association",
        {"It": resource("SSM::Association", Name="AWS-RunShellScript")},
        _ssm_association,
        {"Name": "AWS-RunShellScript"},
        in_place=({"AssociationName": "a"}, {"AssociationName": "a"}),
    ),
    Case(
        "IAM::Role",
        {"It": ROLE},
        _role,
        {"Path": "/"},
        in_place=({"Description": "told"}, {"Description": "told"}),
        replaced_by={"Path": "/denodo/"},
    ),
    Case(
        "IAM::InstanceProfile",
        {"Role": ROLE, "It": resource("IAM::InstanceProfile", Roles=[ref("Role")])},
        _profile,
        {"Names": 1},
        replaced_by={"Path": "/denodo/"},
    ),
    Case(
        "KMS::Key",
        {"It": resource("KMS::Key", Description="a", KeyPolicy=KEY_POLICY)},
        _key,
        {"Description": "a"},
        in_place=({"Description": "b"}, {"Description": "b"}),
    ),
    Case(
        "CloudWatch::CompositeAlarm",
        {"Part": PART, "It": resource("CloudWatch::CompositeAlarm", AlarmRule=RULE)},
        _composite,
        {"StateValue": "OK"},
        in_place=({"AlarmDescription": "a"}, {"AlarmDescription": "a"}),
        replaced_by={"AlarmName": "named"},
    ),
    Case(
        "CloudWatch::Dashboard",
        {"It": resource("CloudWatch::Dashboard", DashboardBody='{"widgets": []}')},
        _dashboard,
        {"DashboardBody": '{"widgets": []}'},
        in_place=({"DashboardBody": "{}"}, {"DashboardBody": "{}"}),
        replaced_by={"DashboardName": "named"},
    ),
    Case(
        "SNS::Topic",
        {"It": resource("SNS::Topic", DisplayName="a")},
        _topic,
        {"DisplayName": "a"},
        in_place=({"DisplayName": "b"}, {"DisplayName": "b"}),
        replaced_by={"TopicName": "named"},
    ),
)
