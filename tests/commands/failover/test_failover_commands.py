"""`denodo-ha failover`: its output, its datapoints and its refusals."""

import json

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.failover import command as failover
from tests.commands.account.route53 import Route53
from tests.commands.failover.failover_world import Go

PUT = {
    "Namespace": "Denodo/Failover",
    "MetricData": [
        {
            "MetricName": "SecondaryActive",
            "Dimensions": [{"Name": "Environment", "Value": "denodo70"}],
            "Value": 1.0,
        }
    ],
}


def test_status_shows_the_answer_of_each_source(world: Route53, go: Go) -> None:
    done = go(world, "status")
    assert done.exit_code == exit_codes.DONE, done.output
    lines = done.output.splitlines()
    assert lines[0] == "denodo.example.com"
    for source in ("this machine's resolver", "Route 53 (TestDNSAnswer)", "the health checks"):
        (line,) = [row for row in lines if row.startswith(source)]
        assert "active (primary)" in line
    assert "The switch, in eu-central-1, is set to active (primary)" in lines
    assert "8 of 8 checkers succeed" in done.output
    assert "service jdbc" in done.output
    assert world.cloud.calls.changes == []


def test_json_has_every_health_check(world: Route53, go: Go) -> None:
    world.down.add("passive")
    done = go(world, "status", "--format", "json")
    assert done.exit_code == exit_codes.NO
    report = json.loads(done.stdout)
    switch = {"region": "eu-central-1", "namespace": "Denodo/Failover", "at": "active"}
    assert report["switch"] == switch
    assert {one["cluster"] for one in report["answered"]} == {"active"}
    active, passive = report["sides"]
    assert [active["check"]["kind"], *(one["kind"] for one in active["check"]["children"])] == [
        "calculated",
        "alarm",
        "alarm",
        "switch",
    ]
    assert (passive["state"], passive["check"]["state"]) == ("unhealthy", "unhealthy")
    assert "Failure: no healthy node" in passive["reason"]


@pytest.mark.parametrize(
    ("down", "code", "answered"),
    [
        ((), exit_codes.DONE, "active"),
        (("active",), exit_codes.NO, "passive"),
        (("passive",), exit_codes.NO, "active"),
        (("active", "passive"), exit_codes.DOWN, "active"),
    ],
)
def test_status_ends_as_the_sides_are(
    world: Route53, go: Go, down: tuple[str, ...], code: int, answered: str
) -> None:
    world.down |= {*down}
    done = go(world, "status", "--format", "json")
    assert done.exit_code == code
    # Three answers must agree: that of the resolver, that of Route 53, and the one computed by
    # Route 53's rules.
    assert [one["cluster"] for one in json.loads(done.stdout)["answered"]] == [answered] * 3


def test_moves_by_one_datapoint_in_the_region_of_the_switch(world: Route53, go: Go) -> None:
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE, done.output
    (put,) = world.cloud.calls.changes
    assert (put.operation, put.region, put.parameters) == ("PutMetricData", "eu-central-1", PUT)
    assert world.answered == "passive"
    assert (
        "denodo.example.com leads to passive after 75 s, according to this machine's resolver"
        in done.stdout
    )


def test_a_second_move_puts_nothing(world: Route53, go: Go) -> None:
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE
    assert "already leads to passive, and the switch is set to passive" in done.stdout
    assert world.thrown == [1.0]


@pytest.mark.parametrize("arguments", [("back",), ("to", "active")])
def test_moves_back(world: Route53, go: Go, arguments: tuple[str, ...]) -> None:
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    assert go(world, *arguments).exit_code == exit_codes.DONE
    assert (world.thrown, world.answered) == ([1.0, 0.0], "active")


def test_leaves_a_cluster_and_restores_it(world: Route53, go: Go) -> None:
    """Scripts run `failover from`, let the Solution Manager deploy, and run `failover restore`."""
    before = world.cloud.clock.monotonic()
    done = go(world, "from", "active")
    assert done.exit_code == exit_codes.DONE, done.output
    assert done.stdout.endswith("no new client is sent to active\n")
    assert (world.answered, world.thrown) == ("passive", [1.0])
    # The command waits `CLIENTS_S` longer, since clients may cache the old answer after DNS has
    # changed.
    assert world.cloud.clock.monotonic() - before >= 75 + failover.CLIENTS_S
    world.down.add("active")
    world.cloud.clock.at(world.cloud.clock.monotonic() + 40, lambda: world.down.discard("active"))
    done = go(world, "restore", "active")
    assert done.exit_code == exit_codes.DONE, done.output
    assert (world.answered, world.thrown) == ("active", [1.0, 0.0])
    for command in ("from", "restore"):
        done = go(world, command, "passive")
        assert done.exit_code == exit_codes.DONE, done.output
    assert (world.answered, world.thrown) == ("active", [1.0, 0.0])
    assert "passive is the secondary, so there is no failover; nothing was changed" in done.stdout


