"""The report of a rehearsal: predictions and observations, as table, Markdown or JSON.

Times are in seconds of AWS; every report names the pace at which the times were measured.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from denodo_ha.cli.output import markdown_table, print_document, print_json, print_report_table
from denodo_ha.drill.outcome import Outcome, Reach, certain_seconds
from tools.local_aws.rehearsal.comparison import Seen, tolerance
from tools.local_aws.rehearsal.rehearsal import Play, failed

FORMATS = ("table", "markdown", "json")
_HEADINGS = ("Failure", "Predicted by the drill", "Observed", "Connections", "Verdict")
_HONEST = (
    "The drill and the local AWS both follow AWS's documentation: the drill calculates the effects "
    "of a failure, and the local AWS carries the failure out. An agreement between the drill and "
    "the local AWS does not prove that AWS behaves in the same way."
)


def print_plays(plays: Mapping[str, Sequence[Play]], pace: float, form: str) -> None:
    """Print the report of the rehearsals of some configurations."""
    if form == "json":
        print_json(report(plays, pace))
        return
    for config, of in plays.items():
        title = f"Rehearsal of {config}: {_summary(of)}"
        rows = [_row(play) for play in of]
        if form == "markdown":
            table = markdown_table(_HEADINGS, rows)
            print_document(f"## {title}\n\n{table}\n\n{_footer(pace)}\n")
        else:
            print_document(title)
            styled = [
                (row, "red" if play.disagreements else "")
                for row, play in zip(rows, of, strict=True)
            ]
            print_report_table(_HEADINGS, styled, row_gap=1)
            print_document(_footer(pace))


def report(plays: Mapping[str, Sequence[Play]], pace: float) -> dict[str, Any]:
    """Return the report as data for programs."""
    return {
        "pace": pace,
        "tolerance_seconds": tolerance(pace),
        "agrees": not any(failed(of) for of in plays.values()),
        "rehearsals": {config: [_play(play) for play in of] for config, of in plays.items()},
    }


def _summary(plays: Sequence[Play]) -> str:
    played = [play for play in plays if play.seen is not None]
    differing = sum(bool(play.disagreements) for play in plays)
    left_out = sum(bool(play.reason) for play in plays)
    texts = [f"{len(played)} scenarios played", f"{differing} disagree with the drill"]
    if left_out:
        texts.append(f"{left_out} not played")
    return ", ".join(texts)


def _footer(pace: float) -> str:
    return (
        f"Times are in AWS seconds, at a pace of {pace:g}: one second of this machine is {pace:g} "
        f"AWS seconds. An observed recovery agrees with the drill if it is not longer than the "
        f"predicted time plus a tenth plus {tolerance(pace):.0f} s, and not shorter than the "
        f"shortest time of the prediction (its certain seconds) minus {tolerance(pace):.0f} s. "
        f"{_HONEST}"
    )


def _row(play: Play) -> tuple[str, str, str, str, str]:
    actions = "\n".join(str(action) for action in play.actions)
    seen = _seen(play.outcome, play.seen) if play.seen else f"not played: {play.reason}"
    verdict = "\n".join(play.disagreements) or ("agrees" if play.seen else "")
    return (
        f"{play.outcome.failure}\n{actions}".strip(),
        _predicted(play.outcome),
        seen,
        _connections(play.seen) if play.seen else "",
        verdict,
    )


def _predicted(outcome: Outcome) -> str:
    lines = [f"{change.name}: {change.after}" for change in outcome.dns_changes]
    lines += _ports(outcome.unreachable, outcome.partial)
    if outcome.recovery is None:
        lines.append("recovered only after a repair")
    else:
        certain = certain_seconds(outcome.steps)
        lines.append(f"recovered within {outcome.recovery} s, of which {certain} s are certain")
    lines += [f"alarm {sent.name} after {sent.seconds} s" for sent in outcome.notifications]
    return "\n".join(lines)


def _seen(outcome: Outcome, seen: Seen) -> str:
    lines = [f"{name}: {side or 'no cluster'}" for name, side in seen.sides.items()]
    lines += _ports(seen.ports(Reach.NONE), seen.ports(Reach.SOME))
    is_well = not seen.ports(Reach.NONE) and not seen.ports(Reach.SOME)
    if outcome.recovery is not None or is_well:
        lines.append(f"recovered after {seen.recovery:.0f} s")
    lines += [
        f"alarm {name} after {seconds:.0f} s" for name, seconds in (seen.alarms or {}).items()
    ]
    return "\n".join(lines)


def _ports(unreachable: Sequence[int], partial: Sequence[int]) -> list[str]:
    texts = []
    if unreachable:
        texts.append(f"ports that no connection reaches: {', '.join(map(str, unreachable))}")
    if partial:
        texts.append(f"ports that some connections reach: {', '.join(map(str, partial))}")
    return texts or ["all connections reach their port"]


def _connections(seen: Seen) -> str:
    lost = f"{seen.lost} of {seen.sessions} sessions lost" if seen.sessions else "no session open"
    return f"{seen.failed} of {seen.connections} connections failed\n{lost}"


def _play(play: Play) -> dict[str, Any]:
    outcome, seen = play.outcome, play.seen
    return {
        "failure": {
            "kind": outcome.failure.kind,
            "cluster": outcome.failure.cluster,
            "name": outcome.failure.name,
        },
        "actions": [str(action) for action in play.actions],
        "predicted": {
            "sides": {change.name: change.after for change in outcome.dns_changes},
            "unreachable": list(outcome.unreachable),
            "partial": list(outcome.partial),
            "recovery_seconds": outcome.recovery,
            "certain_seconds": certain_seconds(outcome.steps),
            "alarms": {sent.name: sent.seconds for sent in outcome.notifications},
        },
        "seen": None
        if seen is None
        else {
            "sides": dict(seen.sides),
            "unreachable": list(seen.ports(Reach.NONE)),
            "partial": list(seen.ports(Reach.SOME)),
            "recovery_seconds": round(seen.recovery, 1),
            "connections": {"made": seen.connections, "failed": seen.failed},
            "sessions": {"open": seen.sessions, "lost": seen.lost},
            "alarms": {name: round(at, 1) for name, at in (seen.alarms or {}).items()},
            "lasted_seconds": round(seen.waited, 1),
        },
        "not_played": play.reason or None,
        "disagreements": list(play.disagreements),
    }
