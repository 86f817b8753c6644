"""The page of a review as one HTML file, which needs neither a network nor scripts.

Every text passes through `Markup.format`, which escapes what is not `Markup` itself. The Content
Security Policy in the page's head forbids scripts and requests, so that an unescaped text could do
no harm.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, assert_never

from markupsafe import Markup

from denodo_ha.environment.loading.problem import printable
from denodo_ha.review.page.page_parts import (
    Block,
    Column,
    Drawing,
    Folded,
    Page,
    Paragraph,
    Section,
    Table,
    Verdict,
)
from denodo_ha.review.picture.svg import sentences

_PAGE: Final = Markup("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the verdict</a>
<header>
<p class="program">denodo-ha review</p>
<h1>{environment}</h1>
<p>{revisions}</p>
</header>
<nav aria-label="Contents">
<ul>
{contents}
</ul>
</nav>
<main id="main" tabindex="-1">
{verdict}
{sections}
</main>
<footer>
<p>Made from templates, without a call to AWS. Before the deploy, <code>denodo-ha plan</code>
compares them with what is deployed.</p>
</footer>
</body>
</html>
""")
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_SECTION: Final = Markup("""\
<section aria-labelledby="{id}">
<h2 id="{id}">{title}</h2>
{blocks}
</section>""")
_VERDICT: Final = Markup("""\
<section class="verdict {state}" aria-labelledby="verdict">
<h2 id="verdict"><span class="sign" aria-hidden="true">{sign}</span>{text}</h2>
{names}
</section>""")
# Write the roles of the table's elements, which they have by default: on a narrow page, where the
# style shows rows as blocks, some browsers drop the default roles.
_TABLE: Final = Markup("""\
<table role="table">
<caption class="{shown}">{caption}</caption>
<thead role="rowgroup"><tr role="row">{head}</tr></thead>
<tbody role="rowgroup">
{rows}
</tbody>
</table>""")
_HEADING: Final = Markup('<th role="columnheader" scope="col" class="{kind}">{title}</th>')
_ROW_NAME: Final = Markup(
    '<th role="rowheader" scope="row" class="name" data-label="{title}">{text}</th>'
)
_CELL: Final = Markup('<td role="cell" class="{kind}" data-label="{title}">{text}</td>')
_FOLDED: Final = Markup("""\
<details>
<summary>{summary}</summary>
<pre tabindex="0" role="region" aria-label="{summary}">{lines}</pre>
</details>""")
_DRAWING: Final = Markup("""\
<figure>
<div class="picture" tabindex="0" role="region" aria-label="Picture of the topology">
{drawing}
</div>
<figcaption>{caption}</figcaption>
</figure>
<details>
<summary>The picture in words</summary>
<ul>
{sentences}
</ul>
</details>""")
_ITEM: Final = Markup("<li>{}</li>")
_LINE_KINDS: Final = {"[+]": "added", "[-]": "removed", "[~]": "changed"}
_DIFFERENCE: Final = re.compile(r"^[\s│├└─]*(\[[-+~]\])")


