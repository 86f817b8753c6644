"""A drill as Markdown, for a pull request."""

from collections.abc import Iterable, Iterator

from denodo_ha.drill.policies import Verdict
from denodo_ha.drill.report.rows import FOOT, HEADINGS, Row


def markdown(
    title: str, found: Iterable[Row], verdicts: Iterable[Verdict], notes: Iterable[str]
) -> str:
    """Rows, policies and notes."""
    return "\n".join(_lines(title, found, verdicts, notes)) + "\n"


def _lines(
    title: str, found: Iterable[Row], verdicts: Iterable[Verdict], notes: Iterable[str]
) -> Iterator[str]:
    yield from (f"**{title}**", "")
    yield _line(HEADINGS)
    yield _line("---" for _ in HEADINGS)
    for row in found:
        yield _line(row.cells)
    yield from ("", FOOT, "")
    judged = [*verdicts]
    if judged:
        yield _line(("Policy", "", "What must hold, and what breaks it"))
        yield _line(("---", "---", "---"))
    for verdict in judged:
        told = "\n".join((verdict.policy.sentence, *verdict.broken_by))
        yield _line((f"`{verdict.policy.id}`", "holds" if verdict.holds else "**broken**", told))
    said = [f"- {_plain(note)}" for note in notes]
    if said:
        yield from ("", *said)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Text that stays one cell and no markup."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", "<br>")
