"""Logs of the machines, which CloudWatch Logs keeps after a machine is terminated."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, Field

from denodo_ha.environment.model.aws_field_types import KmsKeyArn, Region
from denodo_ha.environment.model.field_types import Flag
from denodo_ha.environment.model.section import Section

RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
]  # fmt: skip
"""Numbers of days that CloudWatch Logs can keep events (AWS, CloudWatch Logs API Reference,
PutRetentionPolicy)."""
RETENTION_DAYS: Final = frozenset(get_args(RetentionDays))


class Logs(Section):
    """Log group of each cluster, to which its machines send their logs."""

    retention_days: RetentionDays = 30
    """Days for which the log groups keep the events."""
    kms_key: Annotated[Mapping[Region, KmsKeyArn], Field(min_length=1)] | None = None
    """Key that encrypts the log group in each region: a map of region to the ARN of a key whose \
policy lets CloudWatch Logs use the key (docs/how-to/logs.md); default: CloudWatch Logs encrypts \
the log groups with its own key."""
    statements: Flag = False
    """Also send the files with the statements of users (vdp-queries.log and vdp-requests.log). \
These files are large, and contain the values in the statements."""


def _logs_of_flag(value: Any) -> Any:
    """Convert `true` to logs with default settings, and `false` to no logs."""
    if value is True:
        return {}
    return None if value is False else value


LogsEntry = Annotated[
    Logs | None,
    BeforeValidator(_logs_of_flag, json_schema_input_type=bool | Logs | None),
]
