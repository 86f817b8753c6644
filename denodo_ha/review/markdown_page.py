"""The page of a review in Markdown: short enough for a comment on a pull request."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from denodo_ha.cli.output import markdown_table, markdown_text
from denodo_ha.environment.loading.problem import printable
from denodo_ha.plan.change_rows import COLUMNS, change_rows
from denodo_ha.review.finding import TITLES, Finding, summary
from denodo_ha.review.next_steps import Step
from denodo_ha.review.review import Review

MOST_CHARACTERS: Final = 65_000
"""Project limit: below the maximum of a comment on a pull request."""

_SECTION: Final = 15_000
"""Project limit: characters of one section, so that no section takes the space of the others."""
_VERDICT: Final = 4_000
"""Project limit: characters of the verdict's line."""


def markdown_page(review: Review, title: str, picture: str, differences: Sequence[str]) -> str:
    """Return the page.

    Args:
        review: the review.
        title: the description of the two revisions.
        picture: the picture as a Mermaid flowchart; empty for no picture.
        differences: the differences between the templates, as `cdk diff` prints them.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+|--+", "-", review.environment)
    verdict = _cut_line(_verdict(review), _VERDICT)
    parts = [f"<!-- denodo-ha review: {name} -->\n{verdict}\n\n{_text(title)}\n"]
    parts += [_cut(section) for section in _sections(review)]
    left = MOST_CHARACTERS - sum(map(len, parts))
    drawn = _picture(picture)
    if len(drawn) <= left // 2:
        parts.append(drawn)
    elif picture:
        parts.append(
            "\n## Topology\n\nThe picture is too large for this page: `denodo-ha picture`.\n"
        )
    parts.append(_cut(_steps(review.steps)))
    parts.append(_folded("\n\n".join(differences), MOST_CHARACTERS - sum(map(len, parts))))
    return "".join(parts)


def _verdict(review: Review) -> str:
    suffix = f"; accepted: {', '.join(_summary(review.accepted))}" if review.accepted else ""
    if not review.findings:
        return (
            "**Nothing found:** nothing gets worse, clients notice no replacement, access does not "
            f"widen, and no protection is turned off{suffix}"
        )
    count = len(review.findings)
    findings = f"{count} finding{'' if count == 1 else 's'}"
    return f"**{findings} to look at:** {', '.join(_summary(review.findings))}{suffix}"


def _summary(findings: Iterable[Finding]) -> list[str]:
    return [_text(name) for name in summary(findings)]


def _sections(review: Review) -> Iterator[str]:
    for category, items in groupby(review.findings, key=lambda item: item.category):
        yield _findings(TITLES[category], items)
    if review.accepted:
        yield _findings("Accepted until a date, by the configuration", review.accepted)
    yield _table(
        "Nodes, load balancers and databases",
        COLUMNS,
        change_rows(review.effects.nodes, review.effects.balancers, review.effects.databases),
    )


def _findings(title: str, findings: Iterable[Finding]) -> str:
    return _table(
        title,
        ("Finding", "Where", "Change"),
        [(item.name, item.where, item.text) for item in findings],
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    return f"\n## {title}\n\n{markdown_table(columns, rows)}\n"


def _picture(picture: str) -> str:
    return f"\n## Topology\n\n{_fenced(picture, 'mermaid')}" if picture else ""


def _steps(steps: Sequence[Step]) -> str:
    if not steps:
        return "\n## Afterwards\n\nNothing to run: no template differs.\n"
    rows = [
        (str(number), f"`{step.command}`" if step.command else "", step.why)
        for number, step in enumerate(steps, start=1)
    ]
    return _table("Afterwards, in this order", ("", "Command", "Why"), rows)


def _folded(differences: str, left: int) -> str:
    """Return the differences in a folded block, cut to a number of characters."""
    if not differences:
        return ""
    begin, end = "\n<details><summary>cdk diff</summary>\n\n", "\n</details>\n"
    lines = "\n".join(printable(line) for line in differences.split("\n"))
    fenced = _fenced(lines, "")
    room = left - len(begin) - len(end)
    if len(fenced) > room:
        note = "\nThe rest is cut: `make diff` shows all.\n"
        spare = room - len(note) - 2 * len(_fenced("", "")) - _longest_run(lines) * 2
        kept = lines[: max(spare, 0)].rpartition("\n")[0]
        fenced = _fenced(kept, "") + note
    return f"{begin}{fenced}{end}"


def _fenced(text: str, language: str) -> str:
    """Return a code block whose fence is longer than any run of backticks in its text."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _cut(section: str) -> str:
    """Return a section, without the lines that are too many."""
    if len(section) <= _SECTION:
        return section
    kept = section[:_SECTION].rpartition("\n")[0]
    more = section.count("\n") - kept.count("\n") - 1
    return f"{kept}\n\nAnd {more} more: `denodo-ha review --format json` has all.\n"


def _cut_line(line: str, most: int) -> str:
    return line if len(line) <= most else f"{line[:most].rpartition(', ')[0]} and more, below"


def _text(text: str) -> str:
    """Return a text on one line, in which no character is Markdown or HTML."""
    return re.sub(r"([`*_\[\]#~])", r"\\\1", markdown_text(printable(text)))
