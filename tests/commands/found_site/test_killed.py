"""`drain` and `enable --live` after a kill, or after a change of the target groups."""

import contextlib

import pytest

from denodo_ha.cli import exit_codes
from tests.commands.account.calls import Call, Fault
from tests.commands.conftest import Run
from tests.commands.found_site.test_found_site import DRAINED, NODE, RECORDS, REGION
from tests.support.found_account import FoundAccount

pytestmark = pytest.mark.long


class KilledError(BaseException):
    """Stands for a kill: derived from BaseException, so that no handler of a command catches it."""


def killed_before(found: FoundAccount, go: Run, number: int) -> None:
    """Run drain and then enable, and end the process before a changing call, without an undo."""
    made = 0

    def matches(call: Call) -> bool:
        nonlocal made
        made += call.changes
        return made >= number

    def dies(_: Call) -> None:
        raise KilledError

    found.cloud.faults.add(Fault(matches, dies))
    with contextlib.suppress(KilledError):
        go("drain", NODE)
        go("enable", NODE)
    found.cloud.faults.heal()


def test_a_process_that_is_killed_anywhere_is_completed(found: FoundAccount, go: Run) -> None:
    """A second run completes a killed command; `enable` restores the registrations."""
    before, tags = found.registrations(), found.tags()
    found.cloud.calls.forget()
    go("drain", NODE)
    go("enable", NODE)
    calls = found.cloud.calls.changes
    kinds = {call.operation for call in calls}
    assert kinds >= {"CreateTags", "DeregisterTargets", "RegisterTargets", "DeleteTags"}
    for number in range(1, len(calls) + 1):
        killed_before(found, go, number)
        if number % 2 or DRAINED not in found.tags():
            done = go("drain", NODE, "--take-over")
            assert done.exit_code == exit_codes.DONE, (number, done.output)
            assert found.tags().items() >= RECORDS.items(), number
        done = go("enable", NODE, "--take-over")
        assert done.exit_code == exit_codes.DONE, (number, done.output)
        assert (found.registrations(), found.tags()) == (before, tags), number


def test_enable_alone_completes_a_drain_that_was_killed(found: FoundAccount, go: Run) -> None:
    before, tags = found.registrations(), found.tags()
    # Kill `drain` before its second deregistration. Its changing calls are: put the lock, set tags,
    # prove the lock, deregister, deregister.
    killed_before(found, go, 5)
    assert found.registrations() != before
    assert go("enable", NODE, "--take-over").exit_code == exit_codes.DONE
    assert (found.registrations(), found.tags()) == (before, tags)


def test_a_target_group_that_no_listener_uses_any_more(found: FoundAccount, go: Run) -> None:
    """`enable` registers the node in a target group without a listener, too.

    It refuses a drain record that names only a deleted target group.
    """
    elb, before = found.cloud.client("elbv2", REGION), found.registrations()
    assert go("drain", NODE).exit_code == exit_codes.DONE
    elb.delete_listener(ListenerArn=found.cluster.listeners["odbc"])
    done = go("enable", NODE)
    assert done.exit_code == exit_codes.DONE, done.output
    assert found.registrations() == before
    found.cloud.client("ec2", REGION).create_tags(
        Resources=[found.cluster.nodes["node1"]],
        Tags=[{"Key": DRAINED, "Value": "x"}, {"Key": f"{DRAINED}-from:gone", "Value": "1"}],
    )
    done = go("enable", NODE)
    assert done.exit_code == exit_codes.REFUSED, done.output
    assert "none of the target groups of the drain record" in done.output
    found.cloud.client("ec2", REGION).delete_tags(
        Resources=[found.cluster.nodes["node1"]],
        Tags=[{"Key": DRAINED}, {"Key": f"{DRAINED}-from:gone"}],
    )
