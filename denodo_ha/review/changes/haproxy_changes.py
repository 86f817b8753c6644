"""Findings on HAProxy: instances, connections, timeouts, TLS and stickiness that get worse.

HAProxy's configuration file is in the folder that `cdk synth` writes, beside the template.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_file_asset
from denodo_ha.deployed.stack import mapping_in
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.haproxy.systemd_unit import maxconn_of
from denodo_ha.review.changes.capacity_changes import smaller_type
from denodo_ha.review.changes.connection_changes import CONNECTIONS_NOT_ENDED, STICKINESS_OFF
from denodo_ha.review.changes.node_state_changes import PARAMETER, parsed_state
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import Properties, StackPair, number

_PLACE: Final = "HAProxy"
_TIME: Final = re.compile(r"(?:timeout )?(\S+) ([0-9]{1,9})s")
_OLD_WORKER: Final = "hard-stop-after"
_SHORTER_IS_WORSE: Final[Mapping[str, tuple[str, ...]]] = {
    "frontend": ("client", "http-request", "http-keep-alive"),
    "backend": ("server", "tunnel"),
}
"""Timeouts after which HAProxy ends a connection or request, by the section that uses them."""


@dataclass
class _Section:
    """A section of HAProxy's configuration file.

    Attributes:
        defaults: name of the section whose lines also apply to this section; empty for none.
        lines: the lines.
    """

    defaults: str = ""
    lines: list[str] = field(default_factory=list)

    def times(self) -> dict[str, int]:
        """Return the seconds of each timeout by name, for lines in whole seconds."""
        matches = map(_TIME.fullmatch, self.lines)
        return {match[1]: int(match[2]) for match in matches if match}

    def has(self, *beginnings: str) -> bool:
        """Return whether a line of the section begins with one of the given texts."""
        return any(line.startswith(beginnings) for line in self.lines)

    def contains(self, beginning: str, option: str) -> bool:
        """Return whether a line that begins with a text has an option."""
        return any(line.startswith(beginning) and option in f"{line} " for line in self.lines)


def haproxy_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on HAProxy of a stack that exists before and after the change."""
    for _, before, after in pair.kept("AWS::EC2::LaunchTemplate"):
        data = [mapping_in(properties, "LaunchTemplateData") for properties in (before, after)]
        types = [settings.get("InstanceType") for settings in data]
        yield from smaller_type(pair.place(_PLACE), types[0], types[1], "haproxy-smaller")
    for _, before, after in pair.kept("AWS::AutoScaling::AutoScalingGroup"):
        counts = [number(properties.get("MinSize")) for properties in (before, after)]
        if counts[0] is not None and counts[1] is not None and counts[1] < counts[0]:
            text = f"{counts[0]} -> {counts[1]} HAProxy instances"
            yield finding("haproxy-fewer", pair.place(_PLACE), text)
    for _, before, after in pair.kept(PARAMETER):
        yield from _desired_states(pair, before, after)


def has_new_haproxy_state(pair: StackPair) -> bool:
    """Return whether the HAProxy instances of a stack need `denodo-ha haproxy apply`."""
    states = [(parsed_state(old), parsed_state(new)) for _, old, new in pair.kept(PARAMETER)]
    # If only the host program changes, `haproxy apply` is not needed: each instance updates its
    # host program automatically.
    keys = ("file", "drop_in", "certificate", "authority")
    return any(
        _drop_in(new) and any(old.get(key) != new.get(key) for key in keys) for old, new in states
    )


def _desired_states(pair: StackPair, before: Properties, after: Properties) -> Iterator[Finding]:
    states = parsed_state(before), parsed_state(after)
    drop_ins = _drop_in(states[0]), _drop_in(states[1])
    if not all(drop_ins):
        return
    limits = maxconn_of(drop_ins[0]), maxconn_of(drop_ins[1])
    if limits[0] is not None and limits[1] is not None and limits[1] < limits[0]:
        text = f"maxconn {limits[0]} -> {limits[1]} client connections for each HAProxy instance"
        yield finding("haproxy-maxconn-lower", pair.place(_PLACE), text)
    ports = states[0].get("health_port"), states[1].get("health_port")
    if None not in ports and ports[0] != ports[1]:
        apply = full_command("haproxy apply", cluster=pair.cluster)
        text = (
            f"the load balancer checks port {ports[0]} -> {ports[1]}; every HAProxy instance is "
            f"unhealthy from the deploy until `{apply}`, which opens the new port"
        )
        yield finding("haproxy-health-port-changed", pair.place(_PLACE), text)
    if states[0].get("file") != states[1].get("file"):
        yield from _files(pair, states)


def _drop_in(state: Mapping[str, Any]) -> str:
    """Return the systemd drop-in in HAProxy's desired state; empty for any other desired state."""
    drop_in = state.get("drop_in")
    return drop_in if isinstance(drop_in, str) else ""


