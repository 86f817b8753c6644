"""Parts of a review's page, which each renderer shows in its format.

Texts may come from templates and configurations that others wrote. The parts contain them as plain
text, and each renderer escapes them.
"""

from dataclasses import dataclass
from typing import Literal

from denodo_ha.review.picture.graph import Picture


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading.
        kind: `name` for the names of the rows, `code` for commands, `number` for amounts, `effect`
            for the effect of a deploy, `text` for anything else.
    """

    title: str
    kind: Literal["name", "code", "number", "effect", "text"] = "text"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table with at least one row.

    Attributes:
        caption: its subject, for readers who jump to the table, as screen readers can.
        columns: its columns.
        rows: the cells of each row, as many as columns.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Drawing:
    """The picture of the topology."""

    picture: Picture


@dataclass(frozen=True)
class Folded:
    """A long output of a program, which the page hides until a reader opens it."""

    summary: str
    text: str


Block = Paragraph | Table | Drawing | Folded


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own.

    Attributes:
        title: its heading.
        blocks: its contents, in their order.
    """

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Verdict:
    """The verdict of a review in one line.

    Attributes:
        text: the verdict.
        is_clear: True if the configuration accepts all findings, or if there is none.
        names: each finding that is not accepted, with its places.
        accepted: each accepted finding with its places.
    """

    text: str
    is_clear: bool
    names: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """The page of a review.

    Attributes:
        environment: name of the environment.
        revisions: the two revisions that are compared.
        verdict: the verdict.
        sections: the sections in their order.
    """

    environment: str
    revisions: str
    verdict: Verdict
    sections: tuple[Section, ...]
