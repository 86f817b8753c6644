"""Alarms: the topics that receive notifications, and their subscribers."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from denodo_ha.environment.model.aws_field_types import Region, TopicArn
from denodo_ha.environment.model.field_types import EmailAddress, Flag
from denodo_ha.environment.model.section import Section

NEW = "new"


def _topics_of_word(value: Any) -> Any:
    """Convert `new` to an empty map: stacks create a topic in each region that the map lacks."""
    return {} if value is None or value == NEW else value


_NewOrMap = BeforeValidator(
    _topics_of_word, json_schema_input_type=Literal["new"] | Mapping[Region, TopicArn]
)


class AlarmTopics(Section):
    """SNS topics that alarms notify, by region; stacks create topics in other regions."""

    urgent: Annotated[Mapping[Region, TopicArn], _NewOrMap] = {}
    """Topics for alarms that need an operator at once: new, or a map of region to the ARN of an \
existing topic. New topics of a stack have a KMS key, which costs 1 USD a month; default: new."""
    notice: Annotated[Mapping[Region, TopicArn], _NewOrMap] = {}
    """Topics for alarms that can wait until the morning: new, or a map of \
region to the ARN of an existing topic; default: new."""


class Alarms(Section):
    """Alarms on the metrics that AWS publishes, and on the metrics that the nodes publish."""

    enabled: Flag = True
    """Create the alarms. `alarms: none` is short for {enabled: false}."""
    route53: Flag = False
    """Also create alarms on the health checks of the failover, in a stack in us-east-1, where CDK \
must be bootstrapped: only Route 53 detects that a region is lost."""
    nodes: Flag = False
    """Also let nodes publish metrics of their own, and create alarms on these metrics: readiness, \
restarted servers, memory, disks, metadata exports, certificates, the License Manager. Each metric \
of a node has a price (docs/reference/alarms.md)."""
    topics: AlarmTopics = Field(default=AlarmTopics(), json_schema_extra={"default": None})
    """Topics that receive the notifications; default: new topics."""
    email: tuple[EmailAddress, ...] = ()
    """Addresses that are subscribed to the created topics; AWS asks each address to confirm."""


def _alarms_of_word(value: Any) -> Any:
    """Convert `alarms: none` to `{enabled: false}`."""
    if value == "none":
        return {"enabled": False}
    return {} if value is None else value


AlarmsEntry = Annotated[
    Alarms,
    BeforeValidator(_alarms_of_word, json_schema_input_type=Literal["none"] | Alarms),
]
