"""AWS's codes for why a target is not healthy, in words and with where to look.

The codes are those of the API (AWS, Elastic Load Balancing API Reference, TargetHealth).
"""

from typing import Final

from denodo_ha.deployed.target_health import TargetHealth

NOT_REGISTERED: Final = "out of the group"

_WORDS: Final = {
    "Elb.RegistrationInProgress": "the balancer takes it in",
    "Elb.InitialHealthChecking": "its first checks run",
    "Elb.InternalError": "the balancer has an error of its own",
    "Target.ResponseCodeMismatch": "it answers that it is not ready",
    "Target.Timeout": "its check gets no answer in time",
    "Target.FailedHealthChecks": "its checks fail: not reachable, or not ready",
    "Target.NotRegistered": NOT_REGISTERED,
    "Target.NotInUse": "no listener uses the group, or the balancer has no subnet in its zone",
    "Target.DeregistrationInProgress": "it leaves; its connections have time to end",
    "Target.InvalidState": "its instance does not run",
    "Target.IpUnusable": "its address is the balancer's own",
    "Target.HealthCheckDisabled": "its checks are off",
}


def explain_unhealthy(target: TargetHealth) -> str:
    """Why a target is not healthy; empty where it is."""
    return _WORDS.get(target.reason) or target.description or target.reason
