"""Notifications of a rehearsal: the alarms that arrive are those that changed to a bad state."""

from pathlib import Path

import pytest

from tools.local_aws.rehearsal.observation import Arrivals

_MESSAGE = """\
topic arn:aws:sns:eu-west-1:111122223333:urgent
ALARM: "one"
2026-11-27T10:00:00 OK -> {}
urgent, balancer silent: a load balancer has reported nothing for 5 min. What to do: see there.


"""


@pytest.mark.parametrize(
    ("state", "names"),
    [("ALARM", ["balancer silent"]), ("INSUFFICIENT_DATA", ["balancer silent"]), ("OK", [])],
)
def test_messages_of_bad_states_arrive(tmp_path: Path, state: str, names: list[str]) -> None:
    file = tmp_path / "notifications.txt"
    file.write_text(_MESSAGE.format("ALARM").replace("balancer silent", "earlier"))
    arrivals = Arrivals(file)
    with file.open("a") as messages:
        messages.write(_MESSAGE.format(state))
    arrivals.look()
    assert [*arrivals.times] == names
