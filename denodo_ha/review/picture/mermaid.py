"""A picture as a Mermaid flowchart, which GitHub and GitLab draw in Markdown."""

from typing import Final

from denodo_ha.environment.loading.problem import printable
from denodo_ha.review.picture.graph import Area, Box, Edge, Mark, Picture

_BRACKETS: Final = {
    "clients": ("([", "])"),
    "name": ("{{", "}}"),
    "database": ("[(", ")]"),
    "check": (">", "]"),
}
_ARROWS: Final = {"connection": "-->", "standby": "-.->", "decision": "-.-", "data": "---"}
_STYLES: Final[dict[Mark, str]] = {
    "new": "stroke:#1a7f37,stroke-width:3px",
    "changed": "stroke:#9a6700,stroke-width:3px",
    "removed": "stroke:#cf222e,stroke-width:3px,stroke-dasharray:4",
}


def mermaid(picture: Picture) -> str:
    """Return the flowchart of a picture, without the fence of a code block."""
    ids = {box.id: f"b{number}" for number, box in enumerate(picture.boxes)}
    lines = ["flowchart TB"]
    ids |= {area.id: f"a{number}" for number, area in enumerate(picture.areas)}
    lines += _boxes_in("", picture, ids)
    for area in picture.areas:
        if not area.parent:
            lines += _area(area, picture, ids)
    lines += [_edge(edge, ids) for edge in picture.edges if edge.start in ids and edge.end in ids]
    for mark, style in _STYLES.items():
        marked = [ids[box.id] for box in picture.boxes if box.mark == mark]
        if marked:
            lines += [f"classDef {mark} {style}", f"class {','.join(marked)} {mark}"]
    return "\n".join((lines[0], *(f"  {line}" for line in lines[1:]), ""))


def _area(area: Area, picture: Picture, ids: dict[str, str]) -> list[str]:
    lines = [f'subgraph {ids[area.id]}["{_marked(area.title, area.mark)}"]']
    lines += [f"  {line}" for line in _boxes_in(area.id, picture, ids)]
    for child in picture.areas:
        if child.parent == area.id:
            lines += [f"  {line}" for line in _area(child, picture, ids)]
    return [*lines, "end"]


def _boxes_in(area: str, picture: Picture, ids: dict[str, str]) -> list[str]:
    return [_box(box, ids[box.id]) for box in picture.boxes_in(area)]


def _box(box: Box, id_: str) -> str:
    start, end = _BRACKETS.get(box.kind, ("[", "]"))
    text = "<br/>".join((_marked(box.title, box.mark), *map(_text, box.lines)))
    return f'{id_}{start}"{text}"{end}'


def _edge(edge: Edge, ids: dict[str, str]) -> str:
    label = _marked(edge.label, edge.mark)
    text = f'|"{label}"|' if label else ""
    return f"{ids[edge.start]} {_ARROWS[edge.style]}{text} {ids[edge.end]}"


def _marked(text: str, mark: Mark) -> str:
    return f"{_text(text)} ({mark})".strip() if mark else _text(text)


def _text(text: str) -> str:
    """Return a text with Mermaid's entities in place of characters that Mermaid interprets."""
    return "".join(
        character if character.isalnum() or character in " .,:;/()+-_=*" else f"#{ord(character)};"
        for character in printable(text)
    )
