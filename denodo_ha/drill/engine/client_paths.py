"""The names that clients use, how their ports are reached, and what that comes to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from denodo_ha.drill.engine import duration_terms
from denodo_ha.drill.engine.duration_terms import Term
from denodo_ha.drill.engine.reachability import Reach, combined
from denodo_ha.drill.outcome import Failure, Gap, Move, Outcome

Services = Mapping[int, Mapping[str, Reach]]
"""How every port is reached, by the address in DNS."""


@dataclass(frozen=True)
class Way:
    """A name that clients use, and how its ports are reached."""

    name: str
    cluster: str
    services: Services
    ports: tuple[int, ...]

    def gaps(self) -> Iterator[Gap]:
        """What not every connection reaches."""
        for port in self.ports:
            addresses = self.services.get(port, {})
            if not addresses:
                yield Gap(self.name, port, "", Reach.NONE)
            for address, reach in addresses.items():
                if reach is not Reach.ALL:
                    yield Gap(self.name, port, address, reach)

    def with_reach(self, wanted: Reach) -> tuple[int, ...]:
        """The ports that are reached so, whatever the address."""
        return tuple(
            port for port in self.ports if combined(self.services.get(port, {}).values()) is wanted
        )


def outcome_of(
    failure: Failure,
    moves: list[Move],
    ways: tuple[list[Way], list[Way]],
    sums: list[tuple[Term, ...] | None],
    heals: list[str],
) -> Outcome:
    """What a failure does, from what it does to each name.

    Args:
        failure: the failure.
        moves: the sides of the failover names that are concerned.
        ways: the ways that clients use, and those through the failed clusters' own names.
        sums: for each way in use the steps until all are served; None if they never are.
        heals: what happens when it is well again.
    """
    used, own = ways
    known = [found for found in sums if found is not None]
    longest = max(known, key=duration_terms.total, default=())
    never = len(known) < len(sums)
    every = {way.name: way for way in (*own, *used)}
    return Outcome(
        failure=failure,
        moves=tuple(moves),
        unreachable=_ports(used, Reach.NONE),
        partial=_ports(used, Reach.SOME),
        unknown=_ports(used, Reach.UNKNOWN),
        gaps=tuple(gap for name in sorted(every) for gap in every[name].gaps()),
        recovery=None if never else duration_terms.total(longest),
        terms=() if never else tuple(longest),
        heals="; ".join(dict.fromkeys(one for one in heals if one)),
    )


def _ports(ways: list[Way], wanted: Reach) -> tuple[int, ...]:
    return tuple(sorted({port for way in ways for port in way.with_reach(wanted)}))


def shortly(outcome: Outcome) -> str:
    """What an outcome comes to, in few words."""
    parts = []
    if outcome.moves_site:
        parts.append(", ".join(f"DNS moves to {move.after}" for move in outcome.moves))
    elif outcome.moves:
        parts.append("DNS stays")
    if outcome.unreachable:
        parts.append(f"{', '.join(map(str, outcome.unreachable))} not reached")
    if outcome.recovery is not None:
        parts.append(f"{outcome.recovery} s")
    return ", ".join(parts) or "the same"