def test_does_not_leave_a_cluster_for_one_that_is_not_healthy(world: Route53, go: Go) -> None:
    world.down.add("passive")
    done = go(world, "from", "active")
    assert done.exit_code == exit_codes.REFUSED
    assert "passive is not healthy" in done.stderr
    assert world.cloud.calls.changes == []
    done = go(world, "restore", "passive", "--timeout", "30")
    assert done.exit_code == exit_codes.FAILED
    assert "passive is not healthy after 30 s" in done.stderr
    assert go(world, "from", "other").exit_code == exit_codes.USAGE


def test_does_nothing_on_a_dry_run(world: Route53, go: Go) -> None:
    done = go(world, "to", "passive", "--dry-run")
    assert done.exit_code == exit_codes.DONE
    assert "would put SecondaryActive = 1 (Environment denodo70)" in done.stdout
    assert world.cloud.calls.changes == []


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_refuses_a_secondary_that_is_not_healthy(
    world: Route53, go: Go, dry_run: tuple[str, ...]
) -> None:
    world.down.add("passive")
    done = go(world, "to", "passive", *dry_run)
    assert done.exit_code == exit_codes.REFUSED
    assert "passive is not healthy (0 of 8 checkers succeed" in done.stderr
    assert "no option can force the failover: if the switch is thrown" in done.stderr
    assert "neither cluster is healthy for Route 53, which then answers with the" in done.stderr
    assert "the primary, active" in done.stderr
    assert world.cloud.calls.changes == []


def test_refuses_to_go_back_to_a_primary_that_is_not_healthy(world: Route53, go: Go) -> None:
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    world.down.add("active")
    done = go(world, "back")
    assert done.exit_code == exit_codes.REFUSED
    assert "active is not healthy" in done.stderr
    assert "health checks pass" in done.stderr
    assert world.thrown == [1.0]


def test_holds_a_site_that_has_moved_by_itself(world: Route53, go: Go) -> None:
    """DNS has failed over to the secondary. Throwing the switch prevents that DNS fails back."""
    world.down.add("active")
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE, done.output
    assert (
        "still leads to passive after 75 s, according to the switch's health check" in done.stdout
    )
    world.down.clear()
    assert world.answered == "passive"


def test_says_when_dns_does_not_follow(world: Route53, go: Go) -> None:
    world.deaf = True
    done = go(world, "to", "passive", "--timeout", "120")
    assert done.exit_code == exit_codes.FAILED
    assert "after 120 s DNS does not answer with passive yet" in done.stderr
    assert "192.0.2.1" in done.stderr
    # AWS may have lost the datapoint, for example because of another datapoint in the same minute,
    # so the next command puts the datapoint again.
    world.deaf = False
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    assert world.thrown == [1.0, 1.0]


def test_asks_route53_where_this_machine_resolves_nothing(world: Route53, go: Go) -> None:
    world.resolves = False
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE
    assert "according to Route 53 (TestDNSAnswer)" in done.stdout


def test_the_health_checks_decide_if_no_resolver_answers(world: Route53, go: Go) -> None:
    """The zone is private and this machine is outside of its VPCs, so no DNS answer is known."""
    world.resolves = world.public = False
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE
    assert "according to the health checks, by Route 53's rules" in done.stdout


def test_works_without_the_file(world: Route53, go: Go) -> None:
    where = ("--environment", "denodo70", "--region", "eu-central-1")
    assert go(world, "status", *where, config="").exit_code == exit_codes.DONE
    assert go(world, "to", "passive", *where, config="").exit_code == exit_codes.DONE
    (put, *entries) = world.cloud.calls.changes
    assert put.parameters == PUT
    # Without the configuration file, the command does not know whether a bucket for the history
    # exists, so it tries to write an entry.
    assert {entry.operation for entry in entries} == {"PutObject"}


WRONG_OPTIONS = (
    (("to", "pasive"), "active-passive", "does not fail over to pasive; its primary is active"),
    (("status",), "active-active", "has no failover"),
    (("status",), "", "no environment is named"),
    (("status", "--environment", "denodo70"), "active-passive", "both name an environment"),
    (
        ("status", "--region", "eu-west-1"),
        "active-passive",
        "--region can be used only with --environment",
    ),
    (("status", "--environment", "x", "--region", "eu-west-1"), "", "no stack x-failover"),
)


def test_says_what_is_wrong_with_the_options(world: Route53, go: Go) -> None:
    for arguments, config, said in WRONG_OPTIONS:
        done = go(world, *arguments, config=config)
        assert done.exit_code == exit_codes.USAGE
        assert said in done.stderr
    assert world.cloud.calls.changes == []
