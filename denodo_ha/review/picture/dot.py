"""A picture as a Graphviz document. Texts come from templates, so all of them are escaped.

A mark is shown by a word as well as by a colour, for readers who do not see colours and for
black-and-white prints. The attribute `class` of a box or edge becomes a class of its SVG element,
for style sheets.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from denodo_ha.environment.loading.problem import printable
from denodo_ha.review.picture.graph import Area, Box, Edge, Mark, Picture

_FONT: Final = "Helvetica,Arial,sans-serif"
FONT_SIZE: Final = 13
"""Font size, in points, for which Graphviz calculates boxes. `svg` shows smaller letters, because
many fonts are wider than Graphviz assumes."""
_ROWS: Final = 6
"""Project default: maximum number of nodes below each other in a zone."""
_SHAPES: Final = {"name": "hexagon", "database": "cylinder", "clients": "ellipse"}
_EDGE_STYLES: Final = {
    "connection": "solid",
    "standby": "dashed",
    "decision": "dotted",
    "data": "dotted",
}
_COLOURS: Final[dict[Mark, str]] = {
    "": "#5f6b7a",
    "new": "#1a7f37",
    "changed": "#9a6700",
    "removed": "#cf222e",
}
"""Colours of lines; each has a contrast of at least 4.5 to 1 to white."""


def dot(picture: Picture) -> str:
    """Return the Graphviz document of a picture."""
    ids = {box.id: f"b{number}" for number, box in enumerate(picture.boxes)}
    numbers = {area.id: number for number, area in enumerate(picture.areas)}
    lines = [
        "digraph topology {",
        '  bgcolor="transparent"; compound=true; rankdir=TB; newrank=true;',
        "  nodesep=0.25; ranksep=0.55; splines=spline; labeljust=l; labelloc=b;",
        f'  fontname="{_FONT}"; fontsize={FONT_SIZE};',
        f'  node [fontname="{_FONT}", fontsize={FONT_SIZE}, shape=box, margin="0.24,0.1"];',
        f'  edge [fontname="{_FONT}", fontsize={FONT_SIZE}, arrowsize=0.7];',
    ]
    lines += [f"  {_box(box, ids[box.id])}" for box in picture.boxes_in("")]
    for area in picture.areas:
        if not area.parent:
            lines += [f"  {line}" for line in _area(area, picture, ids, numbers)]
    for edge in picture.edges:
        end = _end(edge, picture, ids)
        if edge.start in ids and end:
            lines.append(f"  {ids[edge.start]} -> {end} [{_edge(edge, numbers)}];")
    return "\n".join((*lines, "}", ""))


def _area(
    area: Area, picture: Picture, ids: Mapping[str, str], numbers: Mapping[str, int]
) -> list[str]:
    style = "rounded,dashed" if area.parent else "rounded"
    title = _quoted(_marked(area.title, area.mark))
    boxes = picture.boxes_in(area.id)
    lines = [
        f"subgraph cluster_{numbers[area.id]} {{",
        f'  label={title}; style="{style}"; color="{_COLOURS[area.mark]}"; class="{area.mark}";',
        *(f"  {_box(box, ids[box.id])}" for box in boxes),
    ]
    if area.parent:
        # Nodes of a zone are drawn below each other, so that a large cluster is not too wide.
        nodes = [ids[box.id] for box in boxes if box.kind == "node"]
        columns = [nodes[first : first + _ROWS] for first in range(0, len(nodes), _ROWS)]
        lines.append(f"  {{rank=same; {'; '.join(column[0] for column in columns)}}}")
        lines += [
            f"  {upper} -> {lower} [style=invis];"
            for column in columns
            for upper, lower in pairwise(column)
        ]
    for child in picture.areas:
        if child.parent == area.id:
            lines += [f"  {line}" for line in _area(child, picture, ids, numbers)]
    return [*lines, "}"]


def _end(edge: Edge, picture: Picture, ids: Mapping[str, str]) -> str:
    """Return the box at the end of an edge; if an area is at the end, the area's first box."""
    boxes = picture.boxes_in(edge.end)
    return ids.get(edge.end) or (ids[boxes[0].id] if boxes else "")


def _box(box: Box, id_: str) -> str:
    style = "rounded,dashed" if box.mark == "removed" or box.kind == "check" else "rounded"
    attributes = {
        "label": _quoted(_marked(box.title, box.mark), *box.lines),
        "shape": _SHAPES.get(box.kind, "box"),
        "style": f'"{style if box.kind not in _SHAPES else "solid"}"',
        "color": f'"{_COLOURS[box.mark]}"',
        "penwidth": "2" if box.mark else "1",
        "class": f'"kind-{box.kind} {box.mark}"',
    }
    return f"{id_} [{', '.join(f'{key}={value}' for key, value in attributes.items())}];"


def _edge(edge: Edge, numbers: Mapping[str, int]) -> str:
    """Return the attributes of an edge."""
    attributes = {
        "style": _EDGE_STYLES[edge.style],
        "color": f'"{_COLOURS[edge.mark]}"',
        "penwidth": "2" if edge.mark else "1",
        "class": f'"{edge.style} {edge.mark}"',
    }
    if edge.end in numbers:
        attributes["lhead"] = f"cluster_{numbers[edge.end]}"
    if edge.label or edge.mark:
        # Add spaces around the text, so that the line of the edge does not touch it.
        attributes["label"] = _quoted(f"  {_marked(edge.label, edge.mark)}")
    if edge.style == "data":
        attributes["arrowhead"] = "none"
    return ", ".join(f"{key}={value}" for key, value in attributes.items())


def _marked(text: str, mark: Mark) -> str:
    return f"{text} ({mark})".strip() if mark else text


def _quoted(*lines: str) -> str:
    """Return lines as a string of the DOT language, where a backslash begins an escape."""
    escaped = (printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    text = "\\n".join(escaped)
    return f'"{text}"'
