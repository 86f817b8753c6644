"""What a failure does, as plain values."""

from dataclasses import dataclass, field, replace

from denodo_ha.drill.engine.duration_terms import Term
from denodo_ha.drill.engine.reachability import Reach


@dataclass(frozen=True)
class Failure:
    """What fails.

    Attributes:
        kind: what sort of failure.
        cluster: the cluster, or clusters joined by commas; empty where it is none's.
        name: what fails there.
    """

    kind: str
    cluster: str
    name: str

    def __str__(self) -> str:
        """As policies name it."""
        return " ".join(part for part in (self.kind, self.cluster, self.name) if part)


@dataclass(frozen=True)
class Gap:
    """A port that not every new connection through a name reaches, at one address of it.

    Attributes:
        through: the name: a failover record's, or a cluster's for its balancer's.
        port: the service's port.
        address: the zone of the balancer's address, empty where there is none in DNS.
        reach: how many connections get through.
    """

    through: str
    port: int
    address: str
    reach: Reach


@dataclass(frozen=True)
class Move:
    """The side that DNS answers, before and after.

    Attributes:
        site: the failover name.
        before: the cluster that was answered.
        after: the cluster that is.
        spare: whether the other side is healthy, so that DNS could move there.
    """

    site: str
    before: str
    after: str
    spare: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a failure does, in the worse reading where AWS's documents leave a point open.

    Attributes:
        failure: what failed.
        moves: the sides, of the failover names that are concerned.
        unreachable: ports that no new connection reaches, by the name that clients use.
        partial: ports that some do.
        unknown: ports of which the templates don't say.
        gaps: all of that per name and address.
        recovery: seconds until new connections succeed, None if they never all do.
        terms: the sum.
        heals: what happens when it is well again.
        readings: what each reading of an open point comes to, where they differ.
        meanwhile: ports that no connection is served on while a shared database fails over.
    """

    failure: Failure
    moves: tuple[Move, ...] = ()
    unreachable: tuple[int, ...] = ()
    partial: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    gaps: tuple[Gap, ...] = ()
    recovery: int | None = 0
    terms: tuple[Term, ...] = ()
    heals: str = ""
    readings: tuple[str, ...] = field(default=())
    meanwhile: tuple[int, ...] = ()

    @property
    def moves_site(self) -> bool:
        """Whether DNS answers another cluster than before."""
        return any(move.before != move.after for move in self.moves)

    @property
    def severity(self) -> tuple[int, bool, int, int, float]:
        """How bad it is; compares with others'."""
        never = float("inf")
        return (
            len(self.unreachable),
            self.moves_site,
            len(self.partial),
            len(self.unknown),
            never if self.recovery is None else self.recovery,
        )

    @property
    def effect(self) -> "Outcome":
        """All of it but what failed: equal for failures that do the same."""
        return replace(self, failure=Failure("", "", ""))
