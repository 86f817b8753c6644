"""A drill's outcomes as few rows for people: those that do the same share one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from denodo_ha.drill.model import Model
from denodo_ha.drill.outcome import Failure, Outcome

HEADINGS = ("Failure", "DNS answers", "New connections", "Again after", "When it is well again")
FOOT = (
    "Seconds are for new connections at worst, by AWS's documented arithmetic, not measured; a "
    "client's own DNS cache comes on top."
)
_FEW = 4
"""More names than these are counted."""
_WORDS: Mapping[str, str] = {
    "nothing": "nothing",
    "node-lost": "node lost",
    "node-not-ready": "node not ready",
    "node-drained": "node drained",
    "proxy-lost": "proxy lost",
    "service-down": "service down",
    "auxiliary-down": "auxiliary port down",
    "zone-lost": "zone lost",
    "balancer-lost": "balancer lost",
    "database-failed": "database failed",
    "region-lost": "region lost",
    "check-unhealthy": "check unhealthy by mistake",
    "missing-data": "alarm without data",
    "switch-thrown": "switch thrown",
    "nodes-lost": "two nodes lost",
}


@dataclass(frozen=True)
class Row:
    """One line: failures that do the same, and what they do.

    Attributes:
        failures: the failures by kind, in words.
        dns: the sides.
        connections: who is reached.
        again: seconds, with the sum.
        heals: what happens when it is well again.
        readings: what each reading of an open point comes to.
        bad: whether somebody is not served for good, or the site moves.
    """

    failures: tuple[str, ...]
    dns: str
    connections: str
    again: str
    heals: str
    readings: tuple[str, ...]
    bad: bool

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """As a table shows it."""
        readings = "\n".join(f"* {one}" for one in self.readings)
        again = f"{self.again}\n{readings}" if readings else self.again
        return "\n".join(self.failures), self.dns, self.connections, again, self.heals


def rows(outcomes: Iterable[Outcome], model: Model) -> list[Row]:
    """The rows, in the order of the first of each."""
    together: dict[Outcome, list[Failure]] = {}
    for outcome in outcomes:
        # At which address of a cluster's own name is for machines.
        effect = replace(outcome.effect, gaps=())
        together.setdefault(effect, []).append(outcome.failure)
    return [_row(effect, failures, model) for effect, failures in together.items()]


def _row(effect: Outcome, failures: list[Failure], model: Model) -> Row:
    harmless = effect.recovery == 0 and not (
        effect.unreachable or effect.partial or effect.unknown or effect.moves_site
    )
    return Row(
        failures=tuple(_harmless(failures) if harmless else _failures(failures, model)),
        dns=_dns(effect),
        connections=_connections(effect),
        again=_again(effect),
        heals=effect.heals,
        readings=effect.readings,
        bad=bool(effect.unreachable or effect.partial or effect.moves_site),
    )


def _failures(failures: list[Failure], model: Model) -> Iterable[str]:
    """Each kind with its names, by cluster."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for one in failures:
        kinds.setdefault(one.kind, {}).setdefault(one.cluster, []).append(one.name)
    for kind, clusters in kinds.items():
        if kind == "nothing":
            yield "nothing failed"
            continue
        named = [
            _named(cluster, names, several=len(model.clusters) > 1)
            for cluster, names in clusters.items()
        ]
        count = sum(len(names) for names in clusters.values())
        if len(named) > _FEW:
            named = [f"{count}, in {len(clusters)} clusters"]
        yield f"{_WORDS.get(kind, kind)}: {'; '.join(named)}"


def _harmless(failures: list[Failure]) -> Iterable[str]:
    """What does nothing to clients, counted by cluster."""
    clusters: dict[str, dict[str, int]] = {}
    for one in failures:
        kinds = clusters.setdefault("" if one.kind == "nothing" else one.cluster, {})
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    if len(clusters) > _FEW:
        yield f"{len(failures)} failures, in {len(clusters)} clusters"
        return
    for cluster, kinds in clusters.items():
        words = [
            f"{_WORDS.get(kind, kind)} ({count})" if count > 1 else _WORDS.get(kind, kind)
            for kind, count in kinds.items()
        ]
        yield f"{cluster}: {', '.join(words)}" if cluster else "nothing failed"


def _named(cluster: str, names: list[str], *, several: bool) -> str:
    own = several and "/" not in names[0]
    who = f"{cluster} " if own else ""
    if len(names) > _FEW:
        return f"{cluster}, {len(names)} of them" if several else f"{len(names)} of them"
    return who + ", ".join(names)


def _dns(effect: Outcome) -> str:
    said = []
    for move in effect.moves:
        text = f"{move.before} -> {move.after}" if move.before != move.after else move.after
        # After a move the other side is the one that has failed.
        standby = move.spare or move.before != move.after
        said.append(text if standby else f"{text}, no standby")
    return "\n".join(dict.fromkeys(said)) or "-"


def _connections(effect: Outcome) -> str:
    parts = []
    for ports, how in (
        (effect.unreachable, "none"),
        (effect.partial, "some"),
        (effect.unknown, "unknown"),
    ):
        if ports:
            parts.append(f"{', '.join(map(str, ports))}: {how}")
    if effect.meanwhile:
        said = f"{', '.join(map(str, effect.meanwhile))}: none until then"
        parts = [*(parts or ["all"]), said]
    return "\n".join(parts) or "all"


def _again(effect: Outcome) -> str:
    if effect.recovery is None:
        return "not by itself"
    if not effect.terms:
        return f"{effect.recovery} s"
    if len(effect.terms) == 1:
        return f"{effect.recovery} s: {effect.terms[0].what}"
    summands = " + ".join(f"{term.seconds} ({term.what})" for term in effect.terms)
    return f"{effect.recovery} s = {summands}"
