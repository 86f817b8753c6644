"""TLS handshakes: is the certificate one that clients accept, and if not, why.

A certificate that is refused is read all the same, from a second handshake that trusts this one
certificate and looks at nothing else; the probe then goes on without trust.
"""

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from denodo_ha.verify.connection import Wire
from denodo_ha.verify.step import Fault, Step

SOON_DAYS: Final = 30
"""Ours: who renews by hand needs some weeks."""

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which `ssl` has no name."""

_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        9: "certificate-early",
        10: "certificate-expired",
        18: "certificate-chain",
        19: "certificate-chain",
        20: "certificate-chain",
        21: "certificate-chain",
        62: "certificate-name",
        64: "certificate-name",
    }
)
"""OpenSSL, x509_vfy.h, X509_V_ERR_*."""


@dataclass(frozen=True)
class Trust:
    """Whose certificates are right.

    Attributes:
        bundle: a file of certificate authorities in PEM form; None for the system's.
        protocols: what is offered in ALPN.
        today: the day on which a certificate is judged.
    """

    bundle: str | None = None
    protocols: tuple[str, ...] = ()
    today: Callable[[], datetime] = lambda: datetime.now(UTC)

    def judged(self, step: Step, opened: Callable[[], Wire], name: str) -> Wire:
        """A connection after its handshake; the step says what there is to say of the certificate.

        Args:
            step: wrong if clients refuse the certificate.
            opened: gives a connection on which TLS may begin.
            name: the name that the certificate must be for.

        Raises:
            Fault: no TLS is spoken.
        """
        wire = opened()
        try:
            secure = self._encrypted(wire, self.context(), name)
        except ssl.SSLCertVerificationError as error:
            wire.socket.close()
            said = f"{error.verify_message}; {self._described(opened, name)}"
            step.wrong(_CODES.get(error.verify_code, "certificate-other"), said)
            return self.unjudged(opened, name)
        shown = secure.socket
        assert isinstance(shown, ssl.SSLSocket)
        certificate = shown.getpeercert() or {}
        step.said = f"{shown.version()}; {_read(certificate)}"
        left = _ends(certificate) - self.today()
        if left.days < SOON_DAYS:
            step.note("certificate-soon", f"{left.days} days are left; {_read(certificate)}")
        return secure

    def unjudged(self, opened: Callable[[], Wire], name: str) -> Wire:
        """A connection after its handshake, whatever the certificate is.

        Raises:
            Fault: no TLS is spoken.
        """
        context = self._blind()
        context.verify_mode = ssl.CERT_NONE
        return self._encrypted(opened(), context, name)

    def context(self) -> ssl.SSLContext:
        """The settings of a client that looks.

        Raises:
            OSError: the bundle cannot be read; ssl.SSLError: it holds no certificate.
        """
        context = ssl.create_default_context(cafile=self.bundle)
        if self.protocols:
            context.set_alpn_protocols(list(self.protocols))
        return context

    def _blind(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if self.protocols:
            context.set_alpn_protocols(list(self.protocols))
        return context

    def _encrypted(self, wire: Wire, context: ssl.SSLContext, name: str) -> Wire:
        try:
            return wire.encrypted(context, name)
        except ssl.SSLCertVerificationError:
            raise
        except (ssl.SSLError, ValueError) as error:
            wire.socket.close()
            raise Fault("not-tls", f"{wire.place}: {error}") from None

    def _described(self, opened: Callable[[], Wire], name: str) -> str:
        """Names, dates and issuer of a certificate that is refused, as far as it can be read."""
        with suppress(Fault, ssl.SSLError, OSError, ValueError):
            with self.unjudged(opened, name) as wire:
                assert isinstance(wire.socket, ssl.SSLSocket)
                found = ssl.DER_cert_to_PEM_cert(wire.socket.getpeercert(binary_form=True) or b"")
            context = self._blind()
            context.load_verify_locations(cadata=found)
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
            with opened().encrypted(context, name) as wire:
                assert isinstance(wire.socket, ssl.SSLSocket)
                return _read(wire.socket.getpeercert() or {})
        return "the certificate could not be read"


def _read(certificate: Mapping[str, Any]) -> str:
    names = [value for _, value in certificate.get("subjectAltName", ())]
    return (
        f"for {', '.join(names) or _common(certificate, 'subject')}, "
        f"from {_common(certificate, 'issuer')}, until {_ends(certificate):%Y-%m-%d}"
    )


def _common(certificate: Mapping[str, Any], whose: str) -> str:
    """The common name, or the last part of a name without one."""
    parts = [part for group in certificate.get(whose, ()) for part in group]
    named = [value for key, value in parts if key == "commonName"]
    return str((named or [value for _, value in parts] or ["nobody"])[-1])


def _ends(certificate: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
