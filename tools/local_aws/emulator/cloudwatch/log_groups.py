"""Log groups of CloudFormation: AWS generates the name of a log group without a name."""

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties

KIND = "AWS::Logs::LogGroup"
_NAME = "LogGroupName"
_LONGEST_NAME = 512
"""Maximum length of a log group's name (AWS, CloudWatch Logs API Reference, CreateLogGroup)."""


def install() -> None:
    """Give log groups without a name the name STACK-LOGICALID-SUFFIX, not MiniStack's name.

    MiniStack's names contain slashes.
    """
    handler = ministack.handlers[KIND]
    create, update = handler["create"], handler["update"]

    def named_create(logical_id: str, properties: Properties, stack: str) -> Made:
        name = ministack.physical_name(stack, logical_id, max_len=_LONGEST_NAME)
        made: Made = create(logical_id, {_NAME: name, **properties}, stack)
        return made

    def named_update(
        physical_id: str, old: Properties, new: Properties, stack: str, *logical_id: str
    ) -> Made:
        name = {_NAME: physical_id}
        made: Made = update(physical_id, {**name, **old}, {**name, **new}, stack, *logical_id)
        return made

    handler["create"], handler["update"] = named_create, named_update
