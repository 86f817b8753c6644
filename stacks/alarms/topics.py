"""SNS topics of the alarms: created with a key that CloudWatch may use, or existing topics."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from denodo_ha.environment import names
from denodo_ha.environment.derived.alarms import Urgency
from denodo_ha.environment.derived.node_metadata import partition
from denodo_ha.environment.model.alarms import Alarms

_CLOUDWATCH = "cloudwatch.amazonaws.com"
_KEY_DELETION_DAYS = 7
"""Days after which a deleted key of the topics is destroyed: the shortest time that AWS allows
(AWS, KMS API, ScheduleKeyDeletion), since topics store no messages that would need the key."""


@dataclass(frozen=True)
class Topics:
    """The ARNs of the topics that alarms in one account and region notify.

    Attributes:
        urgent: the topic for operators at once.
        notice: the topic for the next morning.
        suppressor: name of the alarm that silences the composite alarms which notify these topics;
            empty if no command can silence them.
    """

    urgent: str
    notice: str
    suppressor: str = ""

    def of(self, urgency: Urgency) -> str:
        """Return the ARN of the topic for an urgency, `urgent` or `notice`."""
        return self.urgent if urgency == "urgent" else self.notice


def create_topics(scope: Construct, *, alarms: Alarms, account: str, region: str) -> Topics:
    """Return the topics of a region; create the topics that the configuration does not name.

    Created topics share one key. CloudWatch cannot notify a topic that is encrypted with AWS's own
    key for SNS (AWS, Why didn't I receive an SNS notification for my CloudWatch alarm trigger?).
    """
    existing: Mapping[str, str | None] = {
        "Urgent": alarms.topics.urgent.get(region),
        "Notice": alarms.topics.notice.get(region),
    }
    key = None
    arns: dict[str, str] = {}
    for label, existing_arn in existing.items():
        if existing_arn is not None:
            arns[label] = existing_arn
            continue
        key = key or _create_key(scope, account=account, region=region)
        arns[label] = _create_topic(scope, label, key=key, account=account, emails=alarms.email)
    return Topics(arns["Urgent"], arns["Notice"])


def topics_of_stack(alarms: Alarms, *, stack: str, region: str) -> Topics:
    """Return the topics of another stack in the same account and region, by weak references."""

    def arn(existing: Mapping[str, str], output: str) -> str:
        return existing.get(region) or Fn.get_stack_output(stack, output, region)

    return Topics(
        arn(alarms.topics.urgent, names.URGENT_TOPIC), arn(alarms.topics.notice, names.NOTICE_TOPIC)
    )


def _create_key(scope: Construct, *, account: str, region: str) -> str:
    """Create the KMS key that encrypts the topics. Return the key's ARN."""
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition(region)}:iam::{account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Principal": {"Service": _CLOUDWATCH},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        },
    ]
    key = kms.CfnKey(
        scope,
        "Key",
        description="Notifications of Denodo alarms",
        enable_key_rotation=True,
        pending_window_in_days=_KEY_DELETION_DAYS,
        key_policy={"Version": "2012-10-17", "Statement": statements},
    )
    return key.attr_arn


def _create_topic(
    scope: Construct, label: str, *, key: str, account: str, emails: tuple[str, ...]
) -> str:
    """Create a topic for CloudWatch, over TLS only, with subscriptions. Return the topic's ARN."""
    topic = sns.CfnTopic(
        scope,
        f"{label}Topic",
        display_name=f"Denodo {label.lower()}",
        kms_master_key_id=key,
        subscription=[
            sns.CfnTopic.SubscriptionProperty(endpoint=email, protocol="email")
            for email in sorted(emails)
        ]
        or None,
    )
    arn = topic.ref
    sns.CfnTopicPolicy(
        scope,
        f"{label}Policy",
        topics=[arn],
        policy_document={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": _CLOUDWATCH},
                    "Action": "sns:Publish",
                    "Resource": arn,
                    "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                },
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ],
        },
    )
    return arn
