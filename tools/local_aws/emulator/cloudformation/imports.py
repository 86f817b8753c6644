"""Import change sets: the types of a hand-made load balancer, with what AWS checks.

MiniStack has import change sets with AWS's refusals, and this module adds the types of load
balancers. As on AWS, an import checks that each resource exists, that it belongs to no other stack,
that its properties adhere to the schema of its type and that it has a DeletionPolicy. An import
does not compare the template with what runs, and changes nothing (AWS CloudFormation User Guide,
"Import AWS resources into a CloudFormation stack manually").
"""

from collections.abc import Callable
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation.resource_types import SCHEMAS, Made, schema_check
from tools.local_aws.emulator.ec2 import security_groups
from tools.local_aws.emulator.elb import listeners, load_balancers, target_groups
from tools.local_aws.emulator.errors import AwsError, InvalidRequestError
from tools.local_aws.emulator.ministack import private

Read = Callable[[str], dict[str, Any]]
"""Function that returns the attributes of an existing resource by its id, or raises AwsError."""


def _security_group(id_: str) -> dict[str, Any]:
    record = security_groups.group(id_)
    return {"Id": id_, "GroupId": id_, "VpcId": record["VpcId"]}


def _listener(arn: str) -> dict[str, Any]:
    listeners.listener(arn)
    return {"ListenerArn": arn}


def _load_balancer(arn: str) -> dict[str, Any]:
    return load_balancers.returned_attributes(load_balancers.balancer(arn))


def _target_group(arn: str) -> dict[str, Any]:
    target_groups.group(arn)
    return target_groups.returned_attributes(arn)


_READ: dict[str, Read] = {
    load_balancers.KIND: _load_balancer,
    target_groups.KIND: _target_group,
    listeners.KIND: _listener,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::EC2::SecurityGroupIngress": lambda id_: security_groups.rule(id_, "ingress"),
    "AWS::EC2::SecurityGroupEgress": lambda id_: security_groups.rule(id_, "egress"),
}


def _lookup(read: Read) -> Callable[[str], str | None]:
    """Return a function that returns why a resource cannot be imported; None if it can be."""

    def problem(id_: str) -> str | None:
        try:
            read(id_)
        except AwsError as error:
            return str(error)
        return None

    return problem


def _unknown(kind: str) -> Callable[..., str]:
    return lambda *_identifier: f"the local AWS does not import resources of type {kind}"


def _import(read: Read, key: str) -> Callable[[dict[str, str]], Made]:
    return lambda identifier: (identifier[key], read(identifier[key]))


def _check_schemas(changes: Callable[..., Any]) -> Callable[..., Any]:
    """Check the properties of the imported resources before CreateChangeSet's other checks."""

    def checked(entries: list[dict[str, Any]], template: dict[str, Any], diff: Any) -> Any:
        for entry in entries:
            kind, logical_id = entry["ResourceType"], entry["LogicalResourceId"]
            declared = template.get("Resources", {}).get(logical_id, {})
            if kind in SCHEMAS and declared.get("Type") == kind:
                try:
                    schema_check(kind)(declared.get("Properties") or {})
                except InvalidRequestError as error:
                    raise ValueError(str(error)) from None
        return changes(entries, template, diff)

    return checked


def install() -> None:
    """Add to the resource types the look-up of existing resources, and the handler of imports."""
    lookups = private(ministack.changesets, "_IMPORT_LOOKUPS")
    for kind, schema in SCHEMAS.items():
        if kind in _READ:
            read = _READ[kind]
            (key,) = schema["identifier"]
            lookups[kind] = ((key,), _lookup(read))
            ministack.handlers[kind]["import"] = _import(read, key)
        elif "import" not in ministack.handlers[kind]:
            lookups[kind] = (tuple(schema["identifier"]), _unknown(kind))
    name = "_import_changes"
    before = private(ministack.changesets, name)
    ministack.replace(ministack.changesets, name, _check_schemas(before))
