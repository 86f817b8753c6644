"""A rehearsal differs from the drill if clients saw another cluster, other ports or other times."""

from dataclasses import replace

import pytest

from denodo_ha.drill.model.notifications import SentNotification
from denodo_ha.drill.outcome import DnsChange, Failure, Outcome, Reach, RecoveryStep
from tools.local_aws.rehearsal.client_load import Sample
from tools.local_aws.rehearsal.comparison import (
    WELL_S,
    Seen,
    disagreements,
    missing_alarms,
    recovery_seconds,
    tolerance,
)

NAME = "site.example.com"
PACE = 10.0
MOVED = Outcome(
    Failure("region-lost", "one", "eu-west-1"),
    dns_changes=(DnsChange(NAME, "one", "two"),),
    recovery=200,
    steps=(RecoveryStep("alarm", 120, 100), RecoveryStep("TTL", 80)),
)
WELL = {(NAME, 9999): Reach.ALL, (NAME, 9996): Reach.ALL}
SEEN = Seen({NAME: "two"}, WELL, recovery=150, failed=3)


def test_what_is_as_predicted_agrees() -> None:
    assert [*disagreements(MOVED, SEEN, PACE)] == []


def test_another_side() -> None:
    (text,) = disagreements(MOVED, replace(SEEN, sides={NAME: "one"}), PACE)
    assert text == f"{NAME} leads to one; the drill predicts two"


@pytest.mark.parametrize("reach", [Reach.NONE, Reach.SOME])
def test_a_port_that_is_not_reached(reach: Reach) -> None:
    seen = replace(SEEN, reach={**WELL, (NAME, 9996): reach})
    (text,) = disagreements(MOVED, seen, PACE)
    assert text == (f"ports that {reach.value} connections reach: 9996; the drill predicts none")


def test_a_port_that_is_reached_against_the_drill() -> None:
    outcome = replace(MOVED, unreachable=(9999,), recovery=None, steps=())
    (text,) = disagreements(outcome, SEEN, PACE)
    assert "reach: none; the drill predicts 9999" in text


def test_a_port_of_unknown_reach_is_not_compared() -> None:
    seen = replace(SEEN, reach={**WELL, (NAME, 9996): Reach.NONE})
    assert [*disagreements(replace(MOVED, unknown=(9996,)), seen, PACE)] == []


def test_times_agree_within_the_tolerance() -> None:
    longest = 200 + tolerance(PACE, 200)
    least = 100 - tolerance(PACE)
    for seconds in (least, longest):
        assert [*disagreements(MOVED, replace(SEEN, recovery=seconds), PACE)] == []
    (late,) = disagreements(MOVED, replace(SEEN, recovery=longest + 1), PACE)
    assert late.endswith("; the drill predicts at most 200 s")
    (early,) = disagreements(MOVED, replace(SEEN, recovery=least - 1), PACE)
    assert early.endswith("; the drill predicts at least 100 s")


def test_without_a_failed_connection_there_is_no_time_to_compare() -> None:
    assert [*disagreements(MOVED, replace(SEEN, recovery=0, failed=0), PACE)] == []


def test_the_tolerance_grows_with_the_pace() -> None:
    assert tolerance(2 * PACE) == 2 * tolerance(PACE)
    assert tolerance(PACE, 100) == tolerance(PACE) + 10


def test_an_alarm_is_missing_once_it_should_have_arrived() -> None:
    outcome = replace(MOVED, notifications=(SentNotification("no node", "urgent", 300),))
    due = 300 + tolerance(PACE, 300)
    assert missing_alarms(outcome, replace(SEEN, alarms={}, waited=due - 1), PACE) == ()
    late = replace(SEEN, alarms={}, waited=due)
    assert missing_alarms(outcome, late, PACE) == ("no node",)
    assert missing_alarms(outcome, replace(late, alarms={"no node": 9.0}), PACE) == ()


def sample(at: float, fault: str = "", port: int = 9999) -> Sample:
    return Sample(at, at + 0.5, NAME, port, "127.0.0.2", fault)


def test_the_recovery_ends_with_the_last_failed_connection() -> None:
    samples = [sample(9, "refused"), sample(11, "refused"), sample(12), sample(13, "x", 9996)]
    assert recovery_seconds(samples, 10, PACE, [9999]) == 15
    assert recovery_seconds(samples, 10, PACE, [9999, 9996]) == 35
    assert recovery_seconds(samples, 20, PACE, [9999]) == 0


def test_a_connection_that_fails_after_all_is_well_does_not_count() -> None:
    samples = [sample(11, "refused"), sample(12, "refused"), sample(12.5 + WELL_S + 0.1, "late")]
    assert recovery_seconds(samples, 10, PACE, [9999]) == 25
    assert recovery_seconds([sample(19, "refused")], 10, PACE, [9999]) == 95
