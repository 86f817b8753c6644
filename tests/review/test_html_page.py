"""The page of a review in HTML: structure, no use of network or scripts, hostile texts."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from denodo_ha.review.finding import finding
from denodo_ha.review.page.html_page import html_page
from denodo_ha.review.page.page_contents import page_of
from denodo_ha.review.picture.graph import Picture
from denodo_ha.review.picture.svg import svg
from tests.review.pages import HOSTILE, PICTURE, drawn, hostile_page, page_with, review_of

STYLE = Path("denodo_ha/review/page/html_page.css")
VOID = {"meta", "link", "br", "img"}


class Document(HTMLParser):
    """Parser of a page: its elements with their attributes, and the texts with their elements."""

    def __init__(self, text: str) -> None:
        """Parse a document, and check that its elements are nested."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without contents."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        """Yield the attributes of each element with a tag."""
        return (attributes for name, attributes in self.elements if name == tag)


@pytest.fixture(scope="module")
def hostile() -> str:
    return drawn(hostile_page())


def test_parts_in_their_order() -> None:
    names = ("tls-off", "node-removed", "access-widened", "node-restarted")
    page = html_page(page_with([finding(name, "main", "t") for name in names]), "<svg></svg>")
    document = Document(page)
    headings = [text for tag, text in document.texts if tag == "h2"]
    assert headings == [
        *("4 findings to look at", "What gets worse", "Nodes, load balancers and databases"),
        *("Access that widens", "Protections turned off", "Topology"),
        *("Afterwards, in this order", "All differences of the templates"),
    ]
    assert [text for tag, text in document.texts if tag == "h1"] == ["Review of prod"]
    # Each section is labelled by its heading, and the table of contents links to each section.
    ids = {attributes["id"] for tag, attributes in document.elements if attributes.get("id")}
    sections = [attributes["aria-labelledby"] for attributes in document.all("section")]
    assert set(sections) <= ids
    links = [str(attributes["href"]) for attributes in document.all("a")]
    assert links == ["#main", *(f"#{id_}" for id_ in sections)]
    for landmark in ("header", "nav", "main", "footer"):
        assert len(list(document.all(landmark))) == 1
    assert all(attributes.get("scope") in {"col", "row"} for attributes in document.all("th"))
    assert len(list(document.all("caption"))) == len(list(document.all("table"))) == 5
    # A caption that only repeats the heading above the table is visible for screen readers only.
    shown = [attributes["class"] for attributes in document.all("caption")]
    assert shown == ["hidden", "shown", "hidden", "hidden", "hidden"]
    # Tables need explicit roles: with a style `display: block`, browsers no longer treat elements
    # as parts of a table.
    parts = {"table", "thead", "tbody", "tr", "th", "td"}
    roles = {(tag, attributes.get("role")) for tag, attributes in document.elements if tag in parts}
    assert roles == {
        *(("table", "table"), ("thead", "rowgroup"), ("tbody", "rowgroup"), ("tr", "row")),
        *(("th", "columnheader"), ("th", "rowheader"), ("td", "cell")),
    }
    assert '<td role="cell" class="code" data-label="Command"><code>denodo-ha plan -c prod' in page


def test_the_verdict_is_one_of_two_and_names_what_is_accepted() -> None:
    found = finding("tls-off", "main", "t")
    for findings, accepted, sign in (((), (found,), "✓"), ((found,), (), "!")):
        review = replace(review_of(*findings), accepted=accepted)
        page = html_page(page_of(review, "", ()), "")
        state = "open" if findings else "clear"
        assert f'<section class="verdict {state}"' in page
        assert f'aria-hidden="true">{sign}</span>' in page
        assert ("Accepted by the configuration:" in page) is bool(accepted)
        assert "<li><strong>tls-off</strong> (main)</li>" in page


def test_commands_in_texts_are_code_unless_a_backtick_is_alone() -> None:
    texts = {
        "run `a <b>` and `c`": "run <code>a &lt;b&gt;</code> and <code>c</code>",
        "a lone ` of `two` texts": "a lone ` of `two` texts",
    }
    for text, shown in texts.items():
        page = html_page(page_with([finding("tls-off", "main", text)]), "")
        assert f'data-label="Change">{shown}</td>' in page


def test_needs_no_network_and_no_script(hostile: str) -> None:
    document = Document(hostile)
    (policy,) = [
        str(attributes["content"])
        for attributes in document.all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    tags = {tag for tag, _ in document.elements}
    assert tags.isdisjoint({"script", "img", "iframe", "object", "form", "base"})
    requests = [
        (tag, name, value)
        for tag, attributes in document.elements
        for name, value in attributes.items()
        if name in {"src", "srcset", "xlink:href", "action", "background"}
        or (name == "href" and not str(value).startswith(("#", "data:,")))
        or name.startswith("on")
    ]
    assert requests == []
    styles = "".join(text for tag, text in document.texts if tag == "style")
    assert not re.search(r"url\(|@import|expression|image-set", styles)


def test_foreign_texts_stay_texts(hostile: str) -> None:
    document = Document(hostile)
    harmless = Document(drawn(page_with([finding("tls-off", "main", "t")])))
    tags = {tag for tag, _ in document.elements}
    assert tags - {tag for tag, _ in harmless.elements} <= {"br", "span"}
    names = {name for _, attributes in document.elements for name in attributes}
    assert "evil" not in names
    assert "onerror" not in names
    assert all(line.isprintable() for line in hostile.split("\n"))
    # Hostile text appears literally on the page; only control characters are replaced.
    shown = "".join(text for _, text in document.texts)
    assert shown.count("<script>alert(1)</script>") > 20
    assert "{0}{evil}%s\\u202e" in shown
    assert "&lt;{0}" in shown
    assert HOSTILE not in hostile


def test_marks_and_lines_of_the_difference_are_words_too() -> None:
    page = page_with([], ["Stack x\n[+] AWS::A\n └─ [~] B\n     ├─ [-] old\nplain [+] text"])
    text = html_page(page, "")
    assert '<span class="added">[+] AWS::A</span>' in text
    assert '<span class="changed"> └─ [~] B</span>' in text
    assert '<span class="removed">     ├─ [-] old</span>\nplain [+] text</pre>' in text
    # The page describes the picture in words if Graphviz has drawn none.
    assert "<li>NLB (new) in active: 9999.</li>" in text
    assert "<li>clients; leads to NLB (new).</li>" in text
    marks = "to the nodes. Differences from the base are marked with (new), (changed) or (removed)."
    assert marks in html_page(page, svg(PICTURE, "t"))
    unmarked = replace(review_of(), picture=Picture((), PICTURE.boxes[:1], ()))
    assert marks not in drawn(page_of(unmarked, "", ()))


def test_every_kind_of_effect_has_a_class(hostile: str) -> None:
    used = set(re.findall(r'class="(effect-[a-z-]+)"', hostile))
    assert used == {
        *("effect-state-only", "effect-in-place", "effect-restart", "effect-interruption"),
        *("effect-replacement", "effect-new", "effect-removed"),
    }
    named = set(re.findall(r"\.(effect-[a-z-]+)", STYLE.read_text()))
    assert named <= used
