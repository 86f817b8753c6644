"""Failed creations: stacks whose first deploy failed, and the resources that block the next deploy.

    failed = failed_creation(aws, location, after, deploy="npx cdk deploy -c config=prod")

The rollback of a creation cannot delete resources with deletion protection, so the failed stack and
these resources remain. A bucket with the deletion policy Retain also remains, with the name that
the new stack needs (AWS CloudFormation User Guide, "DeletionPolicy attribute").
"""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.template_document import Template
from denodo_ha.cli.errors import NotFound
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.stack import Stack, resources_of

_ROLLED_BACK: Final = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
"""Statuses of stacks that the CDK CLI deletes and creates again in the next deploy."""
_TO_DELETE: Final = {"CREATE_FAILED", "DELETE_FAILED"}
"""Statuses of stacks that an operator must delete before the next deploy."""

_BUCKET: Final = "AWS::S3::Bucket"
_DATABASE: Final = "AWS::RDS::DBInstance"
_BALANCER: Final = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_PROTECTION: Final = "deletion_protection.enabled"
_MISSING: Final = 404


@dataclass(frozen=True)
class Leftover:
    """A resource that would make the next deploy of its stack fail.

    Attributes:
        resource: kind and name of the resource.
        why: why the resource exists, and why it would make the next deploy fail.
        free: the command that makes the resource deletable; empty if the deploy takes the resource
            into the new stack.
        instead: a command for an operator who does not want the resource in the new stack, with the
            command's condition; empty if there is no such command.
    """

    resource: str
    why: str
    free: str = ""
    instead: str = ""


@dataclass(frozen=True)
class FailedCreation:
    """A stack whose creation failed, or that does not exist, and whose next deploy would fail.

    Attributes:
        stack: name of the stack.
        status: its status; empty if there is no stack.
        leftovers: the resources that would make the next deploy fail.
        commands: the commands to run, in this order.
    """

    stack: str
    status: str
    leftovers: tuple[Leftover, ...]
    commands: tuple[str, ...]


def is_failed(stack: Stack) -> bool:
    """Return whether a stack's creation failed, so that the next deploy creates all resources."""
    return stack.status in _ROLLED_BACK | _TO_DELETE


def failed_creation(
    aws: Aws, location: StackLocation, stack: Stack | None, after: Template, *, deploy: str
) -> FailedCreation | None:
    """Return why the next deploy of a stack would fail, and the remedy; None if it would not fail.

    Args:
        aws: the credentials.
        location: location of the stack.
        stack: the stack with its failed creation, None if it does not exist.
        after: the template to deploy.
        deploy: the command that deploys, to which the stack's name is added.

    Raises:
        AwsError: AWS did not answer, or denied a call.
    """
    kept = list(_kept_buckets(aws, location, after))
    protected = list(_protected(aws, stack)) if stack is not None else []
    must_delete = stack is not None and stack.status in _TO_DELETE
    if not (kept or protected or must_delete):
        return None
    profile = f" --profile {shlex.quote(aws.profile)}" if aws.profile else ""
    commands = [item.free for item in protected]
    if must_delete:
        name = f"--region {location.region} --stack-name {location.stack}"
        commands += [
            f"aws cloudformation delete-stack {name}",
            f"aws cloudformation wait stack-delete-complete {name}",
        ]
    adopts = any(not item.free for item in kept)
    commands.append(f"{deploy} {location.stack}{' --import-existing-resources' * adopts}")
    return FailedCreation(
        stack=location.stack,
        status=stack.status if stack is not None else "",
        leftovers=(*protected, *kept),
        commands=tuple(f"{command}{profile}" for command in commands),
    )


def _kept_buckets(aws: Aws, location: StackLocation, after: Template) -> Iterator[Leftover]:
    """Yield the buckets of the new template that already exist, because an old stack kept them."""
    for kind, properties in resources_of(after).values():
        name = properties.get("BucketName")
        if kind != _BUCKET or not isinstance(name, str):
            continue
        if _bucket_exists(aws, location.region, name):
            yield Leftover(
                f"bucket {name}",
                "the bucket was kept when its stack was rolled back or deleted, and has the name "
                "that the stack needs: the deploy adopts the bucket with its contents",
                instead="to delete the bucket instead, if it is empty: "
                f"aws s3api delete-bucket --region {location.region} --bucket {name}",
            )


def _bucket_exists(aws: Aws, region: str, name: str) -> bool:
    with translated_errors():
        try:
            aws.client("s3", region).head_bucket(Bucket=name)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == _MISSING:
                return False
            raise
    return True


def _protected(aws: Aws, stack: Stack) -> Iterator[Leftover]:
    """Yield the resources of a stack with deletion protection, which block the stack's deletion."""
    readers: dict[str, Callable[[Any, str, str], Leftover | None]] = {
        _DATABASE: _protected_database,
        _BALANCER: _protected_balancer,
    }
    services = {_DATABASE: "rds", _BALANCER: "elbv2"}
    for logical_id, (kind, _) in resources_of(stack.template).items():
        id_ = stack.physical_ids.get(logical_id)
        if kind not in readers or id_ is None:
            continue
        try:
            with translated_errors():
                client = aws.client(services[kind], stack.region)
                leftover = readers[kind](client, stack.region, id_)
        except NotFound:
            continue
        if leftover is not None:
            yield leftover


def _protected_database(client: Any, region: str, id_: str) -> Leftover | None:
    (database,) = client.describe_db_instances(DBInstanceIdentifier=id_)["DBInstances"]
    if not database.get("DeletionProtection"):
        return None
    return Leftover(
        f"database {id_}",
        "the database is protected from deletion, so the failed stack cannot be removed; no node "
        "has used the database",
        free=f"aws rds modify-db-instance --region {region} --db-instance-identifier {id_} "
        "--no-deletion-protection",
    )


def _protected_balancer(client: Any, region: str, arn: str) -> Leftover | None:
    attributes = client.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    if {"Key": _PROTECTION, "Value": "true"} not in attributes:
        return None
    return Leftover(
        f"load balancer {arn.rpartition('loadbalancer/')[2]}",
        "the load balancer is protected from deletion, so the failed stack cannot be removed",
        free=f"aws elbv2 modify-load-balancer-attributes --region {region} "
        f"--load-balancer-arn {arn} --attributes Key={_PROTECTION},Value=false",
    )
