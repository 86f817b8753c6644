"""Calls to AWS with the command `aws` of the image and the IAM role of the instance.

No other module of the host programs calls AWS. This module never passes a secret as an argument,
logs a secret, or stores a secret in a file that has a name.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hosts.common import json_object
from hosts.common.errors import AwsCliMissingError, AwsError
from hosts.common.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hosts.common.log_events import LogEvent

_MORE_PATH = ("/snap/bin",)
"""Folders to add to PATH: Ubuntu installs the AWS CLI as a snap, whose folder is not in the PATH of
SSM documents and systemd units."""
_UNIQUE_ID_LENGTH = 64
"""Maximum length of a signal's `UniqueId` (CloudFormation API Reference, SignalResource)."""


@dataclass(frozen=True)
class AwsCli:
    """The AWS CLI.

    Every method raises `AwsError` if the call fails and `AwsCliMissingError` if the command
    cannot be run.

    Attributes:
        program: name or path of the command.
        region: region of the calls; empty: the region that the AWS CLI determines.
        call_seconds: time limit of an API call.
        copy_seconds: time limit of a copy from or to S3.
    """

    program: str = "aws"
    region: str = ""
    call_seconds: float = 60
    copy_seconds: float = 600

    def parameter(self, name: str) -> str:
        """Return the value of an SSM parameter."""
        answer = self._call("ssm", "get-parameter", f"--name={name}")
        try:
            return str(answer["Parameter"]["Value"])
        except (KeyError, TypeError):
            message = f"AWS's answer for the SSM parameter {name} contains no value"
            raise AwsError(message) from None

    def secret(self, arn: str, version: str = "") -> str:
        """Return the text of a secret.

        Args:
            arn: ARN of the secret.
            version: id of a version of the secret, empty for the current version.
        """
        options = [f"--version-id={version}"] if version else []
        answer = self._call("secretsmanager", "get-secret-value", f"--secret-id={arn}", *options)
        try:
            return str(answer["SecretString"])
        except KeyError:
            message = f"the secret {arn} has no text; store the value as text, not as binary"
            raise AwsError(message) from None

    def copy_object(self, uri: str, path: Path) -> None:
        """Copy an S3 object to a file."""
        self._run("s3", "cp", "--no-progress", uri, str(path), seconds=self.copy_seconds)

    def copy_beginning(self, uri: str, path: Path, most_bytes: int) -> None:
        """Copy the first `most_bytes` bytes of an S3 object; a large object could fill the disk."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self._run(
            *("s3api", "get-object", f"--bucket={bucket}", f"--key={key}"),
            *(f"--range=bytes=0-{most_bytes - 1}", str(path)),
            seconds=self.copy_seconds,
        )

    def put_object(self, bucket: str, key: str, path: Path) -> str:
        """Upload a file to a versioned bucket in one call; return the version id of the object.

        The id is empty if the bucket is not versioned.
        """
        answer = self._call(
            *("s3api", "put-object", f"--bucket={bucket}", f"--key={key}", f"--body={path}"),
            seconds=self.copy_seconds,
        )
        return str(answer.get("VersionId", ""))

    def get_object(self, bucket: str, key: str, path: Path, version: str = "") -> bool:
        """Copy an S3 object, or one version of the object, to a file.

        Returns:
            Whether the object exists.
        """
        options = [f"--version-id={version}"] if version else []
        try:
            self._run(
                *("s3api", "get-object", f"--bucket={bucket}", f"--key={key}", *options, str(path)),
                seconds=self.copy_seconds,
            )
        except AwsError as error:
            if "(NoSuchKey)" in str(error):
                return False
            raise
        return True

    def put_datapoint(self, namespace: str, metric: str, value: float) -> None:
        """Put a datapoint of a custom metric, with the current time."""
        self._run(
            *("cloudwatch", "put-metric-data", f"--namespace={namespace}"),
            *(f"--metric-name={metric}", f"--value={value}"),
            seconds=self.call_seconds,
        )

    def signal_resource(self, stack: str, resource: str, unique_id: str, *, success: bool) -> None:
        """Signal success or failure of a resource to CloudFormation.

        `unique_id` starts with the id of the instance (AWS, SignalResource). A signal has no field
        for a reason, but CloudFormation shows `unique_id` in the stack's events. So for a failure,
        `unique_id` also contains the reason. `unique_id` is truncated to the maximum length.
        """
        self._run(
            "cloudformation",
            "signal-resource",
            f"--stack-name={stack}",
            f"--logical-resource-id={resource}",
            f"--unique-id={' '.join(unique_id.split())[:_UNIQUE_ID_LENGTH]}",
            f"--status={'SUCCESS' if success else 'FAILURE'}",
            seconds=self.call_seconds,
        )

    def put_metric_data(
        self, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float]
    ) -> None:
        """Put a value of each custom metric in one call; all metrics have the same dimensions."""
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        data = [
            {"MetricName": name, "Dimensions": named, "Value": value}
            for name, value in values.items()
        ]
        self._run(
            *("cloudwatch", "put-metric-data", f"--namespace={namespace}"),
            f"--metric-data={json.dumps(data)}",
            seconds=self.call_seconds,
        )

    def put_log_events(self, group: str, stream: str, events: Sequence[LogEvent]) -> None:
        """Put a batch of events into a stream of a log group; create the stream if it is missing.

        The events are passed on standard input.
        """
        request = {
            "logGroupName": group,
            "logStreamName": stream,
            "logEvents": [
                {"timestamp": event.time_ms, "message": event.message} for event in events
            ],
        }
        try:
            self._put_log_events(request)
        except AwsError as error:
            if "(ResourceNotFoundException)" not in str(error):
                raise
            self._create_log_stream(group, stream)
            self._put_log_events(request)

    def _put_log_events(self, request: dict[str, Any]) -> None:
        self._run(
            *("logs", "put-log-events", "--cli-input-json", "file:///dev/stdin"),
            seconds=self.call_seconds,
            stdin=json.dumps(request),
        )

    def _create_log_stream(self, group: str, stream: str) -> None:
        try:
            self._run(
                *("logs", "create-log-stream"),
                *(f"--log-group-name={group}", f"--log-stream-name={stream}"),
                seconds=self.call_seconds,
            )
        except AwsError as error:
            if "(ResourceAlreadyExistsException)" not in str(error):
                raise

    def _call(self, *arguments: str, seconds: float | None = None) -> dict[str, Any]:
        text = self._run(*arguments, "--output", "json", seconds=seconds or self.call_seconds)
        try:
            answer = json_object.parse(text)
        except ValueError as error:
            message = f"aws {' '.join(arguments[:2])}: the output is not JSON: {error}"
            raise AwsError(message) from None
        if not isinstance(answer, dict):
            message = f"aws {' '.join(arguments[:2])}: the output is not a JSON object"
            raise AwsError(message)
        return answer

    def _run(self, *arguments: str, seconds: float, stdin: str | None = None) -> str:
        environment = {"PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_PATH))}
        if self.region:
            environment["AWS_DEFAULT_REGION"] = self.region
        try:
            result = run(
                [self.program, *arguments], seconds=seconds, stdin=stdin, environment=environment
            )
        except OSError as error:
            message = (
                f"the AWS CLI ({self.program}) cannot be run: {error.strerror};"
                " check whether the AWS CLI is installed"
            )
            raise AwsCliMissingError(message) from None
        if not result.succeeded:
            # Show no standard output in the error: the answer of AWS may contain a secret.
            reason = result.errors.strip() or result.ending
            message = f"aws {' '.join(arguments[:2])}: {reason}"
            raise AwsError(message)
        return result.output
