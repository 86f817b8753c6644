"""Examples with one region, and without load balancers: the drill's outcomes are seen."""

import pytest

from denodo_ha.drill.outcome import Failure
from tests.local_aws.rehearsal.rehearsed import assert_agrees, plays

pytestmark = pytest.mark.long


def test_one_cluster() -> None:
    played = plays(
        "active-active",
        Failure("node-lost", "main", "node2"),
        Failure("service-down", "main", "odbc on all nodes"),
        Failure("node-drained", "main", "node1"),
    )
    assert_agrees(played, 3)
    (drained,) = [play.seen for play in played if play.outcome.failure.kind == "node-drained"]
    assert drained is not None
    assert (drained.failed, drained.lost) == (0, 0)


def test_nodes_without_a_load_balancer() -> None:
    played = plays("standalone-failover", Failure("node-lost", "first", "node1"))
    assert_agrees(played, 1)
