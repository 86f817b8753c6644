"""Certificates of listeners and machines.

In the local AWS, a certificate of ACM is a record without certificate and key. A listener needs
both. When a listener first uses such a record, the local AWS makes a self-signed certificate for
the record's names, in files that the process of the load balancers reads. `aws acm get-certificate`
returns this certificate, and clients may trust this certificate as their certificate authority.
Certificates of machines are issued by one authority for each local AWS.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.child_processes import CHILDREN

_USES = ("digital_signature", "key_cert_sign", "crl_sign")
_OTHER_USES = (
    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("encipher_only", "decipher_only"),
)
"""The uses that the key of an authority has (`_USES`), and those that it does not have (RFC 5280,
Key Usage)."""
_DAYS = 395
"""Project default: days for which a certificate is valid, as for ACM's certificates (AWS, ACM
certificate characteristics)."""


def files(arn: str) -> list[str]:
    """Return the paths of the files of a certificate's chain and key; write missing files."""
    record = ministack.certificates[arn]
    if record.get("_private_key"):
        # An imported certificate. The name of its file depends on its content, which another import
        # changes.
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
    """Return certificate and key in PEM form; the certificate is its own authority."""
    return _made(names, is_authority=True)


def authority() -> str:
    """Return the certificate of the authority that issues the certificates of machines."""
    return Path(_authority_files()[0]).read_text()


def authority_file() -> str:
    """Return the path of the authority's certificate."""
    return _authority_files()[0]


def issued(names: list[str]) -> tuple[str, str]:
    """Return a certificate chain for names and the certificate's key, in PEM form.

    The chain ends with the authority's certificate.
    """
    certificate, key = _made(names, issuer=_authority_files())
    return certificate + authority(), key


def _authority_files() -> list[str]:
    """Return the paths of the authority's certificate and key; write missing files."""
    chain_file, key_file = _paths("authority")
    if not key_file.exists():
        return _written("authority", *self_signed(["Authority of the local AWS"]))
    return [str(chain_file), str(key_file)]


def _made(
    names: list[str], *, is_authority: bool = False, issuer: list[str] | None = None
) -> tuple[str, str]:
    """Return a certificate for names, and the certificate's key, in PEM form.

    `issuer` has the paths of the authority's certificate and key; None: the certificate signs
    itself.
    """
    # Import late: MiniStack must not find the package `cryptography` (`emulator/__main__.py`).
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    signer, signing_key = subject, key
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), True),
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    if is_authority:
        uses = {**dict.fromkeys(_OTHER_USES, False), **dict.fromkeys(_USES, True)}
        extensions.append((x509.KeyUsage(**uses), True))
    if issuer is not None:
        chain, signing_pem = (Path(file).read_bytes() for file in issuer)
        signer = x509.load_pem_x509_certificate(chain).subject
        loaded = serialization.load_pem_private_key(signing_pem, password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)  # `_made` makes only such keys.
        signing_key = loaded
        of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key())
        extensions.append((of_issuer, False))
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_DAYS))
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    certificate = builder.sign(signing_key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
