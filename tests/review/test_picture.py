"""`denodo-ha picture`: every example as a graph, and its drawings."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli.main import build_program
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment.loading.loader import load
from denodo_ha.review.picture.dot import dot
from denodo_ha.review.picture.graph import Area, Box, Edge, Picture, marked, simplified
from denodo_ha.review.picture.mermaid import mermaid
from denodo_ha.review.picture.svg import description, svg
from denodo_ha.review.picture.topology import picture_of
from tests.support.assembly import EXAMPLES, Assembly

AssemblyOf = Callable[[str], Assembly]
HOSTILE = '"]; x\\" -> <script>alert(1)</script>\n#quot;]--> \x1b[2J'


def picture(assembly: Assembly) -> Picture:
    stacks = [
        SynthesisedStack(name, name, "", template) for name, template in assembly.templates.items()
    ]
    return picture_of(build_model(tuple(stacks)))


def by_title(drawn: Picture) -> Mapping[str, Box]:
    return {box.title: box for box in drawn.boxes}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_node_and_port_is_drawn_and_reached(assembly_of: AssemblyOf, file: Path) -> None:
    environment = load(file).environment
    drawn = picture(assembly_of(file.stem))
    nodes = [box for box in drawn.boxes if box.kind == "node"]
    wanted = {
        f"area/{name}/{node.zone}: {node_name}"
        for name, cluster in environment.clusters.items()
        for node_name, node in cluster.nodes.items()
    }
    assert {f"{box.area}: {box.title}" for box in nodes} == wanted
    text = "\n".join(line for box in drawn.boxes for line in box.lines)
    ports = {service.port for service in environment.services.values()}
    if any(cluster.balancer.kind != "none" for cluster in environment.clusters.values()):
        assert {port for port in ports if not re.search(rf"\b{port}\b", text)} == set()
    # A path from the clients leads to every node.
    reached, waiting = set(), ["clients"]
    while waiting:
        start = waiting.pop()
        for edge in drawn.edges:
            if edge.start == start and edge.end not in reached:
                reached.add(edge.end)
                waiting.append(edge.end)
    assert {box.id for box in nodes} <= reached


def test_a_failover_has_its_name_checks_and_switch(assembly_of: AssemblyOf) -> None:
    drawn = picture(assembly_of("active-passive"))
    boxes = by_title(drawn)
    name = boxes["denodo.example.com"]
    assert "the operators' switch is not thrown" in boxes["primary is healthy while"].lines
    assert "the operators' switch is not thrown" not in boxes["secondary is healthy while"].lines
    leads = {(edge.label, edge.style) for edge in drawn.edges if edge.start == name.id}
    assert leads == {("while healthy", "connection"), ("otherwise", "standby")}
    assert "19997: this node only" in boxes["node1"].lines


def test_cookies_pass_an_application_load_balancer(assembly_of: AssemblyOf) -> None:
    boxes = by_title(picture(assembly_of("web-cookies")))
    assert "443 web: by cookie" in boxes["Network Load Balancer"].lines
    assert boxes["Application Load Balancer"].lines == ("443: every node, by cookie",)


def test_one_edge_leads_to_a_whole_zone(assembly_of: AssemblyOf) -> None:
    drawn = picture(assembly_of("large"))
    small = simplified(drawn)
    assert len(drawn.edges) == 13
    assert [edge.end for edge in small.edges[1:]] == [
        f"area/main/eu-west-1{zone}" for zone in "abc"
    ]
    # The picture has one edge to a zone with many nodes; the description lists each node.
    assert all(f"node{number:02}" in description(small) for number in range(1, 13))


def test_differences_are_marked(assembly_of: AssemblyOf) -> None:
    after = picture(assembly_of("active-passive"))
    assert not marked(after, after).is_marked
    (node2, *_) = [box for box in after.boxes if box.title == "node2"]
    before = Picture(
        after.areas,
        tuple(
            replace(box, lines=("internal",)) if box.kind == "balancer" else box
            for box in after.boxes
            if box is not node2
        ),
        (*after.edges, Edge("clients", node2.id, style="data")),
    )
    drawn = marked(before, after)
    marks = {(box.title, box.mark) for box in drawn.boxes if box.mark}
    assert marks == {("node2", "new"), ("Network Load Balancer", "changed")}
    assert [edge.mark for edge in drawn.edges if edge.style == "data"] == ["removed"]
    for text in (dot(drawn), mermaid(drawn), description(drawn)):
        # The marks of differences are also written as words, for readers who do not see colours.
        assert "node2 (new)" in text.replace("node2 in area", "node2") or "(new)" in text
        assert "(changed)" in text


@pytest.mark.parametrize("name", ["active-passive", "large", "haproxy"])
def test_svg_is_self_contained(assembly_of: AssemblyOf, name: str) -> None:
    text = svg(simplified(picture(assembly_of(name))), "a <title>")
    root = ElementTree.fromstring(text)  # noqa: S314 - our own drawing
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {
        *("svg", "title", "desc", "style", "g", "polygon", "path", "ellipse", "text", "polyline"),
        *("a",),
    }
    links = re.findall(r'(?:href|src)="[^"]*"|url\([^)]*\)|@import', text)
    assert links == []
    assert root.get("role") == "img"
    shown = "".join(root.itertext())
    assert "node1" in shown or "node01" in shown
    assert "a <title>" in shown


def test_many_nodes_of_a_zone_are_drawn_in_columns() -> None:
    boxes = tuple(Box(f"n{number}", "node", f"node{number}", area="z") for number in range(10, 24))
    balancer = Box("b", "balancer", "NLB", area="c")
    areas = (Area("c", "c"), Area("z", "zone", "c"))
    drawn = svg(Picture(areas, (balancer, *boxes), (Edge("b", "n10"),)), "t")
    places = re.findall(r'<text[^>]* x="([\d.-]+)" y="([\d.-]+)"[^>]*>node\d+<', drawn)
    columns, rows = ({float(place[axis]) for place in places} for axis in (0, 1))
    assert (len(places), len(columns), len(rows)) == (14, 3, 6)


def test_texts_of_areas_are_above_the_edges_that_cross_them(assembly_of: AssemblyOf) -> None:
    text = svg(picture(assembly_of("active-active")), "t")
    labels = text.index('<g class="labels">')
    assert labels > text.rindex('class="edge')
    assert "eu&#45;west&#45;1a</text>" in text[labels:]
    assert "eu&#45;west&#45;1a</text>" not in text[text.index("</style>") : labels]
    # Tooltips must not contain ids of the drawing, which mean nothing to a reader.
    assert "<title>b0" not in text
    assert "<title>cluster" not in text


def test_texts_of_templates_change_no_drawing(assembly_of: AssemblyOf) -> None:
    after = picture(assembly_of("active-active"))
    hostile = Picture(
        tuple(replace(area, title=HOSTILE) for area in after.areas),
        tuple(replace(box, title=HOSTILE, lines=(HOSTILE,)) for box in after.boxes),
        tuple(replace(edge, label=HOSTILE) for edge in after.edges),
    )
    root = ElementTree.fromstring(svg(hostile, HOSTILE))  # noqa: S314 - our own drawing
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert "script" not in tags
    # The drawing has as many boxes and edges as it has without the hostile texts.
    groups = [
        element.get("class", "").split()[0] for element in root.iter() if element.get("class")
    ]
    assert groups.count("node") == len(after.boxes)
    assert groups.count("edge") == len(after.edges)
    text = mermaid(hostile)
    assert text.count("-->") == len(after.edges)
    assert "\x1b" not in text
    assert "<script>" not in text


def test_the_command(assembly_of: AssemblyOf, tmp_path: Path) -> None:
    (template,) = assembly_of("active-active").templates.values()
    folder = str(tmp_path / "main.template.json")
    Path(folder).write_text(json.dumps(template))
    runner, program = CliRunner(), build_program()

    def run(*arguments: str) -> Any:
        return runner.invoke(program, ["picture", *arguments])

    drawn = run(folder)
    assert (drawn.exit_code, drawn.stderr) == (0, "")
    assert drawn.stdout.startswith("<svg")
    assert run(folder, "--format", "mermaid").stdout.startswith("flowchart TB\n")
    same = run(folder, "--format", "dot", "--against", folder)
    assert "(new)" not in same.stdout
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps({"Resources": {}}))
    refused = run(str(empty))
    assert refused.exit_code == 2
    assert "has a load balancer or an instance to draw" in " ".join(refused.stderr.split())
