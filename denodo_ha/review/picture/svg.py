"""A picture as SVG, drawn by Graphviz in the Node.js of the clone."""

import re
import subprocess
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from denodo_ha.cli.configuration_choice import clone_folder
from denodo_ha.cli.errors import Failed, UsageError
from denodo_ha.environment.loading.problem import printable
from denodo_ha.review.picture.dot import FONT_SIZE, dot
from denodo_ha.review.picture.graph import Mark, Picture

_TIMEOUT_S: Final = 120
"""Project default: seconds for a drawing, which takes a fraction of a second."""
_MODULE: Final = "node_modules/@hpcc-js/wasm-graphviz/dist/index.js"
_SHOWN_FONT_SIZE: Final = 11
_INTERNAL_TITLE: Final = re.compile(
    r"<title>(?:topology|cluster_\d+|b\d+(?:&#45;&gt;b\d+)?)</title>\n"
)
"""Titles with ids of the drawing, which browsers would show as tooltips."""
_AREA: Final = re.compile(
    r'(<g id="clust\d+"[^>]*>\n(?:<path[^>]*/>\n)*)((?:<text[^>]*>[^<]*</text>\n)*)'
)
_STYLE: Final = """
  text { fill: #1f2328; }
  .edge text, .labels text { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
  .node text:first-of-type { font-weight: bold; }
  .node path, .node polygon, .node ellipse { fill: #ffffff; }
  .kind-check path { fill: #fff8e1; }
  .kind-name polygon { fill: #e8f0fe; }
  .kind-node path { fill: #e9f6ec; }
  .kind-database path { fill: #f3eefc; }
  @media screen and (prefers-color-scheme: dark) {
    [stroke="#5f6b7a"] { stroke: #9aa5b1; }
    [stroke="#1a7f37"] { stroke: #3fb950; }
    [stroke="#9a6700"] { stroke: #d29922; }
    [stroke="#cf222e"] { stroke: #f85149; }
    .edge polygon[fill="#5f6b7a"] { fill: #9aa5b1; }
    .edge polygon[fill="#1a7f37"] { fill: #3fb950; }
    .edge polygon[fill="#9a6700"] { fill: #d29922; }
    .edge polygon[fill="#cf222e"] { fill: #f85149; }
    text { fill: #e6edf3; }
    .edge text, .labels text { stroke: #0d1117; }
    .node path, .node polygon, .node ellipse { fill: #161b22; }
    .kind-check path { fill: #2d2a16; }
    .kind-name polygon { fill: #16263f; }
    .kind-node path { fill: #12261a; }
    .kind-database path { fill: #241a38; }
  }
"""


def svg(picture: Picture, title: str) -> str:
    """Return the SVG document of a picture, with its own style sheet for light and dark.

    Args:
        picture: the picture.
        title: the text that screen readers announce first.

    Raises:
        UsageError: There is no clone of this project, or Graphviz is not installed in it.
        Failed: Graphviz failed.
    """
    clone = clone_folder()
    if clone is None or not (clone / _MODULE).is_file():
        message = (
            "SVG can be drawn only in a clone of the project, after `make setup`; Mermaid and DOT "
            "need no clone"
        )
        raise UsageError(message)
    drawn = _render(clone, dot(picture))
    start = drawn.find("<svg")
    body = _INTERNAL_TITLE.sub("", drawn[drawn.index(">", start) + 1 :])
    opening = drawn[start : drawn.index(">", start)]
    # Remove the size in points that Graphviz writes, so that the drawing takes the width of the
    # page.
    opening = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    width = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+)', opening)
    pixels = f"{float(width[1]) * 4 / 3:.0f}px" if width else "100%"
    limit = f' style="--natural-width: {pixels}; max-width: {pixels}"'
    head = (
        f'{opening} role="img" aria-labelledby="picture-title picture-description"{limit}>\n'
        f'<title id="picture-title">{escape(printable(title))}</title>\n'
        f'<desc id="picture-description">{escape(description(picture))}</desc>\n'
        f"<style>{_STYLE}</style>"
    )
    made, shown = (f'font-size="{size:.2f}"' for size in (FONT_SIZE, _SHOWN_FONT_SIZE))
    return head + _labels_last(body.replace(made, shown))


def _labels_last(body: str) -> str:
    """Return a drawing with the titles of areas at the end, so that no edge hides them."""
    labels: list[str] = []

    def without_label(area: re.Match[str]) -> str:
        labels.append(area[2])
        return area[1]

    rest = _AREA.sub(without_label, body)
    drawn, end, closing = rest.rpartition("</g>")
    return f'{drawn}<g class="labels">\n{"".join(labels)}</g>\n{end}{closing}'


def description(picture: Picture) -> str:
    """Return the picture in sentences, one on each line, for readers who do not see it."""
    return "\n".join(sentences(picture))


def sentences(picture: Picture) -> Iterator[str]:
    """Yield a sentence on each box: its place, its texts, and where its connections lead."""
    areas = {area.id: _marked(area.title, area.mark) for area in picture.areas}
    titles = areas | {box.id: box.title for box in picture.boxes}
    for box in picture.boxes:
        place = f" in {areas[box.area]}" if box.area in areas else ""
        ends = [
            _marked(titles[edge.end], edge.mark)
            for edge in picture.edges
            if edge.start == box.id and edge.end in titles
        ]
        goes = f"; leads to {', '.join(ends)}" if ends else ""
        details = f": {'; '.join(box.lines)}" if box.lines else ""
        yield printable(f"{_marked(box.title, box.mark)}{place}{details}{goes}.")


def _marked(text: str, mark: Mark) -> str:
    return f"{text} ({mark})" if mark else text


def _render(clone: Path, document: str) -> str:
    script = Path(__file__).with_name("render.mjs")
    try:
        done = subprocess.run(
            [clone / ".venv/node", script, clone / _MODULE],
            input=document.encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"the picture could not be drawn: {error}"
        raise Failed(message) from None
    if done.returncode != 0:
        reason = printable(done.stderr.decode(errors="replace").strip()[-500:])
        message = f"the picture could not be drawn: {reason}"
        raise Failed(message)
    return done.stdout.decode()
