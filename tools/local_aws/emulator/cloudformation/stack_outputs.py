"""`Fn::GetStackOutput`: an output of a stack in another region, or in the account of a role.

Without this module, MiniStack searches only the caller's account and region.
"""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.errors import InvalidRequestError

_FUNCTION = "Fn::GetStackOutput"
_GONE = ("DELETE_COMPLETE",)


def _account_of(role: str | None) -> str:
    """Return the account of a role's ARN; without a role, the caller's account."""
    if not role:
        return str(ministack.account())
    account = role.split(":")[4]
    with ministack.acting_for(account, ministack.region()):
        if role.rpartition("/")[2] not in ministack.roles:
            message = f"{_FUNCTION}: the role {role} does not exist or cannot be assumed"
            raise InvalidRequestError(message)
    return account


def output(spec: dict[str, str]) -> str:
    """Return the output that `Fn::GetStackOutput` names, or raise InvalidRequestError."""
    region = spec.get("Region") or ministack.region()
    account = _account_of(spec.get("RoleArn"))
    stack = ministack.all_stacks.get_scoped(account, region, spec.get("StackName", ""))
    if stack is None or stack.get("StackStatus") in _GONE:
        message = (
            f"{_FUNCTION}: stack {spec.get('StackName')} does not exist in {region} of {account}"
        )
        raise InvalidRequestError(message)
    for item in stack.get("Outputs", []):
        if item["OutputKey"] == spec.get("OutputName"):
            return str(item["OutputValue"])
    message = f"{_FUNCTION}: stack {spec['StackName']} has no output {spec.get('OutputName')}"
    raise InvalidRequestError(message)


def install() -> None:
    """Make every MiniStack module that resolves references resolve `Fn::GetStackOutput` as well."""
    resolve = ministack.private(ministack.engine, "_resolve_refs")

    def resolved(value: Any, *context: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {_FUNCTION}:
            spec = {key: resolved(part, *context) for key, part in value[_FUNCTION].items()}
            return output(spec)
        return resolve(value, *context)

    for module in (ministack.engine, *ministack.resolving):
        ministack.replace(module, "_resolve_refs", resolved)
