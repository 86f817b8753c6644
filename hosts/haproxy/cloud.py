"""What HAProxy's host asks AWS, through the image's own `aws` command and its instance role.

This is the only module that knows how. No secret is an argument, is printed or is written here.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hosts.haproxy.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECONDS = 120
_SHOWN = 500


@dataclass(frozen=True)
class Wanted:
    """What HAProxy's parameter says.

    Attributes:
        program: S3 address of this program.
        file: S3 address of HAProxy's configuration.
        drop_in: text of the systemd drop-in.
        certificate: ARN of the secret that clients' TLS needs, empty for none.
        authority: ARN of the secret that nodes' certificates are verified by, empty for none.
        health_port: where HAProxy tells how it is.
    """

    program: str
    file: str
    drop_in: str
    certificate: str
    authority: str
    health_port: int

    @classmethod
    def of(cls, text: str) -> Wanted:
        """What a parameter's text says.

        Raises:
            Failed: it does not say it.
        """
        try:
            said: Mapping[str, Any] = json.loads(text)
            return cls(
                program=str(said["program"]),
                file=str(said["file"]),
                drop_in=str(said["drop_in"]),
                # CloudFormation's JSON leaves out what is nothing.
                certificate=str(said.get("certificate") or ""),
                authority=str(said.get("authority") or ""),
                health_port=int(said["health_port"]),
            )
        except (ValueError, KeyError, TypeError) as wrong:
            message = f"the parameter does not say what HAProxy shall be ({wrong!r}): deploy again"
            raise Failed(message) from None


@dataclass(frozen=True)
class Cloud:
    """AWS as this host sees it.

    Attributes:
        parameter: name of HAProxy's parameter.
        region: its region.
    """

    parameter: str
    region: str

    def wanted(self) -> Wanted:
        """What HAProxy shall be.

        Raises:
            Failed: it cannot be read.
        """
        answer = self._json("ssm", "get-parameter", f"--name={self.parameter}")
        return Wanted.of(str(answer["Parameter"]["Value"]))

    def secret(self, arn: str) -> str:
        """The text of a secret.

        Raises:
            Failed: it cannot be read.
        """
        answer = self._json("secretsmanager", "get-secret-value", f"--secret-id={arn}")
        try:
            return str(answer["SecretString"])
        except KeyError:
            message = f"the secret {arn} is no text: write the certificates in it as PEM"
            raise Failed(message) from None

    def fetch(self, address: str, path: Path) -> None:
        """Copy an object of S3 to a file.

        Raises:
            Failed: it cannot be copied.
        """
        self._ask("s3", "cp", "--no-progress", address, str(path))

    def _json(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._ask(*arguments, "--output=json"))
        return answer

    def _ask(self, *arguments: str) -> str:
        command = " ".join(["aws", *arguments[:2]])
        try:
            done = subprocess.run(
                ["aws", *arguments],
                env={**os.environ, "AWS_DEFAULT_REGION": self.region},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            message = "the image lacks aws (docs/haproxy-aws.md)"
            raise Failed(message) from None
        except subprocess.TimeoutExpired:
            message = f"{command} was not done within {_SECONDS} s"
            raise Failed(message) from None
        if done.returncode != 0:
            said = " ".join(done.stderr.decode(errors="replace").split())[:_SHOWN]
            message = f"{command} {arguments[-1]}: {said or done.returncode}"
            raise Failed(message)
        return done.stdout.decode(errors="replace")
