"""cfn-lint, imported only when a test needs it, since the import takes each worker seconds."""

# ruff: noqa: PLC0415 - the import takes seconds

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tests.support.assembly import Template


def findings(template: Template, region: str, *, ignored: Sequence[str] = ()) -> list[str]:
    """Return the findings of cfn-lint on a template, except for the ignored rules."""
    from cfnlint.config import ConfigMixIn, ManualArgs
    from cfnlint.decode.decode import decode_str
    from cfnlint.runner import run_template_by_data

    decoded, errors = decode_str(json.dumps(template))
    if errors:
        return [str(error) for error in errors]
    # `cfnlint.api.lint` would read all rules for each template, which is most of the time for a
    # small template.
    config = ConfigMixIn(**ManualArgs(regions=[region], ignore_checks=[*ignored]))
    return [str(match) for match in run_template_by_data(decoded, config, _rules())]


@cache
def _rules() -> Any:
    """Return cfn-lint's rules, read once and used for all templates, as cfn-lint's command does."""
    from cfnlint.config import ConfigMixIn, ManualArgs
    from cfnlint.runner import Runner

    return Runner(ConfigMixIn(**ManualArgs())).rules


def schema(kind: str) -> Mapping[str, Any]:
    """Return the schema of a resource type, as CloudFormation publishes it."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    published: Mapping[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(
        "us-east-1", kind
    ).schema
    return published
