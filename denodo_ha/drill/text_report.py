"""The report of a drill as tables, for a terminal or as Markdown.

Failures with equal outcomes share a row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from denodo_ha.cli.output import (
    Cell,
    markdown_table,
    markdown_text,
    print_line,
    print_paragraph,
    print_report_table,
)
from denodo_ha.drill.comparison import OutcomeChange
from denodo_ha.drill.data_loss_column import loss_lines
from denodo_ha.drill.event_orders import PROPERTIES, OrdersResult
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.notification_column import notification_lines
from denodo_ha.drill.outcome import Failure, Outcome
from denodo_ha.drill.policies import Verdict
from denodo_ha.environment.derived.failure_kinds import FAILURE_KINDS
from denodo_ha.environment.loading.problem import printable

HEADINGS = (
    *("Failure", "DNS answers", "New connections", "Recovery", "After the repair"),
    *("May be lost", "Notification, after"),
)
"""Columns of the table of outcomes."""
_POLICY_HEADINGS = ("Policy", "", "Condition, and each violation or unknown value")
_FOOTER = (
    "Seconds are the longest time until new connections succeed: the sum of the named terms, which "
    "are AWS's documented times and not measurements. Add the delays that AWS does not document, "
    "and a client's own DNS cache and connection timeout."
)
_CHANGE_HEADINGS = ("Change", "Failure", "What differs, before -> now")
_CHANGE_STYLES = {"worse": "red", "better": "green"}
_STYLES = {"holds": "green", "broken": "red", "unknown": "yellow"}
_MAX_NAMES = 4
"""Maximum number of names in a cell; for more names, only their number is shown."""


@dataclass(frozen=True)
class OutcomeRow:
    """A row of the table of outcomes, for all failures with the same outcome.

    Attributes:
        cells: the text of each cell.
        is_severe: whether some connections do not reach a port, or DNS fails over.
    """

    cells: tuple[str, ...]
    is_severe: bool


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        title: the title.
        rows: the rows of the table of outcomes.
        verdicts: the verdicts on policies; if empty, the report has no table of policies.
        notes: the notes.
    """

    title: str
    rows: Sequence[OutcomeRow]
    verdicts: Sequence[Verdict] = ()
    notes: Sequence[str] = ()


def print_report(report: Report) -> None:
    """Print a report on a terminal."""
    print_line(Text(report.title, style="bold"))
    outcomes = [(row.cells, "red" if row.is_severe else "") for row in report.rows]
    print_report_table(HEADINGS, outcomes, row_gap=1)
    print_paragraph(_FOOTER)
    if report.verdicts:
        print_report_table(_POLICY_HEADINGS, [(_policy(one), "") for one in report.verdicts])
    for note in report.notes:
        print_line(f"* {note}")


def _policy(verdict: Verdict) -> tuple[Cell, ...]:
    lines = [verdict.policy.sentence, *(f"- {text}" for text in _reasons(verdict))]
    return verdict.policy.id, Text(verdict.word, style=_STYLES[verdict.word]), _joined(lines)


def _joined(texts: Iterable[str]) -> str:
    """Join the lines of a table cell; line breaks in names from templates are escaped."""
    return "\n".join(map(printable, texts))


def markdown_report(report: Report) -> str:
    """Return a report as Markdown, for a pull request."""
    return "\n".join(_markdown_lines(report)) + "\n"


def _markdown_lines(report: Report) -> Iterator[str]:
    yield from (f"**{printable(report.title)}**", "")
    yield markdown_table(HEADINGS, [row.cells for row in report.rows])
    yield from ("", _FOOTER, "")
    if report.verdicts:
        yield markdown_table(_POLICY_HEADINGS, map(_markdown_policy, report.verdicts))
    if report.notes:
        yield from ("", *(f"- {markdown_text(printable(note))}" for note in report.notes))


def _markdown_policy(verdict: Verdict) -> tuple[str, ...]:
    word = "holds" if verdict.holds else f"**{verdict.word}**"
    return f"`{verdict.policy.id}`", word, _joined((verdict.policy.sentence, *_reasons(verdict)))


def _reasons(verdict: Verdict) -> Sequence[str]:
    """Return the reasons why a policy does not hold: its violations, else unknown values."""
    if verdict.is_broken or len(verdict.unknowns) <= _MAX_NAMES:
        return verdict.violations or verdict.unknowns
    more = len(verdict.unknowns) - _MAX_NAMES
    return (*verdict.unknowns[:_MAX_NAMES], f"and {more} more, in the notes")


def outcome_rows(outcomes: Iterable[Outcome], model: Model) -> list[OutcomeRow]:
    """Return the rows of outcomes, in the order of the first outcome of each row."""
    by_effect: dict[Outcome, list[Outcome]] = {}
    for outcome in outcomes:
        # Only the JSON report has `gaps` and `load_percent`, so the rows ignore them.
        effect = replace(outcome.effect, gaps=(), load_percent=100)
        by_effect.setdefault(effect, []).append(outcome)
    return [_row(effect, same, model) for effect, same in by_effect.items()]


def change_rows(changes: Iterable[OutcomeChange], model: Model) -> list[tuple[str, str, str]]:
    """Return the rows of changes: verdict, failures and differences; equal changes share a row."""
    rows: dict[tuple[str, str], list[Failure]] = {}
    for change in changes:
        texts = (*change.worsenings, *(f"better: {text}" for text in change.improvements))
        rows.setdefault((change.verdict, _joined(texts)), []).append(change.failure)
    return [
        (verdict, _joined(named_failures(failures, model)), text or "-")
        for (verdict, text), failures in rows.items()
    ]


