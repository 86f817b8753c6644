"""Recorder of AWS calls: counts calls, replays the local AWS's answers, lets some calls fail."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import botocore.client
import pytest
from botocore.exceptions import ClientError

_PREFIXES: Final = {
    "elbv2": "elasticloadbalancing",
    "elasticloadbalancingv2": "elasticloadbalancing",
}

Made = tuple[str, str]
"""A call that was made: the permission that the call needs, and its region."""


class RecordedCalls:
    """Calls that have been made, and the answers to them.

    Attributes:
        made: permission and region of each call since the last `clear`.
        failing: permissions whose calls fail, each with the error code of its calls.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[Made] = []
        self.failing: dict[str, str] = {}
        self._answers: dict[str, Any] = {}
        original = botocore.client.BaseClient._make_api_call  # noqa: SLF001 - every call passes here

        def answer(client: Any, operation: str, parameters: Any) -> Any:
            region, model = client.meta.region_name, client.meta.service_model
            prefix = _PREFIXES.get(model.service_name, model.signing_name)
            prefix = "cloudwatch" if model.service_name == "cloudwatch" else prefix
            action = f"{prefix}:{operation}"
            self.made.append((action, region))
            if action in self.failing:
                error = {"Code": self.failing[action], "Message": "of the test"}
                raise ClientError({"Error": error, "ResponseMetadata": {}}, operation)
            key = json.dumps([action, region, parameters], sort_keys=True, default=str)
            if key not in self._answers:
                self._answers[key] = original(client, operation, parameters)
            return copy.deepcopy(self._answers[key])

        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", answer)

    def forget(self) -> None:
        """Forget the recorded answers, so that the next calls reach the local AWS."""
        self._answers.clear()

    @contextmanager
    def counted(self) -> Iterator[list[Made]]:
        """Yield a list of the calls that are made within the block."""
        self.made = []
        yield self.made

    @contextmanager
    def without(self, action: str, code: str = "AccessDenied") -> Iterator[None]:
        """Let all calls that need a permission fail within the block."""
        self.failing[action] = code
        yield
        del self.failing[action]
