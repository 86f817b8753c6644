"""RDS: resources referenced by databases must exist; RDS manages the administrator's password.

MiniStack makes only the record of a database. Servers of databases run while the part `databases`
of the local AWS is on (`servers`).
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
from tools.local_aws.emulator.rds import backups, servers
from tools.local_aws.emulator.rds.servers import DATABASES

KIND = "AWS::RDS::DBInstance"
SUBNETS = "AWS::RDS::DBSubnetGroup"
EVENTS = "AWS::RDS::EventSubscription"
MANAGED = "ManageMasterUserPassword"

subscriptions = ministack.AccountRegionScopedDict()


def _fault(code: str, message: str) -> AwsError:
    return AwsError(code, message, service="Rds")


def _check_two_zones(properties: Properties) -> None:
    zones = {network.subnet(item)["AvailabilityZone"] for item in properties.get("SubnetIds") or []}
    if len(zones) < 2:
        message = (
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
            f"Current AZ coverage: {', '.join(sorted(zones))}. Add subnets to cover at least 2 AZs."
        )
        raise _fault("DBSubnetGroupDoesNotCoverEnoughAZs", message)


def _check_references(properties: Properties) -> None:
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


def _check_settings(properties: Properties) -> None:
    if resource_types.truth(properties.get(MANAGED)) and "MasterUserPassword" in properties:
        message = "You can't specify MasterUserPassword when ManageMasterUserPassword is turned on."
        raise _fault("InvalidParameterCombination", message)
    if properties.get("StorageType") == "gp3" and int(properties.get("AllocatedStorage", 0)) < 20:
        message = "Invalid storage size for engine name postgres and storage type gp3: below 20"
        raise _fault("InvalidParameterCombination", message)


def _check_protection(id_: str, _properties: Properties) -> None:
    if (ministack.databases.get(id_) or {}).get("DeletionProtection"):
        message = (
            f"Cannot delete protected DB Instance, please disable deletion protection and try "
            f"again. ({id_})"
        )
        raise _fault("InvalidParameterCombination", message)


def _ensure_password_secret(id_: str, properties: Properties) -> dict[str, Any]:
    """Create the administrator's secret if RDS manages the password; return its ARN for `GetAtt`.

    Without a managed password, the result is empty.
    """
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
        ministack.databases[id_]["_MasterUserPassword"] = login["password"]
    return {"MasterUserSecret.SecretArn": kept["SecretArn"]}


def _ensured(id_: str, properties: Properties) -> dict[str, Any]:
    """Create the administrator's secret, and start the database's server with that password."""
    attributes = _ensure_password_secret(id_, properties)
    DATABASES.compare()
    return attributes


def _rename(id_: str, new_id: str) -> None:
    """Give a database another identifier and endpoint (ModifyDBInstance).

    Raises:
        AwsError: another database has the identifier.
    """
    if new_id in ministack.databases:
        raise _fault("DBInstanceAlreadyExists", f"DB instance {new_id} already exists")
    record = ministack.databases.pop(id_)
    arn = f"{str(record['DBInstanceArn']).rpartition(':')[0]}:{new_id}"
    ministack.databases[new_id] = record | {"DBInstanceIdentifier": new_id, "DBInstanceArn": arn}
    servers.name_endpoint(new_id)
    owner = ministack.account(), ministack.region()
    DATABASES.rename((*owner, id_), (*owner, new_id))


def _with_password_secrets(body: bytes) -> bytes:
    """Return a description of databases with the administrators' secrets, as RDS describes them."""
    for id_, database in ministack.databases.items():
        kept = database.get("MasterUserSecret")
        if kept:
            identifier = f"<DBInstanceIdentifier>{escape(id_)}</DBInstanceIdentifier>"
            secret = (
                f"<MasterUserSecret><SecretArn>{escape(kept['SecretArn'])}</SecretArn>"
                f"<SecretStatus>{kept['SecretStatus']}</SecretStatus></MasterUserSecret>"
            )
            body = body.replace(identifier.encode(), f"{identifier}{secret}".encode())
    return body


def _delete_password_secret(kept: dict[str, Any] | None) -> None:
    names = [
        name
        for name, item in ministack.secrets.items()
        if kept and item["ARN"] == kept["SecretArn"]
    ]
    for name in names:
        del ministack.secrets[name]


