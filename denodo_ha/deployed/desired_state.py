"""Desired state of a node: the SSM parameter that a deploy writes (`derived.node_state`)."""

from collections.abc import Mapping
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import Failed, NotFound
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.environment import names
from denodo_ha.environment.loading.bounded_document import parse_json_answer

NodeState = Mapping[str, Any]


def read_desired_state(
    aws: Aws, environment: str, place: StackLocation, node: str
) -> NodeState | None:
    """Read a node's desired state; None if there is none, for example for an adopted instance.

    Raises:
        Failed: The parameter is not a JSON object.
        AwsError: AWS did not answer, or denied the call.
    """
    name = names.node_parameter(environment, place.name, node)
    try:
        with translated_errors():
            response = aws.client("ssm", place.region).get_parameter(Name=name)
            text = str(response["Parameter"]["Value"])
    except NotFound:
        return None
    try:
        state = parse_json_answer(text)
    except ValueError:
        state = None
    if not isinstance(state, dict):
        message = (
            f"the SSM parameter {name}, the desired state of {node}, is not a JSON object: deploy "
            f"cluster {place.name} again"
        )
        raise Failed(message)
    return state
