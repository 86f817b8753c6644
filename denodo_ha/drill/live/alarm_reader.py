"""Reader of the CloudWatch alarms of some regions; one call returns a hundred alarms."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import SiteCalls
from denodo_ha.drill.live.found_resource import AlarmRule, FoundResource, Link, chosen
from denodo_ha.drill.live.own_stacks import OwnStack
from denodo_ha.drill.reading.resource_reader import ALARM, COMPOSITE_ALARM

ALARM_IN_RULE: Final = re.compile(r'(ALARM|OK|INSUFFICIENT_DATA)\(\s*"?([^()"]+?)"?\s*\)')
_ACTIONS: Final = (
    *("ActionsEnabled", "AlarmActions", "OKActions", "InsufficientDataActions"),
    "AlarmDescription",
)
_METRIC: Final = (
    *("Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Period", "EvaluationPeriods"),
    *("DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData"),
)
_SUPPRESSION: Final = (
    *("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod"),
)


def list_alarms(calls: SiteCalls, regions: Iterable[str]) -> list[FoundResource]:
    """Return every alarm of the regions."""
    resources = []
    for region in regions:
        pages = calls.pages(aws_calls.ALARMS, region, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        for page in pages or ():
            resources += [_alarm(region, item) for item in page["MetricAlarms"]]
            resources += [_composite(region, item) for item in page.get("CompositeAlarms", ())]
    return resources


def alarms_of_site(
    alarms: Iterable[FoundResource],
    found: Iterable[FoundResource],
    own: Iterable[OwnStack],
) -> list[FoundResource]:
    """Return the alarms of a site: of its stacks, of health checks, and on found resources.

    A composite alarm belongs to the site if it names an alarm of the site.
    """
    found, alarms, own = list(found), list(alarms), list(own)
    texts = {text.lower() for resource in found for text in resource.aliases}
    ids = {
        (stack.region, id_)
        for stack in own
        for type_ in (ALARM, COMPOSITE_ALARM)
        for _, id_ in stack.of_type(type_)
    }
    named = {link.text for link in _alarm_links(found)}
    metric = [
        alarm
        for alarm in alarms
        if alarm.type == ALARM
        and (
            (alarm.region, alarm.id) in ids
            or alarm_alias(alarm.region, alarm.id) in named
            or any(item["Value"].text.lower() in texts for item in alarm.properties["Dimensions"])
        )
    ]
    names = {(alarm.region, text) for alarm in metric for text in (alarm.id, *alarm.aliases)}
    return metric + [
        alarm
        for alarm in alarms
        if alarm.type == COMPOSITE_ALARM
        and (
            (alarm.region, alarm.id) in ids
            or any(
                (alarm.region, name) in names
                for name in names_in_rule(alarm.properties["AlarmRule"].text)
            )
        )
    ]


def _alarm_links(found: Iterable[FoundResource]) -> Iterator[Link]:
    """Yield the links by which health checks name their alarms."""
    for resource in found:
        alarm = resource.properties.get("HealthCheckConfig", {}).get("AlarmIdentifier")
        if alarm:
            yield alarm["Name"]


def names_in_rule(rule: str) -> Iterator[str]:
    """Yield the names or ARNs of the alarms in the rule of a composite alarm."""
    return (match[2] for match in ALARM_IN_RULE.finditer(rule))


def alarm_alias(region: str, name: str) -> str:
    """Return a text that identifies an alarm; its name alone is unique only in its region."""
    return f"alarm:{region}:{name}"


def _alarm(region: str, item: Mapping[str, Any]) -> FoundResource:
    dimensions = [
        {"Name": dimension["Name"], "Value": Link(dimension["Value"])}
        for dimension in item.get("Dimensions", ())
    ]
    properties = {
        "AlarmName": item["AlarmName"],
        **chosen(item, *_METRIC, *_ACTIONS),
        "Dimensions": dimensions,
    }
    return _resource(ALARM, region, item, properties)


def _composite(region: str, item: Mapping[str, Any]) -> FoundResource:
    properties = {
        "AlarmName": item["AlarmName"],
        **chosen(item, *_ACTIONS, *_SUPPRESSION),
        "AlarmRule": AlarmRule(item["AlarmRule"]),
    }
    return _resource(COMPOSITE_ALARM, region, item, properties)


def _resource(
    type_: str, region: str, item: Mapping[str, Any], properties: dict[str, Any]
) -> FoundResource:
    name = item["AlarmName"]
    aliases = {alarm_alias(region, name): "", item.get("AlarmArn", ""): "Arn"}
    return FoundResource(type_, region, name, name, properties, aliases=aliases)
