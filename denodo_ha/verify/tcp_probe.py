"""A port that is open, and stays so: all that can be seen of a protocol that nobody published."""

from denodo_ha.verify.endpoint import Place
from denodo_ha.verify.step import Log


def connect(log: Log, place: Place) -> None:
    """Connect to an address.

    Raises:
        Fault: nobody is there.
    """
    with log.step(f"connect {place}"), place.connected():
        pass


def probe(log: Log, place: Place) -> None:
    """See whether a connection is kept.

    Raises:
        Fault: it is not.
    """
    with place.opened(log) as wire, log.step("stays open"):
        wire.lives()
