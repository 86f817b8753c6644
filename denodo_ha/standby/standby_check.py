"""Standby check: read all facts (`standby_facts`), and judge the ten lines of the output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.environment.derived import capacity
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.standby import (
    machine_lines,
    metadata_lines,
    practice_line,
    quota_line,
    service_lines,
)
from denodo_ha.standby.check_line import CheckLine, Unknown, verdict
from denodo_ha.standby.standby_facts import Standby, StandbyFacts, read_facts

READ_S: Final = 10.0
"""Project default: seconds to read all facts; a fact that is not read in this time is unknown."""
_SHARED_MANAGER: Final = "shared-manager"
"""Name of the finding that both sites use the same License Manager host. With this name under
`accept` in the configuration, the operator states that the host does not depend on the active
cluster's region."""


@dataclass(frozen=True)
class StandbyReport:
    """The result of a check.

    Attributes:
        lines: the ten lines of `denodo-ha failover check`, one for each condition of a takeover.
        facts: the state of both sites, from which the lines were judged.
    """

    lines: tuple[CheckLine, ...]
    facts: StandbyFacts

    @property
    def verdict(self) -> str:
        """Return ready, not ready or unknown."""
        return verdict(self.lines)


def check_standby(
    aws: Aws, standby: Standby, clock: Clock, *, has_put: bool = False, seconds: float = READ_S
) -> StandbyReport:
    """Read all facts, judge the ten lines of `denodo-ha failover check`, and return the report.

    Args:
        aws: the credentials.
        standby: the standby.
        clock: the clock.
        has_put: True if this run has put a metric in the switch's namespace.
        seconds: seconds to read all facts; a fact that is not read in this time is unknown.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    with deadline.limited(seconds):
        facts = read_facts(aws, standby, clock)
    return StandbyReport(judge(standby, facts, has_put=has_put), facts)


def judge(
    standby: Standby, facts: StandbyFacts, *, has_put: bool = False, refused: str = ""
) -> tuple[CheckLine, ...]:
    """Judge the facts, without any call to AWS.

    Args:
        standby: the standby.
        facts: the facts.
        has_put: True if this run has put a metric in the switch's namespace.
        refused: the error with which AWS denied this run to put a metric in the switch's namespace;
            empty without such an error.
    """
    now = facts.now
    return (
        service_lines.targets_line(facts.targets),
        service_lines.dns_line(facts.record, facts.cluster),
        metadata_lines.equal_line(facts.own, facts.active, facts.differs_since, now, facts.sources),
        metadata_lines.exports_line(facts.own, facts.active, now),
        metadata_lines.database_line(
            facts.database,
            now,
            exists=facts.has_database,
            is_copied=facts.is_database_copied,
        ),
        machine_lines.licence_line(
            facts.licences, facts.own, now, shared_host=shared_license_manager(standby.loaded)
        ),
        machine_lines.machines_line(facts.machines, active_types(standby)),
        quota_line.quota_line(
            facts.quotas,
            practice_line.recorded_quotas(facts.history, standby.active),
            facts.health_checks,
            now,
        ),
        machine_lines.software_line(facts.own, facts.active, now),
        practice_line.practice_line(
            facts.history,
            caller=facts.caller,
            denied=[*_denied(facts), *([refused] if refused else [])],
            has_put=has_put,
            now=now,
        ),
    )


def shared_license_manager(loaded: Loaded) -> str:
    """Return the License Manager that both sites use; empty if none is shared, or if accepted."""
    return next(
        (
            finding.value
            for finding in loaded.findings
            if finding.rule == _SHARED_MANAGER and "license_manager" in finding.path
        ),
        "",
    )


def active_types(standby: Standby) -> Mapping[str, str]:
    """Return the instance type of each node of the active cluster, by pins and configuration."""
    settings = standby.environment.clusters[standby.active]
    types = {name: machine.type for name, machine in capacity.configured_machines(settings).items()}
    for name in settings.nodes:
        if (pin := standby.loaded.pins.of(standby.active, name)) is not None:
            types[name] = pin.type
    return types


def _denied(facts: StandbyFacts) -> list[str]:
    """Return the error messages of the reads that AWS denied."""
    every = [
        facts.sources,
        *(facts.cluster, facts.targets, facts.record, facts.own.newest, facts.active.newest),
        *(facts.database, facts.machines, facts.quotas, facts.health_checks, facts.history),
    ]
    return [fact.reason for fact in every if isinstance(fact, Unknown) and fact.is_denied]