def _files(
    pair: StackPair, states: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Iterator[Finding]:
    """Yield findings on a changed configuration file of HAProxy."""
    texts = _text(pair.before, states[0]), _text(pair.after, states[1])
    if texts[0] is None or texts[1] is None:
        text = (
            "haproxy.cfg differs, but a folder of cdk synth does not contain the file, so its "
            "timeouts and checks cannot be compared: give complete folders of cdk synth"
        )
        yield finding("haproxy-settings-unknown", pair.place(_PLACE), text)
    else:
        yield from file_findings(pair, texts[0], texts[1])


def file_findings(pair: StackPair, before: str, after: str) -> Iterator[Finding]:
    """Yield findings on a changed text of `haproxy.cfg`."""
    old, new = _sections(before), _sections(after)
    stops = [sections["global"].times().get(_OLD_WORKER, 0) for sections in (old, new)]
    if stops[1] < stops[0]:
        text = f"after a reload of HAProxy, older sessions end after {stops[0]} -> {stops[1]} s"
        yield finding("haproxy-timeout-shorter", pair.place(_PLACE), text)
    yield from _unencrypted(pair, old, new)
    for title in (title for title in old if title in new):
        kind, _, service = title.partition(" ")
        place = pair.place(service)
        sides = _effective(old, title), _effective(new, title)
        times = [section.times() for section in sides]
        changes = [
            f"timeout {name} {times[0][name]} -> {times[1][name]} s"
            for name in _SHORTER_IS_WORSE.get(kind, ())
            if name in times[1] and times[1][name] < times[0].get(name, 0)
        ]
        if changes:
            text = f"connections end earlier: {', '.join(changes)}"
            yield finding("haproxy-timeout-shorter", place, text)
        if kind == "backend":
            yield from _weaker(place, *sides)


def _unencrypted(
    pair: StackPair, old: Mapping[str, _Section], new: Mapping[str, _Section]
) -> Iterator[Finding]:
    """Yield services whose connections HAProxy no longer encrypts, to clients or to nodes.

    If HAProxy encrypted both connections before the change and none after the change, HAProxy
    forwards the TLS between client and node, so nothing gets worse.
    """
    for service in (title.partition(" ")[2] for title in old if title.startswith("frontend ")):
        titles = f"frontend {service}", f"backend {service}"
        if not all(title in sections for title in titles for sections in (old, new)):
            continue
        clients = [sections[titles[0]].contains("bind ", " ssl ") for sections in (old, new)]
        nodes = [sections[titles[1]].contains("server ", " ssl ") for sections in (old, new)]
        if clients == [True, False] and not nodes[0]:
            text = "connections from clients to HAProxy have no TLS any more"
            yield finding("tls-off", pair.place(service), text)
        if nodes == [True, False] and clients[1]:
            text = "connections from HAProxy to the nodes have no TLS any more"
            yield finding("tls-off", pair.place(service), text)


def _weaker(place: str, before: _Section, after: _Section) -> Iterator[Finding]:
    """Yield the settings of a backend that get worse."""
    connect = [section.times().get("connect", 0) for section in (before, after)]
    if connect[1] > connect[0]:
        text = (
            f"timeout connect {connect[0]} -> {connect[1]} s: if a node does not answer, HAProxy "
            "connects the client to another node later"
        )
        yield finding("haproxy-connect-slower", place, text)
    sticky = "cookie ", "balance source"
    if before.has(*sticky) and not after.has(*sticky):
        yield finding("stickiness-off", place, STICKINESS_OFF)
    ends = " on-marked-down shutdown-sessions "
    if before.contains("default-server ", ends) and not after.contains("default-server ", ends):
        yield finding("health-check-weaker", place, CONNECTIONS_NOT_ENDED)


def _text(stack: SynthesisedStack | None, state: Mapping[str, Any]) -> str | None:
    """Return the configuration file that a desired state names; None if it does not exist."""
    name = str(state.get("file", "")).rpartition("/")[2]
    return read_file_asset(stack, name) if stack is not None and name else None


def _sections(text: str) -> dict[str, _Section]:
    """Return the sections of a configuration file by their titles, without `from DEFAULTS`."""
    sections = {"global": _Section()}
    section = sections["global"]
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            title, _, defaults = line.partition(" from ")
            section = sections.setdefault(title, _Section(defaults))
        elif line.strip():
            section.lines.append(line.strip())
    return sections


def _effective(sections: Mapping[str, _Section], title: str) -> _Section:
    """Return a section with the lines of its defaults before its own lines, which override them."""
    section = sections[title]
    defaults = sections.get(f"defaults {section.defaults}", _Section())
    return _Section(lines=[*defaults.lines, *section.lines])
