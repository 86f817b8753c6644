"""Failed creations of the resources that a test names, and what the rollback leaves behind.

A resource that cannot be deleted in a rollback remains in its stack, which is then ROLLBACK_FAILED
(AWS CloudFormation User Guide, "Stack failure options"). Without this module, MiniStack loses
such a resource.
"""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.errors import AwsError

_FAILED = "DELETE_FAILED"
_UNAVAILABLE = "ServiceUnavailable", "The service is not available. Please try again."
faults = ministack.AccountRegionScopedDict()


def set_faults(
    stack: str, logical_ids: list[str], error: tuple[str, str] = _UNAVAILABLE
) -> list[str]:
    """Make the creation of exactly these resources of a stack fail from now on.

    Args:
        stack: the stack.
        logical_ids: logical ids of the resources; they need not exist yet.
        error: code and message of the error, for example of InsufficientInstanceCapacity.
    """
    for fault in [fault for fault in faults if fault[0] == stack]:
        del faults[fault]
    for logical_id in logical_ids:
        faults[stack, logical_id] = error
    return logical_ids


def _failing(create: Any) -> Any:
    def created(logical_id: str, properties: Properties, stack: str) -> Made:
        if (stack, logical_id) in faults:
            code, message = faults[stack, logical_id]
            raise AwsError(code, message, service="Local", status=503)
        made: Made = create(logical_id, properties, stack)
        return made

    return created


def _remember_undeleted(stack: dict[str, Any]) -> None:
    """Restore in a stack's record the resources that a creation's rollback did not delete."""
    if stack.get("StackStatus") != "ROLLBACK_FAILED":
        return
    # In creation order: a later deletion of the stack deletes its resources in reverse order.
    for logical_id, resource in reversed(stack.get("_rollback_failed", {}).items()):
        times = {"Timestamp": ministack.private(ministack.lifecycle, "now_iso")()}
        stack["_resources"][logical_id] = {**resource, **times, "ResourceStatus": _FAILED}


def install() -> None:
    """Add the faults to every resource type, and keep resources that a rollback does not delete."""
    for handler in ministack.handlers.values():
        if "create" in handler:
            handler["create"] = _failing(handler["create"])
    roll_back = ministack.private(ministack.lifecycle, "_roll_back_operation")

    async def remembering(
        name: str, id_: str, stack: dict[str, Any], *arguments: Any, **options: Any
    ) -> None:
        await roll_back(name, id_, stack, *arguments, **options)
        _remember_undeleted(stack)

    for module in (ministack.lifecycle, ministack.operations):
        ministack.replace(module, "_roll_back_operation", remembering)
    # MiniStack's validation before a deploy refuses an existing bucket even if the change set
    # imports the bucket. Without this validation, only the creation of an existing bucket fails.
    ministack.replace(ministack.provisioners, "s3_bucket_name_conflict", lambda _name: None)
