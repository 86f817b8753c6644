"""What a node shall be: its SSM parameter, which a deploy writes (`derived.node_state`)."""

import json
from collections.abc import Mapping
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import Failed, NotFound
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.environment import names

NodeState = Mapping[str, Any]


def read_desired_state(
    aws: Aws, environment: str, place: StackLocation, node: str
) -> NodeState | None:
    """A node's desired state; None where it has none, such as one that existed before.

    Raises:
        Failed: it is no JSON object.
        AwsError: AWS does not answer, or does not permit.
    """
    name = names.node_parameter(environment, place.name, node)
    try:
        with translated_errors():
            shown = aws.client("ssm", place.region).get_parameter(Name=name)
    except NotFound:
        return None
    try:
        state = json.loads(shown["Parameter"]["Value"])
    except ValueError:
        state = None
    if not isinstance(state, dict):
        message = f"the parameter {name} is no JSON object: deploy the cluster again"
        raise Failed(message)
    return state