def print_changes(rows: Iterable[tuple[str, str, str]]) -> None:
    """Print the rows of changes on a terminal."""
    styled_rows = [(row, _CHANGE_STYLES.get(row[0], "")) for row in rows]
    print_report_table(_CHANGE_HEADINGS, styled_rows, row_gap=1)


def markdown_changes(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return the rows of changes as Markdown."""
    return markdown_table(_CHANGE_HEADINGS, rows) + "\n\n"


def orders_lines(searches: Iterable[OrdersResult]) -> Iterator[str]:
    """Yield the lines on the search of event orders, both for a terminal and for Markdown."""
    searches = list(searches)
    yield ""
    if not searches:
        yield (
            "Every order of events: not searched, because there is no failover name whose DNS "
            "answer could depend on the order."
        )
    for search in searches:
        extent = "completely" if search.complete else f"up to {search.depth} events"
        verdict = {
            "broken": f"{len(search.stories)} of {len(PROPERTIES)} properties are broken",
            "unknown": "no property is known to be broken, but the notes above name unknown values",
            "holds": f"all {len(PROPERTIES)} properties hold",
        }[search.word]
        yield (
            f"Every order of events, {search.name}: {search.states} states searched {extent}; "
            f"{verdict}."
        )
        for story in search.stories:
            yield ""
            yield f"{story.property}: {PROPERTIES[story.property]}"
            yield f"Broken in {story.count} states; the shortest order:"
            yield ""
            yield from (f"{number}. {step}" for number, step in enumerate(story.steps))


def _row(effect: Outcome, outcomes: list[Outcome], model: Model) -> OutcomeRow:
    failures = [outcome.failure for outcome in outcomes]
    is_severe = bool(effect.unreachable or effect.partial or effect.moves_site)
    has_no_effect = effect.recovery == 0 and not effect.unknown and not is_severe
    names = _counted_failures(failures) if has_no_effect else named_failures(failures, model)
    recovery = (_recovery(effect), *(f"* {text}" for text in effect.interpretations))
    return OutcomeRow(
        (
            _joined(names),
            _dns(effect),
            _connections(effect),
            _joined(recovery),
            effect.after_repair,
            _joined(loss_lines(effect, model)) or "-",
            _joined(notification_lines(outcomes)),
        ),
        is_severe,
    )


def named_failures(failures: list[Failure], model: Model) -> Iterator[str]:
    """Yield each kind of failure with the names of the failed parts, by cluster."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for failure in failures:
        kinds.setdefault(failure.kind, {}).setdefault(failure.cluster, []).append(failure.name)
    for kind, clusters in kinds.items():
        if kind == "nothing":
            yield "nothing failed"
            continue
        named = [
            _names_in_cluster(cluster, names, several_clusters=len(model.clusters) > 1)
            for cluster, names in clusters.items()
        ]
        if len(named) > _MAX_NAMES:
            count = sum(len(names) for names in clusters.values())
            named = [f"{count}, in {len(clusters)} clusters"]
        yield f"{FAILURE_KINDS[kind]}: {'; '.join(named)}"


def _names_in_cluster(cluster: str, names: list[str], *, several_clusters: bool) -> str:
    if len(names) > _MAX_NAMES:
        count = f"{len(names)} of them"
        return f"{cluster}, {count}" if several_clusters else count
    # The name of a pair of nodes in two clusters already contains both clusters.
    prefix = f"{cluster} " if several_clusters and "/" not in names[0] else ""
    return prefix + ", ".join(names)


def _counted_failures(failures: list[Failure]) -> Iterator[str]:
    """Yield the failures without an effect on clients, counted by kind and cluster."""
    clusters: dict[str, dict[str, int]] = {}
    for failure in failures:
        cluster = "" if failure.kind == "nothing" else failure.cluster
        kinds = clusters.setdefault(cluster, {})
        kinds[failure.kind] = kinds.get(failure.kind, 0) + 1
    if len(clusters) > _MAX_NAMES:
        yield f"{len(failures)} failures, in {len(clusters)} clusters"
        return
    for cluster, kinds in clusters.items():
        texts = [
            f"{FAILURE_KINDS[kind]} ({count})" if count > 1 else FAILURE_KINDS[kind]
            for kind, count in kinds.items()
        ]
        yield f"{cluster}: {', '.join(texts)}" if cluster else "nothing failed"


def _dns(effect: Outcome) -> str:
    texts = []
    for change in effect.dns_changes:
        moved = change.before != change.after
        text = f"{change.before} -> {change.after}" if moved else change.after
        # After a failover, the other cluster is the failed cluster, so the text "no standby" would
        # repeat this.
        texts.append(text if change.standby or moved else f"{text}, no standby")
    return _joined(dict.fromkeys(texts)) or "-"


def _connections(effect: Outcome) -> str:
    shares = ((effect.unreachable, "none"), (effect.partial, "some"), (effect.unknown, "unknown"))
    texts = [f"{_listed(ports)}: {share}" for ports, share in shares if ports]
    if effect.interrupted:
        texts = [*(texts or ["all"]), f"{_listed(effect.interrupted)}: none before the recovery"]
    return _joined(texts) or "all"


def _listed(ports: tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))


def _recovery(effect: Outcome) -> str:
    if effect.recovery is None:
        return "only after a repair"
    if not effect.steps:
        return f"{effect.recovery} s"
    if len(effect.steps) == 1:
        return f"{effect.recovery} s: {effect.steps[0].text}"
    terms = " + ".join(f"{step.seconds} ({step.text})" for step in effect.steps)
    return f"{effect.recovery} s = {terms}"
