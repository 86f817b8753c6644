"""Findings on desired states of nodes: servers, limits, managers, exports, readiness."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.deployed.stack import mapping_in, resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.facts.instance_memory import MIB_A_GIB
from denodo_ha.environment.facts.limits import BUSY_LIMIT_DEFAULT_S
from denodo_ha.environment.loading.bounded_document import parse_json_answer
from denodo_ha.plan.node_changes import joined_text
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import Properties, Resources, StackPair, number, of_type

PARAMETER: Final = "AWS::SSM::Parameter"

State = Mapping[str, Any]


@dataclass(frozen=True)
class _Limit:
    """A number in the desired state, which gets worse if it rises or if it falls.

    Attributes:
        path: the keys that lead to the number in the desired state.
        name: name of the finding.
        text: the text of the finding, with `{}` for the numbers before and after.
        more_is_worse: True if a higher number is worse.
        default: the number that applies to a state without the key; None if the state then has no
            limit.
    """

    path: tuple[str, ...]
    name: str
    text: str
    more_is_worse: bool = False
    default: int | None = None


_LIMITS: Final = (
    _Limit(
        ("limits", "stop_seconds"),
        "stop-limit-shorter",
        "running queries may continue for {} s when the node stops",
    ),
    _Limit(
        ("limits", "start_seconds"),
        "start-limit-shorter",
        "the servers of a new node must be ready within {} s, or the deploy fails",
    ),
    _Limit(
        ("ready", "busy_seconds"),
        "readiness-weaker",
        "a node in promotion or single-user mode stays in service for {} s",
        more_is_worse=True,
        default=BUSY_LIMIT_DEFAULT_S,
    ),
    _Limit(
        ("exports", "every"),
        "backups-fewer",
        "Virtual DataPort's metadata is exported every {} s",
        more_is_worse=True,
    ),
    _Limit(
        ("catalog", "scheduler", "check_interval"),
        "scheduler-check-slower",
        "a Scheduler server reports to the other servers every {} s: after its loss, the other "
        "servers start its jobs later",
        more_is_worse=True,
    ),
)
_REMOVED: Final = (
    (("tls",), "tls-off", "connections to Denodo's servers on the node have no TLS any more"),
    (
        ("license_manager", "tls"),
        "tls-off",
        "connections to the License Manager have no TLS any more",
    ),
    (
        ("logs",),
        "logs-off",
        "the node's logs are no longer sent to CloudWatch Logs, and are lost with the instance",
    ),
    (
        ("logs", "statements"),
        "logs-off",
        "the log files with users' statements are no longer sent to CloudWatch Logs",
    ),
    (("exports",), "backups-fewer", "Virtual DataPort's metadata is no longer exported"),
    (
        ("solution_manager", "host"),
        "solution-manager-removed",
        "the node no longer reports to a Solution Manager: {} -> none",
    ),
    (
        ("license_manager", "host"),
        "license-manager-removed",
        "a new node uses the licence settings of its image: License Manager {} -> none",
    ),
    (
        ("security_token",),
        "security-token-removed",
        "promotions need the Denodo Security Token, which is removed: {} -> none",
    ),
    (
        ("data_disk", "path"),
        "data-disk-unmounted",
        "the second disk is no longer mounted: {} -> none",
    ),
)
"""Keys of the desired state whose removal is a finding: path, name of the finding, and text of the
finding with `{}` for the earlier value."""
_PARTS: Final = (("license_manager", "tls"), ("logs", "statements"))
"""Paths in sections of the desired state whose removal has its own finding: if the whole section is
removed, these paths are not reported."""
_READINESS: Final = ("ping", "auto", "strict")
"""Values of `denodo.readiness`, from the weakest to the strictest definition of a ready node."""
_HEAP: Final = re.compile(r"-Xmx([0-9]{1,9})([kKmMgG]?)(?![0-9A-Za-z])")
_KIB: Final = {"": 1 / 1024, "k": 1, "m": 1024, "g": 1024 * MIB_A_GIB}


def node_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on the desired states of nodes that exist before and after the change."""
    before, after = node_states(pair.old), node_states(pair.new)
    nodes = _nodes(pair.new)
    for node in sorted(before):
        place = pair.place(node)
        if node in after:
            yield from _settings(place, before[node], after[node])
        elif node in nodes:
            text = "the node program no longer sets up the node, nor reports its readiness"
            yield finding("node-program-removed", place, text)


def node_states(resources: Resources) -> dict[str, State]:
    """Return the desired states of nodes by node; a state that is not JSON is left out."""
    return {
        node: state
        for properties in of_type(resources, PARAMETER).values()
        if (node := resource_tag(properties, names.NODE_TAG))
        and (state := parsed_state(properties))
    }


def parsed_state(properties: Properties) -> State:
    """Return the desired state in an SSM parameter; empty if the value has another form."""
    try:
        state = parse_json_answer(joined_text(properties.get("Value", "")) or "{}")
    except ValueError:
        return {}
    return state if isinstance(state, Mapping) else {}


