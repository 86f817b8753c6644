"""Roles and instance profiles: referenced resources must exist, and `Ref` returns the name."""

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

PROFILE = "AWS::IAM::InstanceProfile"
ROLE = "AWS::IAM::Role"
_AWS_OWN = "arn:aws:iam::aws:policy/"


def _fault(code: str, message: str, status: int = 404) -> AwsError:
    return AwsError(code, message, service="Iam", status=status)


def _role(name: str) -> str:
    if name not in ministack.roles:
        message = f"The role with name {name} cannot be found."
        raise _fault("NoSuchEntity", message)
    return name


def _profile_roles(properties: Properties) -> list[str]:
    names = [_role(name) for name in properties.get("Roles") or []]
    if len(names) > 1:
        message = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
        raise _fault("LimitExceeded", message, 409)
    return names


def _create_profile(logical_id: str, properties: Properties, stack: str) -> Made:
    roles = _profile_roles(properties)
    name = properties.get("InstanceProfileName") or ministack.physical_name(stack, logical_id)
    if name in ministack.instance_profiles:
        message = f"Instance Profile {name} already exists."
        raise _fault("EntityAlreadyExists", message, 409)
    form = {"InstanceProfileName": [name], "Path": [properties.get("Path", "/")]}
    private(ministack.iam, "_create_instance_profile")(form)
    profile = ministack.instance_profiles[name]
    profile["Roles"] = roles
    return name, {"Arn": profile["Arn"]}


def _update_profile(name: str, _old: Properties, new: Properties, _stack: str) -> Made:
    profile = ministack.instance_profiles[name]
    profile["Roles"] = _profile_roles(new)
    return name, {"Arn": profile["Arn"]}


def _delete_profile(name: str, _properties: Properties) -> None:
    ministack.instance_profiles.pop(name, None)


def _check_policies(properties: Properties) -> None:
    """Check that managed policies and the permissions boundary exist, in AWS or the account."""
    boundary = properties.get("PermissionsBoundary")
    for arn in [*resource_types.as_list(properties.get("ManagedPolicyArns")), boundary]:
        # An empty list parameter resolves to an empty text, as in the CDK's bootstrap stack.
        if arn and not str(arn).startswith(_AWS_OWN) and arn not in ministack.policies:
            message = f"Policy {arn} does not exist or is not attachable."
            raise _fault("NoSuchEntity", message)


def _check_inline_targets(properties: Properties) -> None:
    for name in properties.get("Roles") or []:
        _role(name)


def _check_no_profile(name: str, _properties: Properties) -> None:
    for profile in ministack.instance_profiles.values():
        if name in profile["Roles"]:
            message = "Cannot delete entity, must remove roles from instance profile first."
            raise _fault("DeleteConflict", message, 409)


def make_policy(arn: str) -> None:
    """Make a managed policy without permissions under a given ARN."""
    name = arn.rpartition("/")[2]
    path = arn.partition(":policy")[2].removesuffix(name)
    nothing = '{"Version":"2012-10-17","Statement":[]}'
    ministack.iam.store_policy(arn, name, path, nothing)


def install() -> None:
    """Declare instance profiles, and add checks to MiniStack's roles and policies."""
    resource_types.declare(
        PROFILE, create=_create_profile, update=_update_profile, delete=_delete_profile
    )
    resource_types.check(ROLE, _check_policies)
    resource_types.check("AWS::IAM::Policy", _check_inline_targets)
    resource_types.before_delete(ROLE, _check_no_profile)
