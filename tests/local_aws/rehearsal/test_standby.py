"""The rehearsal of a standby fails if a line of the check, a client or a step is not as expected.

`make rehearse-standby` causes the faults of a standby on a deployed site. These tests deploy no
site: they test the functions that decide whether an observed result is as expected.
"""

from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from tools.local_aws.rehearsal.client_load import Sample
from tools.local_aws.rehearsal.standby import late_steps, unserved_clients
from tools.local_aws.rehearsal.standby_faults import FAULTS, Fault
from tools.local_aws.rehearsal.standby_site import ACTIVE, STANDBY, configuration, manager

LINES = range(1, 11)
SEEN = {number: f"seen {number}" for number in LINES}
FAULT = Fault("one", (7, 1), "seen 7", lambda _: None, lambda _: None, others=(6,))
CLUSTERS = {"127.0.0.2": ACTIVE, "127.0.0.3": STANDBY}


def states(**changed: str) -> dict[int, str]:
    """Return the states of all lines of the check: ok, except for the lines named as `line7=…`."""
    return {number: changed.get(f"line{number}", "ok") for number in LINES}


def test_each_line_has_a_fault() -> None:
    assert [fault.lines[0] for fault in FAULTS] == [*LINES]


def test_each_site_has_a_license_manager_of_its_own(tmp_path: Path) -> None:
    clusters = load(configuration(tmp_path)).environment.clusters
    managers = [cluster.license_manager for cluster in clusters.values()]
    assert [item and item.host for item in managers] == [
        manager(cluster.region) for cluster in clusters.values()
    ]


@pytest.mark.parametrize(
    ("lines", "disagreement"),
    [
        (states(line7="no", line1="no"), ""),
        (states(line7="no", line1="no", line6="unknown"), ""),
        (states(line7="no"), "line 1 must be no, and is ok: seen 1"),
        (states(line7="unknown", line1="no"), "line 7 must be no, and is unknown: seen 7"),
        (states(line7="no", line1="no", line3="no"), "line 3 must be ok, and is no: seen 3"),
    ],
)
def test_a_fault_shows_in_its_lines_alone(lines: dict[int, str], disagreement: str) -> None:
    assert FAULT.disagreement(lines, SEEN) == disagreement


def test_a_line_says_what_was_planted() -> None:
    lines = states(line7="no", line1="no")
    assert (
        FAULT.disagreement(lines, {**SEEN, 7: "else"}) == "line 7 does not contain 'seen 7': else"
    )


def sample(at: float, address: str, fault: str = "") -> Sample:
    return Sample(at, at + 0.1, "name", 9999, address, fault)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([sample(1, "127.0.0.2"), sample(2, "127.0.0.3"), sample(3, "127.0.0.2")], []),
        ([sample(1, "127.0.0.2")], ["clients were served by active; expected: active, passive"]),
        (
            [sample(1, "127.0.0.2"), sample(2, "127.0.0.3")],
            ["the last connection led to passive; expected: active"],
        ),
        (
            [
                sample(1, "127.0.0.2"),
                *(sample(1 + at, "127.0.0.3", "refused") for at in range(1, 9)),
                sample(10, "127.0.0.3"),
                sample(11, "127.0.0.2"),
            ],
            [
                (
                    "connections failed until 91 s after the start of the practice; a planned "
                    "failover may interrupt clients for at most 42 s"
                )
            ],
        ),
    ],
)
def test_clients_of_a_planned_failover_are_served(
    samples: list[Sample], expected: list[str]
) -> None:
    assert [*unserved_clients(samples, 0, lambda address: CLUSTERS[address])] == expected


def test_a_step_is_late_in_seconds_of_aws() -> None:
    def direction(seconds: float) -> list[dict[str, object]]:
        step = {"step": "DNS", "seconds": seconds, "expected": 100}
        return [{"to": STANDBY, "steps": [step, {**step, "seconds": None}]}]

    assert [*late_steps(direction(10))] == []
    assert [*late_steps(direction(20))] == [
        "failover to passive: the step 'DNS' took 200 s; the drill predicts at most 100 s"
    ]
