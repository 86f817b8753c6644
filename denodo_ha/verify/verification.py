"""Verifies a site: names first, then every service on every address, then how things spread."""

from dataclasses import dataclass

from denodo_ha.verify import (
    flight_probe,
    postgres_probe,
    rmi_probe,
    spread_probe,
    tcp_probe,
    web_probe,
)
from denodo_ha.verify.endpoint import Place
from denodo_ha.verify.rmi_probe import Second
from denodo_ha.verify.site import Site, locate
from denodo_ha.verify.spread_probe import Many
from denodo_ha.verify.step import Fault, Log
from denodo_ha.verify.subjects import Subject, auxiliary_nodes, subjects
from denodo_ha.verify.tls_probe import Trust
from denodo_ha.verify.web_probe import Question


@dataclass(frozen=True)
class Settings:
    """How to verify.

    Attributes:
        name: the name that clients use, for certificates and HTTP.
        seconds: how long a step may take.
        bundle: a file of certificate authorities; None for the system's.
        services: only these; empty for all.
        tls: services that speak TLS although the configuration does not say so.
        path: what web services are asked for.
        mark: a header or cookie that names the node.
        connections: how many connections show how they spread; 0 for none.
    """

    name: str
    seconds: float = 5.0
    bundle: str | None = None
    services: tuple[str, ...] = ()
    tls: tuple[str, ...] = ()
    path: str = "/"
    mark: str = ""
    connections: int = 0


class Run:
    """One verification.

    Attributes:
        site: what is verified.
        settings: how.
    """

    def __init__(self, site: Site, settings: Settings) -> None:
        self.site, self.settings = site, settings
        self._cluster = ""
        self._addresses: tuple[str, ...] = ()

    def names(self, log: Log) -> bool:
        """Find addresses and side; False if there are none."""
        try:
            answer, self._cluster = locate(log, self.site)
        except Fault:
            return False
        self._addresses = answer.addresses
        return bool(self._addresses)

    @property
    def cluster(self) -> str:
        """The cluster that answers; empty where that is unknown."""
        return self._cluster

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters that may answer."""
        return (self._cluster,) if self._cluster else self.site.clusters

    def subjects(self) -> tuple[Subject, ...]:
        """What there is to verify."""
        found = subjects(
            self.site.environment, self.clusters, node=self.site.node, tls=self.settings.tls
        )
        wanted = self.settings.services
        return tuple(
            one
            for one in found
            # Auxiliary ports belong to the service that sends clients there.
            if not wanted or one.name in wanted or (one.kind == "auxiliary" and self._rmi(wanted))
        )

    def verify(self, log: Log, subject: Subject) -> None:
        """Verify one port; what is wrong is in the log."""
        place = Place(
            "",
            subject.port,
            self.settings.name,
            self.settings.seconds,
            Trust(self.settings.bundle, ("h2",) if subject.kind == "flight" else ()),
            subject.tls,
        )
        open_ = []
        for one in spread_probe.everywhere(place, self._addresses):
            try:
                tcp_probe.connect(log, one)
            except Fault:
                continue
            open_.append(one)
        if not open_:
            return
        try:
            self._probe(log, open_[0], subject)
        except Fault:
            return
        if self.settings.connections and subject.kind != "auxiliary":
            self._spread(log, tuple(open_), subject)

    def _rmi(self, wanted: tuple[str, ...]) -> bool:
        everything = subjects(self.site.environment, self.clusters)
        return any(one.kind == "rmi" and one.name in wanted for one in everything)

    def _probe(self, log: Log, place: Place, subject: Subject) -> None:
        match subject.kind:
            case "rmi" | "scheduler":
                rmi_probe.probe(log, place, self._second(place, subject))
            case "auxiliary":
                rmi_probe.open_auxiliary(log, place)
            case "odbc":
                postgres_probe.probe(log, place)
            case "web":
                web_probe.probe(log, place, self._question(subject))
            case "flight":
                flight_probe.probe(log, place)
            case "tcp":
                tcp_probe.probe(log, place)

    def _spread(self, log: Log, places: tuple[Place, ...], subject: Subject) -> None:
        # Where the side is unknown, so are the nodes.
        one = self.clusters[0] if len(self.clusters) == 1 else ""
        nodes = tuple(sorted(self.site.environment.clusters[one].nodes)) if one else ()
        nodes = (self.site.node,) if self.site.node else nodes
        many = Many(log, places, self.settings.connections, nodes, subject.sticks)
        match subject.kind:
            case "rmi" | "scheduler":
                many.rmi(self._second(places[0], subject))
            case "web":
                many.web(self._question(subject))
            case "odbc":
                many.plain(postgres_probe.probe)
            case "flight":
                many.plain(flight_probe.probe)
            case _:
                many.plain(tcp_probe.probe)

    def _second(self, place: Place, subject: Subject) -> Second:
        nodes = auxiliary_nodes(self.site.environment, self.clusters)
        return Second(
            nodes=nodes,
            hosts=self.site.judge_host,
            instead=place.address if self.site.node else "",
            compulsory=subject.kind == "rmi",
        )

    def _question(self, subject: Subject) -> Question:
        nodes = {
            node
            for cluster in self.clusters
            for node in self.site.environment.clusters[cluster].nodes
        }
        return Question(self.settings.path, subject.sticky, sorted(nodes), self.settings.mark)
