"""Certificates issued by one authority: one for HAProxy, and one that both nodes share."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = ("balancer", "node1", "node2")


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files. The files for HAProxy and the nodes contain certificate chain and key."""

    authority: Path
    balancer: Path
    nodes: Path


def certificates(folder: Path) -> Certificates:
    """Create the authority and the certificates of HAProxy and the nodes."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _signed("authority", (), key, key, "authority")
    made = Certificates(folder / "ca.pem", folder / "balancer.pem", folder / "nodes.pem")
    made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for file, names in ((made.balancer, NAMES[:1]), (made.nodes, NAMES[1:])):
        own = ec.generate_private_key(ec.SECP256R1())
        file.write_bytes(
            _signed(names[0], names, own, key, "authority").public_bytes(serialization.Encoding.PEM)
            + own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return made


def _signed(
    subject: str,
    names: tuple[str, ...],
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    issuer: str,
) -> x509.Certificate:
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        found = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        made = made.add_extension(found, critical=False)
    return made.sign(by, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
