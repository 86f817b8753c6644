"""Readiness of the standby before a practice, as `denodo-ha failover check` judges it."""

from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Refused
from denodo_ha.deployed.failover.location import SECONDARY, FailoverLocation
from denodo_ha.environment.full_command import full_command
from denodo_ha.standby.check_line import NO, OK
from denodo_ha.standby.standby_check import check_standby
from denodo_ha.standby.standby_facts import Standby

PRACTICE_LINE: Final = 10
"""Number of the line about the last practice; this line does not prevent the next practice."""


def readiness_notes(
    aws: Aws, site: FailoverLocation, clock: Clock, *, even_if_not_ready: bool
) -> tuple[str, ...]:
    """Return the lines of the standby check that are not ok, for the report of a practice.

    Raises:
        Refused: A line is "no". An unknown line does not prevent a practice: the practice itself
            shows whether the standby works.
    """
    assert site.loaded is not None  # `practice` requires the option `-c`
    standby = Standby(site, site.loaded, SECONDARY)
    lines = [
        line
        for line in check_standby(aws, standby, clock).lines
        if line.state != OK and line.number != PRACTICE_LINE
    ]
    notes = {line: f"{line.number} {line.subject}: {line.state}, {line.seen}" for line in lines}
    wrong = [note for line, note in notes.items() if line.state == NO]
    if wrong and not even_if_not_ready:
        check = full_command("failover check", "--for", standby.name)
        message = (
            f"{standby.name} is not ready ({'; '.join(wrong)}). Nothing was changed. `{check}` "
            "shows what to do; with --even-if-not-ready, the practice runs nevertheless"
        )
        raise Refused(message)
    return tuple(f"check, {note}" for note in notes.values())
