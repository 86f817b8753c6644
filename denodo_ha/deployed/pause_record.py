"""Pause record of a cluster: an SSM parameter with the beginning and the end of the pause.

`status`, `pause`, `roll`, `rollout` and `replace` read the parameter.
A pause ends at its end time without another command: commands ignore a parameter whose end time has
passed. Each node has its own record of the pause (`hosts/denodo/watchdog/pause.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import NotFound, Refused
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.bounded_document import parse_json_answer

_TIME: Final = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True)
class Pause:
    """A pause; `status --format json` prints these fields.

    Attributes:
        since: its beginning, in UTC.
        until: its end, in UTC.
        who: the operator.
        why: the operator's reason.
    """

    since: datetime
    until: datetime
    who: str
    why: str

    def __str__(self) -> str:
        return f"until {self.until.strftime(_TIME)} by {self.who}: {self.why}"


@dataclass(frozen=True)
class PauseRecord:
    """The parameter with the last pause of a cluster.

    Attributes:
        aws: the credentials.
        environment: name of the environment.
        location: the cluster's stack.
    """

    aws: Aws
    environment: str
    location: StackLocation

    def read(self, now: datetime) -> Pause | None:
        """Return the pause of the cluster; None if there is no pause, or if the pause has ended.

        Raises:
            AwsError: AWS does not answer, or denies access.
        """
        try:
            with translated_errors():
                answer = self._client.get_parameter(Name=self._name)
                value = str(answer["Parameter"]["Value"])
        except NotFound:
            return None
        pause = _parsed(value)
        return pause if pause is not None and now < pause.until else None

    def write(self, pause: Pause) -> None:
        """Write a pause, in place of an earlier pause.

        Raises:
            AwsError: AWS does not answer, or denies access.
        """
        content = {
            "since": pause.since.isoformat(timespec="seconds"),
            "until": pause.until.isoformat(timespec="seconds"),
            "who": pause.who,
            "why": pause.why,
        }
        with translated_errors():
            self._client.put_parameter(
                Name=self._name, Value=json.dumps(content), Type="String", Overwrite=True
            )

    def remove(self) -> None:
        """Remove the pause; no effect if there is none.

        Raises:
            AwsError: AWS does not answer, or denies access.
        """
        try:
            with translated_errors():
                self._client.delete_parameter(Name=self._name)
        except NotFound:
            return

    def require_none(self, now: datetime, state: str) -> None:
        """Check that the cluster is not paused.

        Args:
            now: the current time.
            state: text for the message that says what was changed.

        Raises:
            Refused: The cluster is paused.
        """
        pause = self.read(now)
        if pause is not None:
            resume = full_command("resume", self.location.name)
            message = (
                f"{self.location.name} is paused {pause}; {state}. End the pause with `{resume}`, "
                "then run this command again"
            )
            raise Refused(message)

    @property
    def _name(self) -> str:
        return names.pause_parameter(self.environment, self.location.name)

    @property
    def _client(self) -> Any:
        return self.aws.client("ssm", self.location.region)


def _parsed(value: str) -> Pause | None:
    """Return the pause in the parameter; None if the parameter was changed to another form."""
    try:
        content = parse_json_answer(value)
        since, until = (datetime.fromisoformat(content[key]) for key in ("since", "until"))
        if not isinstance(content, Mapping) or since.tzinfo is None or until.tzinfo is None:
            return None
        return Pause(since, until, str(content.get("who", "?")), str(content.get("why", "")))
    except (KeyError, TypeError, ValueError):
        return None