def html_page(page: Page, drawing: str) -> str:
    """Return the page of a review as HTML.

    Args:
        page: the page.
        drawing: the SVG element of the page's picture; empty for the picture in words only.
    """
    sections = list(enumerate(page.sections))
    contents = [Markup('<li><a href="#verdict">Verdict</a></li>')]
    contents += [
        Markup('<li><a href="#{}">{}</a></li>').format(_id(number), _text(section.title))
        for number, section in sections
    ]
    title = f"Review of {page.environment}"
    document = _PAGE.format(
        policy=_POLICY,
        title=_text(f"{title}: {page.verdict.text.partition(':')[0]}"),
        style=Markup(Path(__file__).with_name("html_page.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of this package
        environment=_text(title),
        revisions=_text(page.revisions),
        contents=_lines(contents),
        verdict=_verdict(page.verdict),
        sections=_lines(_section(_id(number), section, drawing) for number, section in sections),
    )
    # `Markup` keeps this text from being escaped a second time when a caller adds it to plain text.
    return str(document)


def _id(number: int) -> str:
    return f"part-{number + 1}"


def _verdict(verdict: Verdict) -> Markup:
    names = [_list(verdict.names)] if verdict.names else []
    if verdict.accepted:
        names += [Markup("<p>Accepted by the configuration:</p>"), _list(verdict.accepted)]
    return _VERDICT.format(
        state="clear" if verdict.is_clear else "open",
        sign="✓" if verdict.is_clear else "!",
        text=_text(verdict.text),
        names=_lines(names),
    )


def _list(names: Iterable[str]) -> Markup:
    """Return the names of findings as an HTML list, each with the places of the finding."""
    items = []
    for name in names:
        finding, _, places = _text(name).partition(" (")
        where = f" ({places}" if places else ""
        items.append(Markup("<li><strong>{}</strong>{}</li>").format(finding, where))
    return Markup('<ul class="names">\n{}\n</ul>').format(_lines(items))


def _section(id_: str, section: Section, drawing: str) -> Markup:
    blocks = _lines(_block(block, section.title, drawing) for block in section.blocks)
    return _SECTION.format(id=id_, title=_text(section.title), blocks=blocks)


def _block(block: Block, title: str, drawing: str) -> Markup:
    match block:
        case Paragraph():
            return Markup("<p>{}</p>").format(_with_code(block.text))
        case Table():
            return _table(block, is_titled=block.caption == title)
        case Drawing():
            return _drawing(block, drawing)
        case Folded():
            lines = Markup("\n").join(map(_line, block.text.split("\n")))
            return _FOLDED.format(summary=_text(block.summary), lines=lines)
        case _:
            assert_never(block)


def _table(table: Table, *, is_titled: bool) -> Markup:
    """Return a table; the caption is hidden if the heading above the table has the same text."""
    head = Markup("").join(
        _HEADING.format(kind=column.kind, title=_text(column.title)) for column in table.columns
    )
    rows = _lines(_row(table.columns, row) for row in table.rows)
    shown = "hidden" if is_titled else "shown"
    return _TABLE.format(caption=_text(table.caption), shown=shown, head=head, rows=rows)


def _row(columns: Sequence[Column], row: Sequence[str]) -> Markup:
    cells = (_cell(column, text) for column, text in zip(columns, row, strict=True))
    return Markup('<tr role="row">{}</tr>').format(Markup("").join(cells))


def _cell(column: Column, text: str) -> Markup:
    content = Markup("<br>").join(map(_with_code, text.split("\n")))
    if column.kind == "code" and text:
        content = Markup("<code>{}</code>").format(_text(text))
    if column.kind == "effect":
        content = Markup('<span class="effect-{}">{}</span>').format(
            re.sub(r"[^a-z]+", "-", text.partition(",")[0].lower()), content
        )
    cell = _ROW_NAME if column.kind == "name" else _CELL
    return cell.format(kind=column.kind, title=_text(column.title), text=content)


def _drawing(block: Drawing, drawing: str) -> Markup:
    caption = "Connections of clients, from their names to the nodes"
    if block.picture.is_marked:
        caption += ". Differences from the base are marked with (new), (changed) or (removed)"
    items = _lines(_ITEM.format(sentence) for sentence in sentences(block.picture))
    if not drawing:
        return Markup("<ul>\n{}\n</ul>").format(items)
    # Graphviz escapes the texts of the drawing.
    shown = Markup(drawing)  # noqa: S704 - Graphviz escapes its texts
    return _DRAWING.format(drawing=shown, caption=f"{caption}.", sentences=items)


def _line(line: str) -> Markup:
    """Return a line of `cdk diff`, with a style class for added, removed and changed lines."""
    text = _text(line)
    if match := _DIFFERENCE.match(line):
        return Markup('<span class="{}">{}</span>').format(_LINE_KINDS[match[1]], text)
    return Markup("{}").format(text)


def _with_code(text: str) -> Markup:
    """Return a text as HTML, with the parts between backticks as code."""
    parts = _text(text).split("`")
    if len(parts) % 2 == 0:
        return Markup("{}").format(_text(text))
    forms = (Markup("{}"), Markup("<code>{}</code>"))
    return Markup("").join(forms[index % 2].format(part) for index, part in enumerate(parts))


def _lines(items: Iterable[Markup]) -> Markup:
    return Markup("\n").join(items)


def _text(text: str) -> str:
    return printable(text)
