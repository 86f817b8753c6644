"""Flow logs of VPCs to CloudWatch Logs. The local AWS writes no records to flow logs."""

import uuid

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import network
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private


def _create(_logical_id: str, properties: Properties, _stack: str) -> Made:
    owner = network.vpc(properties.get("ResourceId", ""))
    role = str(properties.get("DeliverLogsPermissionArn", "")).rpartition("/")[2]
    if role not in ministack.roles:
        message = f"Access denied for LogDestination: the role '{role}' does not exist"
        raise AwsError("InvalidParameter", message)
    group = properties.get("LogGroupName", "")
    if group not in ministack.log_groups:
        # AWS creates a missing log group without retention (AWS, Publish flow logs to CloudWatch
        # Logs).
        raise AwsError("InvalidParameter", f"the template does not create the log group '{group}'")
    id_ = f"fl-{uuid.uuid4().hex[:17]}"
    ministack.flow_logs[id_] = {
        "FlowLogId": id_,
        "ResourceId": owner["VpcId"],
        "ResourceType": properties.get("ResourceType", ""),
        "TrafficType": properties.get("TrafficType", "ALL"),
        "LogDestinationType": properties.get("LogDestinationType", "cloud-watch-logs"),
        "LogDestination": group,
        "FlowLogStatus": "ACTIVE",
        "CreationTime": private(ministack.ec2, "_now_ts")(),
    }
    ministack.ec2_tags[id_] = resource_types.tags(properties)
    return id_, {"Id": id_}


def _update(id_: str, old: Properties, new: Properties, _stack: str) -> Made:
    resource_types.update_tags(ministack.ec2_tags, id_, old, new)
    return id_, {"Id": id_}


def _delete(id_: str, _properties: Properties) -> None:
    ministack.flow_logs.pop(id_, None)
    ministack.ec2_tags.pop(id_, None)


def install() -> None:
    """Declare the resource type of flow logs."""
    resource_types.declare("AWS::EC2::FlowLog", create=_create, update=_update, delete=_delete)
