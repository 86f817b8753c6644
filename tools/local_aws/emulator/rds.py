"""Databases of RDS: what a template refers to is there, and RDS keeps the administrator's password.

Nothing listens at a database's address: MiniStack makes the record alone, as for instances.
"""

import json
import secrets
import uuid
from html import escape
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import network
from tools.local_aws.emulator.errors import AwsError

KIND = "AWS::RDS::DBInstance"
SUBNETS = "AWS::RDS::DBSubnetGroup"
EVENTS = "AWS::RDS::EventSubscription"
MANAGED = "ManageMasterUserPassword"

subscriptions = ministack.AccountRegionScopedDict()


def _fault(code: str, message: str) -> AwsError:
    return AwsError(code, message, service="Rds")


def _in_two_zones(properties: Properties) -> None:
    zones = {network.subnet(one)["AvailabilityZone"] for one in properties.get("SubnetIds") or []}
    if len(zones) < 2:
        message = (
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
            f"Current AZ coverage: {', '.join(sorted(zones))}. Add subnets to cover at least 2 AZs."
        )
        raise _fault("DBSubnetGroupDoesNotCoverEnoughAZs", message)


def _refers_to_what_is_there(properties: Properties) -> None:
    subnets = properties.get("DBSubnetGroupName")
    if subnets and subnets not in ministack.subnet_groups:
        raise _fault("DBSubnetGroupNotFoundFault", f"DB subnet group {subnets} does not exist.")
    parameters = properties.get("DBParameterGroupName")
    if parameters and not parameters.startswith("default."):
        group = ministack.parameter_groups.get(parameters)
        if group is None:
            raise _fault("DBParameterGroupNotFound", f"{parameters} does not exist.")
        major = str(properties.get("EngineVersion", "")).split(".", 1)[0]
        family = f"{properties.get('Engine')}{major}"
        if group["DBParameterGroupFamily"] != family:
            message = (
                f"The parameter group {parameters} with DBParameterGroupFamily "
                f"{group['DBParameterGroupFamily']} can't be used for this instance. Please use a "
                f"parameter group with DBParameterGroupFamily {family}"
            )
            raise _fault("InvalidParameterCombination", message)
    for group_id in properties.get("VPCSecurityGroups") or []:
        if group_id not in ministack.security_groups:
            raise _fault("InvalidParameterValue", f"Invalid security group , groupId= {group_id}")


def _allowed(properties: Properties) -> None:
    if resource_types.truth(properties.get(MANAGED)) and "MasterUserPassword" in properties:
        message = "You can't specify MasterUserPassword when ManageMasterUserPassword is turned on."
        raise _fault("InvalidParameterCombination", message)
    if properties.get("StorageType") == "gp3" and int(properties.get("AllocatedStorage", 0)) < 20:
        message = "Invalid storage size for engine name postgres and storage type gp3: below 20"
        raise _fault("InvalidParameterCombination", message)


def _not_protected(id_: str, _properties: Properties) -> None:
    if (ministack.databases.get(id_) or {}).get("DeletionProtection"):
        message = (
            f"Cannot delete protected DB Instance, please disable deletion protection and try "
            f"again. ({id_})"
        )
        raise _fault("InvalidParameterCombination", message)


def _keep_password(id_: str, properties: Properties) -> dict[str, Any]:
    """The secret that RDS makes for an administrator."""
    kept = ministack.databases[id_].get("MasterUserSecret")
    if not resource_types.truth(properties.get(MANAGED)):
        return {}
    if not kept:
        login = {"username": properties["MasterUsername"], "password": secrets.token_urlsafe(20)}
        arn, _ = ministack.store_secret(
            f"rds!db-{uuid.uuid4()}",
            secret_string=json.dumps(login),
            description=f"The secret associated with the primary RDS DB instance: {id_}",
        )
        kept = {"SecretArn": arn, "SecretStatus": "active"}
        ministack.databases[id_]["MasterUserSecret"] = kept
    return {"MasterUserSecret.SecretArn": kept["SecretArn"]}


def _forget_password(kept: dict[str, Any] | None) -> None:
    names = [
        name for name, one in ministack.secrets.items() if kept and one["ARN"] == kept["SecretArn"]
    ]
    for name in names:
        del ministack.secrets[name]


def _subscribe(logical_id: str, properties: Properties, stack: str) -> Made:
    name = properties.get("SubscriptionName") or ministack.physical_name(stack, logical_id).lower()
    return _put_subscription(name, properties)


def _put_subscription(name: str, properties: Properties) -> Made:
    kind = properties.get("SourceType")
    for one in properties.get("SourceIds") or []:
        if kind == "db-instance" and one not in ministack.databases:
            raise _fault("SourceNotFound", f"DB instance {one} not found")
    subscriptions[name] = dict(properties)
    return name, {}


def _update_subscription(name: str, _old: Properties, new: Properties, _stack: str) -> Made:
    return _put_subscription(name, new)


def _unsubscribe(name: str, _properties: Properties) -> None:
    subscriptions.pop(name, None)


def _describe_subscriptions(_asked: dict[str, Any]) -> Any:
    shown = "".join(
        "<EventSubscription>"
        f"<CustSubscriptionId>{escape(name)}</CustSubscriptionId>"
        f"<SnsTopicArn>{escape(one['SnsTopicArn'])}</SnsTopicArn><Status>active</Status>"
        f"<SourceType>{escape(one.get('SourceType', ''))}</SourceType>"
        f"<EventCategoriesList>{_listed(one.get('EventCategories'), 'EventCategory')}"
        "</EventCategoriesList></EventSubscription>"
        for name, one in subscriptions.items()
    )
    result = f"<EventSubscriptionsList>{shown}</EventSubscriptionsList>"
    return ministack.rds_answer(
        200,
        "DescribeEventSubscriptionsResponse",
        f"<DescribeEventSubscriptionsResult>{result}</DescribeEventSubscriptionsResult>",
    )


def _listed(values: list[str] | None, tag: str) -> str:
    return "".join(f"<{tag}>{escape(one)}</{tag}>" for one in values or [])


def install() -> None:
    """Declare the types, and answer the calls about them."""
    handler = ministack.handlers[KIND]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def created(logical_id: str, properties: Properties, stack: str) -> Made:
        id_, attributes = create(logical_id, properties, stack)
        return id_, {**attributes, **_keep_password(id_, properties)}

    def updated(
        id_: str, old: Properties, new: Properties, stack: str, logical_id: str = ""
    ) -> Made:
        new_id, attributes = update(id_, old, new, stack, logical_id)
        return new_id, {**attributes, **_keep_password(new_id, new)}

    def deleted(id_: str, properties: Properties) -> None:
        kept = (ministack.databases.get(id_) or {}).get("MasterUserSecret")
        delete(id_, properties)
        _forget_password(kept)

    handler.update(create=created, update=updated, delete=deleted)
    resource_types.check(KIND, _allowed, _refers_to_what_is_there)
    resource_types.before_delete(KIND, _not_protected)
    resource_types.check(SUBNETS, _in_two_zones)
    resource_types.declare(
        EVENTS, create=_subscribe, update=_update_subscription, delete=_unsubscribe
    )
    ministack.rds_actions["DescribeEventSubscriptions"] = _describe_subscriptions
