"""Where a service is asked, and as whom."""

from dataclasses import dataclass

from denodo_ha.verify.connection import Wire, at, connect
from denodo_ha.verify.step import Log
from denodo_ha.verify.tls_probe import Trust


@dataclass(frozen=True)
class Place:
    """One port of one address.

    Attributes:
        address: what is connected to.
        port: its port.
        name: the name that clients use, for certificates and HTTP.
        seconds: how long a step may take.
        trust: whose certificates are right.
        tls: whether TLS is spoken from the first byte.
    """

    address: str
    port: int
    name: str
    seconds: float
    trust: Trust
    tls: bool = False

    def connected(self) -> Wire:
        """A new connection.

        Raises:
            Fault: nobody is there.
        """
        return connect(self.address, self.port, self.seconds)

    def opened(self, log: Log | None = None) -> Wire:
        """A new connection, after TLS where that is spoken; with a log the certificate is judged.

        Raises:
            Fault: nobody is there, or no TLS.
        """
        if not self.tls:
            return self.connected()
        if log is None:
            return self.trust.unjudged(self.connected, self.name)
        with log.step("TLS") as step:
            return self.trust.judged(step, self.connected, self.name)

    def __str__(self) -> str:
        """`address:port`."""
        return at(self.address, self.port)
