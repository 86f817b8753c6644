"""Alarms and events of the metadata database: to its own SNS topic and the cluster's topics."""

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from constructs import Construct

from denodo_ha.environment.derived import alarms
from denodo_ha.environment.derived.alarms import AlarmText
from denodo_ha.environment.facts import limits
from denodo_ha.environment.model.catalog import Catalog
from stacks.alarms.topics import Topics
from stacks.library_values import seconds, service_principal

_GIB = 2**30
_EVENTS = ("availability", "failover", "failure", "low storage", "recovery")
"""RDS event categories of which operators are notified (AWS, Amazon RDS event categories)."""

_SENDERS = ("cloudwatch.amazonaws.com", "events.rds.amazonaws.com")


class DatabaseAlarms(Construct):
    """Alarms on storage and connections, and RDS events such as a failover, in one SNS topic.

    RDS has no metric for a failover, and publishes only events (AWS, Amazon RDS, Working with
    Amazon RDS event notification).

    Attributes:
        topic: the SNS topic to which operators subscribe.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        cluster: str,
        instance: rds.DatabaseInstance,
        catalog: Catalog,
        account: str,
        topics: Topics | None,
    ) -> None:
        """Create the topic, the alarms and the subscription to events.

        Args:
            scope: parent.
            id_: id.
            cluster: name of the cluster's stack.
            instance: the database.
            catalog: settings of the database.
            account: account of the stack.
            topics: the cluster's topics, which the alarms notify too; None without such topics.
        """
        super().__init__(scope, id_)
        self._topics = topics
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True)
        # This policy replaces the default policy of a topic.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[service_principal(sender) for sender in _SENDERS],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": account}},
            )
        )
        self._alarm(
            "Storage",
            metric=instance.metric_free_storage_space(
                period=seconds(limits.ALARM_PERIOD_S), statistic="Minimum"
            ),
            threshold=int(limits.DATABASE_LOW_STORAGE * catalog.storage_gib * _GIB),
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            text=alarms.database_storage(cluster),
        )
        self._alarm(
            "Connections",
            metric=instance.metric_database_connections(
                period=seconds(limits.ALARM_PERIOD_S), statistic="Maximum"
            ),
            threshold=int(limits.DATABASE_MANY_CONNECTIONS * catalog.max_connections),
            comparison=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            text=alarms.database_connections(cluster),
        )
        # L1 construct, because the CDK library has no L2 construct for event subscriptions.
        rds.CfnEventSubscription(
            self,
            "Events",
            sns_topic_arn=self.topic.topic_arn,
            source_type="db-instance",
            source_ids=[instance.instance_identifier],
            event_categories=[*_EVENTS],
        )

    def _alarm(
        self,
        id_: str,
        *,
        metric: cloudwatch.Metric,
        threshold: int,
        comparison: cloudwatch.ComparisonOperator,
        text: AlarmText,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            id_,
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=5,
            # Missing data counts as a failure too; a restart is shorter than five periods and
            # raises no alarm.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            alarm_description=text.description,
        )
        topics: list[sns.ITopic] = [self.topic]
        if self._topics is not None:
            arn = self._topics.of(text.urgency)
            topics.append(sns.Topic.from_topic_arn(self, f"{id_}Topic", arn))
        notifications = [actions.SnsAction(topic) for topic in topics]
        alarm.add_alarm_action(*notifications)
        alarm.add_ok_action(*notifications)