def _nodes(resources: Resources) -> set[str]:
    instances = of_type(resources, "AWS::EC2::Instance").values()
    return {node for instance in instances if (node := resource_tag(instance, names.NODE_TAG))}


def _settings(place: str, before: State, after: State) -> Iterator[Finding]:
    yield from _limits(place, before, after)
    yield from _removed(place, before, after)
    yield from _heaps(place, before, after)
    yield from _servers(place, before, after)
    yield from _readiness(place, before, after)
    yield from _metadata(place, before, after)
    versions = [mapping_in(state, "denodo").get("version") for state in (before, after)]
    if None not in versions and versions[0] != versions[1]:
        text = (
            f"Denodo {versions[0]} -> {versions[1]}: the node needs an image of the new version, "
            "and its metadata must be migrated"
        )
        yield finding("version-changed", place, text)
    hosts = before.get("rmi_host"), after.get("rmi_host")
    if None not in hosts and hosts[0] != hosts[1]:
        text = f"clients must reach another RMI host for the second connection: {_change(*hosts)}"
        yield finding("rmi-host-changed", place, text)


def _change(before: Any, after: Any) -> str:
    return f"{before} -> {after}"


def _at(state: State, path: Sequence[str]) -> Any:
    """Return the value at a path of keys, None if a key is missing."""
    value: Any = state
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _limits(place: str, before: State, after: State) -> Iterator[Finding]:
    for limit in _LIMITS:
        values = [_at(state, limit.path) for state in (before, after)]
        old, new = (number(limit.default if value is None else value) for value in values)
        if old is None or new is None or old == new:
            continue
        if (new > old) == limit.more_is_worse:
            yield finding(limit.name, place, limit.text.format(_change(old, new)))


def _removed(place: str, before: State, after: State) -> Iterator[Finding]:
    for path, name, text in _REMOVED:
        is_said_by_section = path in _PARTS and not _at(after, path[:-1])
        if (old := _at(before, path)) and not _at(after, path) and not is_said_by_section:
            yield finding(name, place, text.format(old))
    # The desired state has the key `watchdog` only if the watchdog is off.
    if before.get("watchdog", True) and not after.get("watchdog", True):
        text = "the watchdog no longer restarts a server whose process ends unexpectedly"
        yield finding("watchdog-off", place, text)


def _heaps(place: str, before: State, after: State) -> Iterator[Finding]:
    for option, server in (
        ("vdp", "Virtual DataPort"),
        ("web", "the web container"),
        ("scheduler", "the Scheduler"),
    ):
        old, new = (_heap_mib(state, option) for state in (before, after))
        if old is not None and new is not None and new < old:
            yield finding("heap-smaller", place, f"heap of {server} {_change(old, new)} MiB")


def _heap_mib(state: State, server: str) -> int | None:
    """Return the heap of a server in MiB; None if the desired state does not set the heap."""
    options = _at(state, ("jvm", server))
    # If a JVM option occurs several times, Java uses the last one.
    matches = _HEAP.findall(options) if isinstance(options, str) else []
    if matches:
        amount, unit = matches[-1]
        return int(int(amount) * _KIB[unit.lower()] / 1024)
    return number(state.get("heap_mib")) if server == "vdp" else None


def _servers(place: str, before: State, after: State) -> Iterator[Finding]:
    old, new = (_texts(state.get("servers")) for state in (before, after))
    for server in (server for server in old if server not in new):
        yield finding("server-removed", place, f"the node no longer starts {server}")


def _readiness(place: str, before: State, after: State) -> Iterator[Finding]:
    values = [str(_at(state, ("ready", "virtual_dataport")) or "auto") for state in (before, after)]
    ranks = [_READINESS.index(value) if value in _READINESS else None for value in values]
    if ranks[0] is not None and ranks[1] is not None and ranks[1] < ranks[0]:
        text = (
            f"readiness {_change(*values)}: a node in promotion or in single-user mode may remain "
            "in service"
        )
        yield finding("readiness-weaker", place, text)
    signals = [str(_at(state, ("signal", "when"))) for state in (before, after)]
    if signals == ["ready", "configured"]:
        text = f"signal {_change(*signals)}: a deploy does not wait until a new node serves clients"
        yield finding("readiness-weaker", place, text)


def _metadata(place: str, before: State, after: State) -> Iterator[Finding]:
    sources = [str(_at(state, ("metadata", "source"))) for state in (before, after)]
    if sources[0] != "manual" and sources[1] == "manual":
        text = (
            f"metadata {_change(*sources)}: a replacement of the node is not ready until an "
            "operator imports and confirms the metadata"
        )
        yield finding("metadata-by-hand", place, text)
    old, new = (mapping_in(state, "catalog") for state in (before, after))
    for component in (component for component in old if component not in new):
        text = f"{component} no longer uses the metadata database that the nodes share"
        yield finding("metadata-database-changed", place, text)
    left_out = [_texts(_at(state, ("exports", "not_compared"))) for state in (before, after)]
    more = [pattern for pattern in left_out[1] if pattern not in left_out[0]]
    if more:
        text = f"the comparison of sites leaves out more elements: {', '.join(more)}"
        yield finding("comparison-narrower", place, text)


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
