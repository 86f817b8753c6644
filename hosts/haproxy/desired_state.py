"""The desired state of a HAProxy host: the value of its SSM parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hosts.common import json_object
from hosts.haproxy.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hosts.common.aws_cli import AwsCli


@dataclass(frozen=True)
class DesiredState:
    """The desired state of a HAProxy host.

    Attributes:
        program: S3 address of the archive of this program.
        file: S3 address of HAProxy's configuration.
        drop_in: text of the drop-in for HAProxy's systemd unit.
        certificate: ARN of the secret with the TLS certificate for clients, empty for none.
        authority: ARN of the secret with the CA certificates of nodes, empty for none.
        health_port: port of HAProxy's own health check.
        metrics: namespace of the metrics that the host publishes, empty if it publishes none.
        cluster: name of the cluster, for the metrics.
        log_group: log group in CloudWatch Logs for the journal, empty for none.
    """

    program: str
    file: str
    drop_in: str
    certificate: str
    authority: str
    health_port: int
    metrics: str = ""
    cluster: str = ""
    log_group: str = ""

    @classmethod
    def parse(cls, text: str) -> DesiredState:
        """Return the desired state in a JSON text.

        Raises:
            Failed: The text has an unexpected format.
        """
        try:
            data: Mapping[str, Any] = json_object.parse(text)
            return cls(
                program=str(data["program"]),
                file=str(data["file"]),
                drop_in=str(data["drop_in"]),
                # CloudFormation leaves out keys without a value, so a key may be missing.
                certificate=str(data.get("certificate") or ""),
                authority=str(data.get("authority") or ""),
                health_port=int(data["health_port"]),
                metrics=str(data.get("metrics") or ""),
                cluster=str(data.get("cluster") or ""),
                log_group=str((data.get("logs") or {}).get("group") or ""),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            message = (
                "the SSM parameter does not contain the desired state of a HAProxy host"
                f" ({error!r}): deploy the stack again"
            )
            raise Failed(message) from None


def fetch(aws: AwsCli, parameter: str) -> DesiredState:
    """Return the desired state in an SSM parameter.

    Raises:
        AwsError: The parameter cannot be read.
        Failed: The value has an unexpected format.
    """
    return DesiredState.parse(aws.parameter(parameter))
