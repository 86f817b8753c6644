"""Plan report: the three ways as text, as Markdown, and as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from denodo_ha.cli.output import markdown_text
from denodo_ha.drill.live.adoption.configuration_text import denodo_version, new_record
from denodo_ha.drill.live.adoption.found_cluster import FoundSite
from denodo_ha.drill.live.adoption.takeover import Takeover
from denodo_ha.drill.live.adoption.ways import Step, Way
from denodo_ha.environment.loading.problem import printable


def text_lines(ways: Iterable[Way]) -> Iterator[str]:
    """Yield the lines of the adoption plan for a terminal."""
    for number, way in enumerate(ways, start=1):
        yield ""
        yield f"Way {number}, {way.name}: {way.summary}"
        yield from (f"  Refused: {reason}." for reason in way.refusals)
        yield from (f"  Note: {remark}." for remark in way.remarks)
        for index, step in enumerate(way.steps, start=1):
            yield f"  {index}. {step.text}"
            yield from (f"       {line}" for line in _shell_lines(step))


def markdown_page(title: str, ways: Iterable[Way]) -> str:
    """Return the adoption plan as a page in Markdown."""
    lines = [f"# {markdown_text(printable(title))}"]
    for number, way in enumerate(ways, start=1):
        lines += ["", f"## Way {number}: {way.name}", "", markdown_text(way.summary)]
        for heading, sentences in (("Refused", way.refusals), ("Notes", way.remarks)):
            if sentences:
                lines += ["", f"{heading}:", ""]
                lines += [f"- {markdown_text(printable(sentence))}" for sentence in sentences]
        for index, step in enumerate(way.steps, start=1):
            lines += ["", f"{index}. {markdown_text(printable(step.text))}"]
            if step.commands:
                commands = [f"   {printable(line)}" for line in _shell_lines(step)]
                lines += ["", "   ```", *commands, "   ```"]
    return "\n".join(lines) + "\n"


def _shell_lines(step: Step) -> Iterator[str]:
    """Yield a step's shell commands, each after a comment on what the command changes."""
    for command in step.commands:
        if command.why:
            yield f"# {command.why}"
        yield command.line


def json_report(
    files: Mapping[str, Any], site: FoundSite, takeovers: Iterable[Takeover], ways: Iterable[Way]
) -> dict[str, Any]:
    """Return the adoption plan as data for programs.

    Args:
        files: the files of `adopt`, and for each: written, or not changed.
        site: the found site.
        takeovers: the takeover of each cluster.
        ways: the ways forward for the site.
    """
    record = new_record(site)
    return {
        "files": files,
        "denodo_version": denodo_version(site),
        "record": site.record or None,
        "new_record": record.name if record else None,
        "unread": [{"action": part.action, "region": part.region} for part in site.details.unread],
        "clusters": [
            {
                "name": cluster.name,
                "region": cluster.balancer.region,
                "load_balancer": cluster.balancer.id,
                "nodes": {node.name: id_ for id_, node in cluster.nodes.items()},
                "left_out": cluster.left_out,
            }
            for cluster in site.clusters
        ],
        "takeovers": [
            {
                "cluster": takeover.cluster,
                "stack": takeover.stack,
                "possible": not takeover.refusals,
                "done": takeover.is_done,
                "refusals": takeover.refusals,
                "changes": takeover.changes,
                "remarks": takeover.remarks,
                "resource_mapping": takeover.identifiers,
            }
            for takeover in takeovers
        ],
        "ways": list(ways),
    }
