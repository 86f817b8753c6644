"""Common name and end of validity of a certificate, in DER that another library wrote."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hosts.common.certificate import CertificateError, read_certificate


def written(end: datetime, *names: tuple[x509.ObjectIdentifier, str]) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("year", [2020, 2049, 2050, 2150])
def test_subject_and_end_are_read(year: int) -> None:
    end = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    der = written(
        end, (NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, "vdp.é.example")
    )
    certificate = read_certificate(der)
    assert (certificate.subject, certificate.not_after) == ("vdp.é.example", end)


def test_a_certificate_without_a_name() -> None:
    assert read_certificate(written(datetime(2030, 1, 1, tzinfo=UTC))).subject == ""


def test_what_is_no_certificate_is_refused() -> None:
    der = written(datetime(2030, 1, 1, tzinfo=UTC), (NameOID.COMMON_NAME, "x"))
    broken = [der[:size] for size in range(0, len(der), 7)]
    for data in (*broken, b"\x30\x80", b"\x30\xff", b"x" * 70_000, der + der):
        with pytest.raises(CertificateError):
            read_certificate(data)
