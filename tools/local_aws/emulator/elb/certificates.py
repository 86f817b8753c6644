"""Certificates of listeners as files, which the process of the load balancers reads.

ACM's certificates of the local AWS are records without a key. A listener needs both, so the first
use of such a certificate makes a self-signed one for its names. `aws acm get-certificate` returns
it, and clients may trust it as their certificate authority.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.child_processes import CHILDREN

_DAYS = 395
"""Project default, as of ACM's certificates (AWS, ACM certificate characteristics)."""


def files(arn: str) -> list[str]:
    """Return the paths of a certificate's chain and key, which are made if they do not exist."""
    record = ministack.certificates[arn]
    if record.get("_private_key"):
        # A certificate that was imported; another import changes the content and so the name.
        chain = f"{record['_pem_body']}\n{record.get('_pem_chain') or ''}"
        return _written(sha256((arn + chain).encode()).hexdigest(), chain, record["_private_key"])
    name = sha256(arn.encode()).hexdigest()
    chain_file, key_file = _paths(name)
    if not key_file.exists():
        names = [record["DomainName"], *record.get("SubjectAlternativeNames", [])]
        _written(name, *self_signed([*dict.fromkeys(names)]))
    record["_pem_body"] = chain_file.read_text()
    return [str(chain_file), str(key_file)]


def _paths(name: str) -> tuple[Path, Path]:
    folder = CHILDREN.folder / "certificates"
    return folder / f"{name[:32]}.pem", folder / f"{name[:32]}.key"


def _written(name: str, chain: str, key: str) -> list[str]:
    chain_file, key_file = _paths(name)
    if not key_file.exists():
        chain_file.parent.mkdir(parents=True, exist_ok=True)
        chain_file.write_text(chain)
        new = key_file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(key)
        new.rename(key_file)
    return [str(chain_file), str(key_file)]


def self_signed(names: list[str]) -> tuple[str, str]:
    """Return certificate and key in PEM form."""
    # Imported here, because MiniStack must not find the package: see `emulator/__main__.py`.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
