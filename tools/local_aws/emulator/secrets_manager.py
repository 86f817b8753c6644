"""Secrets of Secrets Manager.

MiniStack makes the secrets. This module corrects two things: `Ref` returns the ARN instead of the
name, and a password has no punctuation if the template excludes punctuation.
"""

import string
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties

KIND = "AWS::SecretsManager::Secret"


def arn_of(name: str) -> str:
    """Return the ARN of a secret."""
    return str(ministack.secrets[name]["ARN"])


def _name(id_: str) -> str:
    return next((name for name, item in ministack.secrets.items() if item["ARN"] == id_), id_)


def _generated(properties: Properties) -> Properties:
    request = properties.get("GenerateSecretString")
    if not request or not resource_types.truth(request.get("ExcludePunctuation")):
        return properties
    without = request.get("ExcludeCharacters", "") + string.punctuation
    return {**properties, "GenerateSecretString": {**request, "ExcludeCharacters": without}}


def install() -> None:
    """Correct MiniStack's handlers of secrets."""
    handler: dict[str, Any] = ministack.handlers[KIND]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def created(logical_id: str, properties: Properties, stack: str) -> Made:
        name, attributes = create(logical_id, _generated(properties), stack)
        return arn_of(name), attributes

    def updated(
        id_: str, old: Properties, new: Properties, stack: str, logical_id: str = ""
    ) -> Made:
        name, attributes = update(_name(id_), _generated(old), _generated(new), stack, logical_id)
        return arn_of(name), attributes

    def deleted(id_: str, properties: Properties) -> None:
        delete(_name(id_), properties)

    handler.update(create=created, update=updated, delete=deleted)