def _subscribe(logical_id: str, properties: Properties, stack: str) -> Made:
    name = properties.get("SubscriptionName") or ministack.physical_name(stack, logical_id).lower()
    return _put_subscription(name, properties)


def _put_subscription(name: str, properties: Properties) -> Made:
    kind = properties.get("SourceType")
    for item in properties.get("SourceIds") or []:
        if kind == "db-instance" and item not in ministack.databases:
            raise _fault("SourceNotFound", f"DB instance {item} not found")
    subscriptions[name] = dict(properties)
    return name, {}


def _update_subscription(name: str, _old: Properties, new: Properties, _stack: str) -> Made:
    return _put_subscription(name, new)


def _unsubscribe(name: str, _properties: Properties) -> None:
    subscriptions.pop(name, None)


def _describe_subscriptions(_asked: dict[str, Any]) -> Any:
    description = "".join(
        "<EventSubscription>"
        f"<CustSubscriptionId>{escape(name)}</CustSubscriptionId>"
        f"<SnsTopicArn>{escape(item['SnsTopicArn'])}</SnsTopicArn><Status>active</Status>"
        f"<SourceType>{escape(item.get('SourceType', ''))}</SourceType>"
        f"<EventCategoriesList>{_listed(item.get('EventCategories'), 'EventCategory')}"
        "</EventCategoriesList></EventSubscription>"
        for name, item in subscriptions.items()
    )
    result = f"<EventSubscriptionsList>{description}</EventSubscriptionsList>"
    return ministack.rds_answer(
        200,
        "DescribeEventSubscriptionsResponse",
        f"<DescribeEventSubscriptionsResult>{result}</DescribeEventSubscriptionsResult>",
    )


def _listed(values: list[str] | None, tag: str) -> str:
    return "".join(f"<{tag}>{escape(item)}</{tag}>" for item in values or [])


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def install() -> None:
    """Declare the resource types of RDS, and answer RDS's calls."""
    handler = ministack.handlers[KIND]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def created(logical_id: str, properties: Properties, stack: str) -> Made:
        id_, attributes = create(logical_id, properties, stack)
        backups.replicate(id_, properties)
        return id_, {**attributes, **servers.name_endpoint(id_), **_ensured(id_, properties)}

    def updated(
        id_: str, old: Properties, new: Properties, stack: str, logical_id: str = ""
    ) -> Made:
        new_id, attributes = update(id_, old, new, stack, logical_id)
        backups.replicate(new_id, new)
        return new_id, {**attributes, **servers.name_endpoint(new_id), **_ensured(new_id, new)}

    def deleted(id_: str, properties: Properties) -> None:
        kept = (ministack.databases.get(id_) or {}).get("MasterUserSecret")
        delete(id_, properties)
        _delete_password_secret(kept)
        if id_ not in ministack.databases:
            DATABASES.forget((ministack.account(), ministack.region(), id_))

    handler.update(create=created, update=updated, delete=deleted)
    resource_types.check(KIND, _check_settings, _check_references, backups.check)
    resource_types.before_delete(KIND, _check_protection)
    resource_types.check(SUBNETS, _check_two_zones)
    resource_types.declare(
        EVENTS, create=_subscribe, update=_update_subscription, delete=_unsubscribe
    )
    ministack.rds_actions["DescribeEventSubscriptions"] = _describe_subscriptions
    modify, describe = (
        ministack.rds_actions[name] for name in ("ModifyDBInstance", "DescribeDBInstances")
    )

    def described(asked: dict[str, Any]) -> Any:
        status, headers, body = describe(asked)
        return status, headers, _with_password_secrets(body)

    def modified(asked: dict[str, Any]) -> Any:
        answer = modify(asked)
        id_ = str(_first(asked.get("DBInstanceIdentifier")))
        if id_ in ministack.databases and resource_types.truth(_first(asked.get(MANAGED))):
            properties = {**ministack.databases[id_], MANAGED: True}
            _ensured(id_, properties)
        new_id = _first(asked.get("NewDBInstanceIdentifier"))
        if new_id and id_ in ministack.databases:
            _rename(id_, str(new_id))
        return answer

    ministack.rds_actions["ModifyDBInstance"] = modified
    ministack.rds_actions["DescribeDBInstances"] = described
    backups.install()
    servers.install()
