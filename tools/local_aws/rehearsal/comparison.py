"""Comparison of the drill's outcome of a failure with the observations of clients.

The drill and the local AWS are independent readings of AWS's documents. The comparison returns each
disagreement as a sentence; times are in seconds of AWS.

A time may differ within a tolerance: a client connects each quarter of a second and waits
`CLIENT_TIMEOUT_S` for an answer, and the local AWS runs its checks in rounds. These are real times,
which the pace multiplies.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from denodo_ha.drill.outcome import Outcome, Reach, certain_seconds
from tools.local_aws.rehearsal.client_load import EVERY_S, Sample

CLIENT_TIMEOUT_S = 3.0
"""Project default: real seconds that a client waits for each answer."""
WELL_S = 2.0
"""Project default: real seconds without a failed connection after which a service counts as
recovered."""
_ROUNDS_S = 1.0
"""Project default: real seconds that rounds of the local AWS may take: health checks, metrics,
DNS."""
_MARGIN = 0.1
"""Project default: share of a predicted time that is added to the tolerance, because this machine
may be busy."""


@dataclass(frozen=True)
class Seen:
    """Observations of clients during a failure.

    Attributes:
        sides: the cluster that each failover name resolved to at the end of the failure.
        reach: the share of connections that reached each port at the end of the failure, by name
            and port.
        recovery: seconds until the last failed connection ended, or until the last change of a DNS
            answer if that was later; 0 if no connection failed and no answer changed.
        failed: the number of failed connections.
        connections: the number of connections.
        sessions: the number of sessions that were open before the failure.
        lost: the number of these sessions that were lost.
        alarms: the seconds until each notification of an alarm arrived, by the alarm's name; None
            if alarms were not observed.
        waited: the seconds for which the failure lasted.
    """

    sides: Mapping[str, str]
    reach: Mapping[tuple[str, int], Reach]
    recovery: float
    failed: int = 0
    connections: int = 0
    sessions: int = 0
    lost: int = 0
    alarms: Mapping[str, float] | None = None
    waited: float = 0

    def ports(self, reach: Reach) -> tuple[int, ...]:
        """Return the ports that have the given reach through at least one name."""
        return tuple(sorted({port for (_, port), seen in self.reach.items() if seen is reach}))


def tolerance(pace: float, predicted: float = 0) -> float:
    """Return the AWS seconds by which an observed time may differ from a predicted one."""
    return pace * (EVERY_S + CLIENT_TIMEOUT_S + _ROUNDS_S) + predicted * _MARGIN


def disagreements(outcome: Outcome, seen: Seen, pace: float) -> Iterator[str]:
    """Yield a sentence for each difference between the drill's outcome and the observations."""
    for change in outcome.dns_changes:
        side = seen.sides.get(change.name, "")
        if side != change.after:
            yield (
                f"{change.name} leads to {side or 'no cluster, or several'}; the drill predicts "
                f"{change.after}"
            )
    for reach, predicted in ((Reach.NONE, outcome.unreachable), (Reach.SOME, outcome.partial)):
        ports = tuple(port for port in seen.ports(reach) if port not in outcome.unknown)
        if ports != predicted:
            yield (
                f"ports that {reach.value} connections reach: {_list(ports)}; the drill predicts "
                f"{_list(predicted)}"
            )
    if outcome.recovery is None:
        return
    worst, least = outcome.recovery, certain_seconds(outcome.steps)
    if seen.recovery > worst + tolerance(pace, worst):
        yield f"recovered after {seen.recovery:.0f} s; the drill predicts at most {worst} s"
    if seen.failed and seen.recovery < least - tolerance(pace):
        yield f"recovered after {seen.recovery:.0f} s; the drill predicts at least {least} s"


def _list(ports: Sequence[int]) -> str:
    return ", ".join(map(str, ports)) or "none"


def missing_alarms(outcome: Outcome, seen: Seen, pace: float) -> tuple[str, ...]:
    """Return the predicted alarms that should have arrived while the failure lasted."""
    arrived = seen.alarms or {}
    return tuple(
        sent.name
        for sent in outcome.notifications
        if sent.name not in arrived and sent.seconds + tolerance(pace, sent.seconds) <= seen.waited
    )


def recovery_seconds(
    samples: Sequence[Sample], since: float, pace: float, ports: Sequence[int]
) -> float:
    """Return the AWS seconds from `since` to the end of the last failed connection to given ports.

    After `WELL_S` without a failed connection, a service counts as recovered: later failed
    connections are ignored, because they fail when this machine is busy.
    """
    failed = sorted(
        (sample.at, sample.ended)
        for sample in samples
        if sample.fault and sample.at >= since and sample.port in ports
    )
    last = since
    for begin, end in failed:
        if last > since and begin - last > WELL_S:
            break
        last = max(last, end)
    return (last - since) * pace
