"""Polling of a command of Systems Manager, with a virtual clock."""

from typing import Any

import pytest

from denodo_ha.aws.ssm_command import SsmCommand
from tests.commands.account.virtual_clock import VirtualClock


class Client:
    """A client of Systems Manager whose command ends at a time of the clock."""

    def __init__(self, clock: VirtualClock, ends: float) -> None:
        self._clock, self._ends = clock, ends

    def send_command(self, **_asked: Any) -> Any:
        return {"Command": {"CommandId": "c"}}

    def get_command_invocation(self, **_asked: Any) -> Any:
        ended = self._clock.monotonic() >= self._ends
        return {"Status": "Success" if ended else "InProgress", "ResponseCode": 0}


@pytest.mark.parametrize(("ends", "seen"), [(0, 0), (2, 2), (9.5, 10), (11, 15), (21, 25)])
@pytest.mark.parametrize("patience", [None, 60])
def test_a_short_command_is_seen_to_end_within_a_second(
    ends: float, seen: float, patience: float | None
) -> None:
    clock = VirtualClock()
    command = SsmCommand("document", {}, "denodo-ha: status node1", 120)
    result = command.run(Client(clock, ends), ["i-1"], clock, patience=patience)
    assert result["i-1"].status == "Success"
    assert clock.monotonic() == (seen if patience is None else -(-ends // 1))
