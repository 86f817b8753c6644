"""Graph of a topology: boxes in areas, and the connections between them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

Kind = Literal["clients", "name", "check", "balancer", "proxy", "node", "database"]
Mark = Literal["", "new", "changed", "removed"]
"""The difference of an element from the picture of an earlier revision."""


@dataclass(frozen=True)
class Area:
    """A frame around boxes: a cluster, or a zone in a cluster.

    Attributes:
        id: its id.
        title: its text.
        parent: id of the area around it; empty for a cluster.
        mark: its difference from an earlier revision.
    """

    id: str
    title: str
    parent: str = ""
    mark: Mark = ""


@dataclass(frozen=True)
class Box:
    """A resource through which clients' connections pass, or which decides where they lead.

    Attributes:
        id: its id, the same in pictures of other revisions.
        kind: its kind, such as `node`, `balancer` or `database`.
        title: its first line.
        lines: its further lines.
        area: id of the area around it; empty for none.
        mark: its difference from an earlier revision.
    """

    id: str
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    area: str = ""
    mark: Mark = ""


@dataclass(frozen=True)
class Edge:
    """A connection between two boxes, or from a box to all boxes of an area.

    Attributes:
        start: id of the box at its start.
        end: id of the box or area at its end.
        label: its text.
        style: `connection` for the path of clients' connections now, `standby` for their path after
            a failover, `decision` for a check or switch that decides between the two paths, `data`
            for the connection to a database.
        mark: its difference from an earlier revision.
    """

    start: str
    end: str
    label: str = ""
    style: Literal["connection", "standby", "decision", "data"] = "connection"
    mark: Mark = ""


@dataclass(frozen=True)
class Picture:
    """The areas, boxes and edges of a topology, each in the order in which it is drawn."""

    areas: tuple[Area, ...]
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]

    def boxes_in(self, area: str) -> tuple[Box, ...]:
        """Return the boxes that are directly in an area; with an empty id, the boxes in no area."""
        return tuple(box for box in self.boxes if box.area == area)

    @property
    def is_marked(self) -> bool:
        """Return whether any element differs from the earlier revision."""
        areas, boxes, edges = (
            any(item.mark for item in elements) for elements in (self.areas, self.boxes, self.edges)
        )
        return areas or boxes or edges


def simplified(picture: Picture) -> Picture:
    """Return a picture in which one edge to an area replaces edges to every box in the area."""
    reached: dict[tuple[str, str, str], set[str]] = {}
    for edge in picture.edges:
        reached.setdefault((edge.start, edge.label, edge.style), set()).add(edge.end)
    areas_of: dict[tuple[str, str, str], list[str]] = {}
    for key, ends in reached.items():
        for area in picture.areas:
            inside = {box.id for box in picture.boxes_in(area.id)}
            if len(inside) > 1 and inside <= ends:
                areas_of.setdefault(key, []).append(area.id)
    edges: dict[Edge, None] = {}
    for edge in picture.edges:
        whole = areas_of.get((edge.start, edge.label, edge.style), [])
        around = _area_of(picture, edge.end)
        edges[replace(edge, end=around if around in whole else edge.end)] = None
    return replace(picture, edges=tuple(edges))


def _area_of(picture: Picture, box: str) -> str:
    return next((item.area for item in picture.boxes if item.id == box), "")


Element = TypeVar("Element", Area, Box, Edge)


def marked(before: Picture, after: Picture) -> Picture:
    """Return the picture after a change, with marks and with the elements that were removed."""
    return Picture(
        _marked(before.areas, after.areas, lambda area: area.id),
        _marked(before.boxes, after.boxes, lambda box: box.id),
        _marked(before.edges, after.edges, lambda edge: (edge.start, edge.end, edge.style)),
    )


def _marked(
    before: Iterable[Element], after: Iterable[Element], key: Callable[[Element], object]
) -> tuple[Element, ...]:
    old: Mapping[object, Element] = {key(item): item for item in before}
    new: Mapping[object, Element] = {key(item): item for item in after}
    elements: list[Element] = []
    for name, item in new.items():
        is_changed = name in old and old[name] != item
        mark: Mark = "changed" if is_changed else "" if name in old else "new"
        elements.append(replace(item, mark=mark))
    elements += [replace(item, mark="removed") for name, item in old.items() if name not in new]
    return tuple(elements)
