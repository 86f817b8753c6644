"""The endpoint of a service: its TLS handshake and the verification of its certificate.

If clients would reject the certificate, a second handshake, which trusts exactly this certificate,
reads its details for the report. The probe then continues without verifying the certificate.
"""

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from denodo_ha.cli.errors import UsageError
from denodo_ha.environment.loading.text_file import (
    CERTIFICATES_SIZE,
    UnreadableFileError,
    read_text_file,
)
from denodo_ha.verify.connection import Connection, connect, host_port
from denodo_ha.verify.findings import Fault, Step, StepLog

RENEWAL_DAYS: Final = 30
"""Project default: a certificate is reported if it expires in fewer than this number of days."""

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's flag X509_V_FLAG_NO_CHECK_TIME, which the module `ssl` does not define."""

_FINDINGS: Final[Mapping[int, str]] = MappingProxyType(
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
"""The finding for each verification error (OpenSSL, x509_vfy.h, X509_V_ERR_*)."""


@dataclass(frozen=True)
class Trust:
    """The settings with which certificates are verified.

    Attributes:
        ca_bundle: a file of certificate authorities in PEM form; None for the authorities of the
            operating system.
        alpn_protocols: protocols that the handshake offers.
        now: returns the time at which a certificate must be valid.
    """

    ca_bundle: str | None = None
    alpn_protocols: tuple[str, ...] = ()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def open_judged(self, step: Step, opener: Callable[[], Connection], name: str) -> Connection:
        """Return a connection after its TLS handshake, and verify the certificate.

        Args:
            step: marked as wrong if clients would reject the certificate.
            opener: returns a new connection on which the TLS handshake can begin.
            name: the name that the certificate must contain.

        Raises:
            Fault: The server does not speak TLS.
        """
        plain = opener()
        try:
            secure = self._start_tls(plain, self.context(), name)
        except ssl.SSLCertVerificationError as error:
            plain.socket.close()
            seen = f"{error.verify_message}; {self._describe(opener, name)}"
            step.fail(_FINDINGS.get(error.verify_code, "certificate-other"), seen)
            return self.open_unjudged(opener, name)
        tls_socket = secure.socket
        assert isinstance(tls_socket, ssl.SSLSocket)
        certificate = tls_socket.getpeercert() or {}
        step.seen = f"{tls_socket.version()}; {_description(certificate)}"
        remaining = _not_after(certificate) - self.now()
        if remaining.days < RENEWAL_DAYS:
            seen = f"the certificate expires in {remaining.days} days; {_description(certificate)}"
            step.note("certificate-soon", seen)
        return secure

    def open_unjudged(self, opener: Callable[[], Connection], name: str) -> Connection:
        """Return a connection after its TLS handshake, without verifying the certificate.

        Raises:
            Fault: The server does not speak TLS.
        """
        context = self._unverified_context()
        context.verify_mode = ssl.CERT_NONE
        return self._start_tls(opener(), context, name)

    def context(self) -> ssl.SSLContext:
        """Return the TLS settings of a client that verifies certificates.

        Raises:
            OSError: The bundle cannot be read.
            ssl.SSLError: The bundle contains no certificate.
        """
        context = ssl.create_default_context(cafile=self.ca_bundle)
        if self.alpn_protocols:
            context.set_alpn_protocols(list(self.alpn_protocols))
        return context

    def _unverified_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if self.alpn_protocols:
            context.set_alpn_protocols(list(self.alpn_protocols))
        return context

    def _start_tls(
        self, connection: Connection, context: ssl.SSLContext, server_name: str
    ) -> Connection:
        try:
            return connection.start_tls(context, server_name)
        except ssl.SSLCertVerificationError:
            raise
        except (ssl.SSLError, ValueError) as error:
            connection.socket.close()
            raise Fault("not-tls", f"{connection.endpoint}: {error}") from None

    def _describe(self, opener: Callable[[], Connection], name: str) -> str:
        """Return names, issuer and expiry date of a rejected certificate, if they can be read."""
        with suppress(Fault, ssl.SSLError, OSError, ValueError):
            with self.open_unjudged(opener, name) as connection:
                assert isinstance(connection.socket, ssl.SSLSocket)
                der = connection.socket.getpeercert(binary_form=True) or b""
            context = self._unverified_context()
            context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(der))
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
            with opener().start_tls(context, name) as connection:
                assert isinstance(connection.socket, ssl.SSLSocket)
                return _description(connection.socket.getpeercert() or {})
        return "the certificate could not be read"


@dataclass(frozen=True)
class Endpoint:
    """One port of one address, and how clients connect to it.

    Attributes:
        address: name or address to connect to.
        port: the port.
        client_name: the host name that clients use: checked against certificates and sent in the
            HTTP Host header.
        timeout: seconds that a step may take.
        trust: the certificates that are accepted.
        tls: True if the connection begins with a TLS handshake.
        source: address of this machine to connect from; empty for any address.
    """

    address: str
    port: int
    client_name: str
    timeout: float
    trust: Trust
    tls: bool = False
    source: str = ""

    def connect(self) -> Connection:
        """Return a new connection without TLS.

        Raises:
            Fault: The connection failed.
        """
        return connect(self.address, self.port, self.timeout, self.source)

    def open(self, log: StepLog | None = None) -> Connection:
        """Return a new connection, with TLS if the endpoint uses TLS.

        Args:
            log: receives the result of the certificate's verification; None: the certificate is not
                verified.

        Raises:
            Fault: The connection or the TLS handshake failed.
        """
        if not self.tls:
            return self.connect()
        if log is None:
            return self.trust.open_unjudged(self.connect, self.client_name)
        with log.step("TLS") as step:
            return self.trust.open_judged(step, self.connect, self.client_name)

    def __str__(self) -> str:
        """Return `address:port`."""
        return host_port(self.address, self.port)


def _description(certificate: Mapping[str, Any]) -> str:
    names = [value for _, value in certificate.get("subjectAltName", ())]
    return (
        f"for {', '.join(names) or _common_name(certificate, 'subject')}, "
        f"from {_common_name(certificate, 'issuer')}, until {_not_after(certificate):%Y-%m-%d}"
    )


def _common_name(certificate: Mapping[str, Any], field: str) -> str:
    """Return the common name of the subject or issuer; without one, the last part of its name."""
    parts = [part for group in certificate.get(field, ()) for part in group]
    common_names = [value for key, value in parts if key == "commonName"]
    return str((common_names or [value for _, value in parts] or ["no name"])[-1])


def _not_after(certificate: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def require_ca_bundle(ca_bundle: Path | None) -> None:
    """Check the file of the option --ca-bundle.

    Raises:
        UsageError: The file cannot be read, or has no certificate.
    """
    if ca_bundle is None:
        return
    try:
        read_text_file(ca_bundle, CERTIFICATES_SIZE, encoding="latin-1")
        Trust(str(ca_bundle)).context()
    except UnreadableFileError as error:
        message = f"--ca-bundle: {ca_bundle} cannot be read ({error.reason}); {error.instead}"
        raise UsageError(message) from None
    except ssl.SSLError:
        message = f"--ca-bundle: {ca_bundle} holds no certificate in PEM form"
        raise UsageError(message) from None
    except OSError as error:
        message = f"--ca-bundle: {ca_bundle} cannot be read ({error.strerror})"
        raise UsageError(message) from None
