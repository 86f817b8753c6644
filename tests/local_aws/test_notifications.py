"""Alarms notify topics: the messages arrive in a file, with subscribers and descriptions."""

import json
from typing import Any

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.templates import ref, resource
from tests.local_aws.test_failover import state
from tests.support import local_aws_server
from tests.support.waiting import until

EMAIL = "operators@example.com"


def _paragraphs(topic: str) -> list[list[str]]:
    """Return the messages to a topic, each message as a list of lines."""
    file = local_aws_server.paths().notifications
    text = file.read_text() if file.exists() else ""
    paragraphs = (paragraph.splitlines() for paragraph in text.split("\n\n"))
    return [lines for lines in paragraphs if lines and lines[0] == f"topic {topic}"]


def test_a_lost_machine_is_told_without_anybody_asking(cloud: Cloud) -> None:
    """The local AWS evaluates alarms regularly, without a call that reads the alarms."""
    cloud.give({"kind": "image", "id": templates.IMAGE})
    part = {
        "Namespace": "AWS/EC2",
        "MetricName": "StatusCheckFailed",
        "Dimensions": [{"Name": "InstanceId", "Value": ref("Node1")}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 10,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "breaching",
    }
    subscription = {"Protocol": "email", "Endpoint": EMAIL}
    stack = cloud.deploy(
        {
            **templates.serving(),
            "Topic": resource("SNS::Topic", Subscription=[subscription]),
            "Machine": resource("CloudWatch::Alarm", **part),
            "Lost": resource(
                "CloudWatch::CompositeAlarm",
                AlarmRule={"Fn::Join": ["", ['ALARM("', ref("Machine"), '")']]},
                AlarmDescription="urgent, machine lost: what, and what to do.",
                AlarmActions=[ref("Topic")],
            ),
        }
    )
    topic = stack.ids["Topic"]
    assert _paragraphs(topic) == []
    try:
        cloud.call("cuts", {"regions": ["eu-west-1"]}, "PUT")
        until(lambda: state(cloud, stack.ids["Machine"]) == "ALARM")
        cloud.call("cuts", {}, "PUT")
        until(lambda: state(cloud, stack.ids["Machine"]) == "OK")
        assert _paragraphs(topic) == []
        cloud.call("cuts", {"machines": [stack.ids["Node1"]]}, "PUT")
        until(lambda: _paragraphs(topic) != [])
    finally:
        cloud.call("cuts", {}, "PUT")
    (lines,) = _paragraphs(topic)
    assert lines[1] == f"to email {EMAIL}"
    assert lines[2].startswith('ALARM: "')
    assert lines[3].endswith("OK -> ALARM")
    assert lines[4] == "urgent, machine lost: what, and what to do."


def _stopped(node: str) -> dict[str, Any]:
    """Return an alarm that is in state ALARM while an instance does not run."""
    return resource(
        "CloudWatch::Alarm",
        Namespace="AWS/EC2",
        MetricName="StatusCheckFailed",
        Dimensions=[{"Name": "InstanceId", "Value": ref(node)}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="breaching",
    )


def test_a_suppressed_alarm_notifies_after_the_extension_period(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    stack = cloud.deploy(
        {
            **templates.serving(),
            "Node3": templates.node(),
            "Topic": resource("SNS::Topic"),
            "Machine": _stopped("Node1"),
            "Suppressor": _stopped("Node3"),
            "Lost": resource(
                "CloudWatch::CompositeAlarm",
                AlarmRule={"Fn::Join": ["", ['ALARM("', ref("Machine"), '")']]},
                AlarmDescription="urgent, machine lost: what, and what to do.",
                AlarmActions=[ref("Topic")],
                ActionsSuppressor=ref("Suppressor"),
                ActionsSuppressorWaitPeriod=60,
                ActionsSuppressorExtensionPeriod=60,
            ),
        }
    )
    topic, client = stack.ids["Topic"], cloud.client("cloudwatch")

    def suppressed_by() -> str:
        (alarm,) = client.describe_alarms(
            AlarmNames=[stack.ids["Lost"]], AlarmTypes=["CompositeAlarm"]
        )["CompositeAlarms"]
        return str(alarm.get("ActionsSuppressedBy", "")) if alarm["StateValue"] == "ALARM" else "OK"

    cloud.client("ec2").stop_instances(InstanceIds=[stack.ids["Node3"]])
    until(lambda: _state(client, stack.ids["Suppressor"]) == "ALARM")
    cloud.client("ec2").stop_instances(InstanceIds=[stack.ids["Node1"]])
    until(lambda: suppressed_by() == "Alarm")
    assert _paragraphs(topic) == []
    cloud.client("ec2").start_instances(InstanceIds=[stack.ids["Node3"]])
    until(lambda: _paragraphs(topic) != [])
    (lines,) = _paragraphs(topic)
    assert lines[1].startswith('ALARM: "')
    assert suppressed_by() == ""


def _state(client: Any, alarm: str) -> str:
    return str(client.describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["StateValue"])


def test_a_message_of_another_sender_arrives_too(cloud: Cloud) -> None:
    stack = cloud.deploy({"Topic": resource("SNS::Topic")})
    message = json.dumps({"event": "failover"})
    topic = stack.ids["Topic"]
    cloud.client("sns").publish(TopicArn=topic, Message=message, Subject="RDS")
    until(lambda: _paragraphs(topic) != [])
    assert _paragraphs(topic) == [[f"topic {topic}", "RDS", message]]
