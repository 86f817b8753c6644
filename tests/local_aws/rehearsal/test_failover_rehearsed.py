"""The example with two regions: the drill's outcomes are seen on the living system."""

import pytest

from denodo_ha.drill.outcome import Failure
from tests.local_aws.rehearsal.rehearsed import assert_agrees, plays

_NAME = "denodo.example.com"


@pytest.mark.long
def test_clients_go_where_the_drill_says() -> None:
    played = plays(
        "active-passive",
        Failure("node-lost", "active", "node1"),
        Failure("zone-lost", "active", "eu-west-1a"),
        Failure("nodes-lost", "active", "node1 + node2"),
    )
    assert_agrees(played, 3)
    seen = {play.outcome.failure.kind: play.seen for play in played if play.seen is not None}
    sides = {kind: of.sides[_NAME] for kind, of in seen.items()}
    assert sides == {"node-lost": "active", "zone-lost": "active", "nodes-lost": "passive"}
    assert seen["nodes-lost"].lost == seen["nodes-lost"].sessions > 0
