"""Calls that are denied or throttled, one by one: policies that need their answers are unknown."""

import pytest

from denodo_ha.cli.errors import AwsError, ExpiredCredentials
from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.live.aws_calls import CALLS, LISTENERS, LiveCall, read_only_policy
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.live_drill import drill_live
from denodo_ha.drill.policies import apply_policies
from tests.support.hand_made_site import REGIONS, SHARED_PORTS, HandMadeSite
from tests.support.recorded_calls import RecordedCalls

BY_ACTION = {call.action: call for call in CALLS}
NOT_HERE = {
    *("cloudformation:DescribeStacks", "cloudformation:ListStackResources"),
    *("cloudformation:GetTemplate", "autoscaling:DescribeAutoScalingGroups"),
    *("elasticloadbalancing:DescribeRules", "route53:ListHealthChecks"),
    "route53:ListTagsForResources",
}
"""Calls that the drill does not make for this site. `tests/e2e/test_deployed_examples.py` denies
these calls, too."""
ESSENTIAL = {"route53:ListHostedZones", "route53:ListResourceRecordSets"}
"""Calls without whose answers the drill cannot find the site."""


def drill_of(site: HandMadeSite) -> DrillResult:
    locator = SiteLocator(record=site.record)
    return drill_live(profile=None, regions=REGIONS, locator=locator).result


def is_unknown(result: DrillResult, call: LiveCall) -> bool:
    """Return whether no policy holds that needs the answer of a call.

    A policy with a limit may be unknown or broken: the limits here are so lenient that only values
    missing from the call's answer can break it.
    """
    verdicts = apply_policies(result, max_recovery=10**6, min_secondary=1, max_load=10**6)
    resting = [one for one in verdicts if one.policy.rests_on & call.hides]
    assert resting
    return all(not one.holds for one in resting)


def broken(result: DrillResult) -> set[str]:
    """Return the ids of the broken policies."""
    verdicts = apply_policies(result, max_recovery=None, min_secondary=1)
    return {one.policy.id for one in verdicts if one.is_broken}


def test_a_reading_makes_only_calls_that_the_policy_permits(
    site: HandMadeSite, calls: RecordedCalls
) -> None:
    with calls.counted() as made:
        drill_of(site)
    actions = {action for action, _ in made} - {"sts:GetCallerIdentity"}
    assert actions == BY_ACTION.keys() - NOT_HERE
    (statement,) = read_only_policy()["Statement"]
    assert statement["Action"] == sorted(BY_ACTION)


@pytest.mark.parametrize("action", sorted(BY_ACTION.keys() - NOT_HERE - ESSENTIAL))
@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_what_is_not_answered_is_unknown_and_named(
    site: HandMadeSite, calls: RecordedCalls, action: str, code: str
) -> None:
    call = BY_ACTION[action]
    of_all = broken(drill_of(site))
    with calls.without(action, code):
        try:
            result = drill_of(site)
        except AwsError as error:
            assert action in str(error)  # noqa: PT017 - AWS's error may also end the drill
            return
    texts = [text for text in result.model.notes if f"{action}" in text]
    assert len(texts) in (1, len(REGIONS))
    words = "not permitted" if code == "AccessDenied" else f"AWS throttles {action}"
    assert all(words in text for text in texts)
    assert is_unknown(result, call)
    assert broken(result) <= of_all
    if {"balancer", "node"} <= call.hides and call is not LISTENERS:
        assert {*SHARED_PORTS.values()} <= {*result.without_failure.unknown}


@pytest.mark.parametrize("action", sorted(ESSENTIAL))
def test_a_site_that_cannot_be_found_is_an_error_of_aws(
    site: HandMadeSite, calls: RecordedCalls, action: str
) -> None:
    with calls.without(action), pytest.raises(AwsError, match=f"{action} is not permitted"):
        drill_of(site)


def test_expired_credentials_end_the_reading(site: HandMadeSite, calls: RecordedCalls) -> None:
    action = "elasticloadbalancing:DescribeTargetHealth"
    with calls.without(action, "ExpiredToken"), pytest.raises(ExpiredCredentials):
        drill_of(site)
