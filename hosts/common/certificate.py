"""Subject and end date of an X.509 certificate in DER (RFC 5280, "Certificate").

Python's standard library returns subject and end date only of certificates that the library has
verified. A host does not verify its own certificate: clients verify the certificate for the name
by which they connect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 2**16

_OBJECT_ID, _VERSION = 0x06, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_COMMON_NAME = bytes((0x55, 0x04, 0x03))
_MOST_SUBJECT = 200
_LONG = 0x80
_MOST_LENGTH_BYTES = 3


class CertificateError(ValueError):
    """The bytes are not a certificate."""


@dataclass(frozen=True)
class Certificate:
    """Subject and end of the validity of a certificate.

    Attributes:
        subject: the common name, empty if the certificate has none.
        not_after: the end of the validity, in UTC.
    """

    subject: str
    not_after: datetime


def read_certificate(der: bytes) -> Certificate:
    """Return subject and end date of a certificate.

    Raises:
        CertificateError: The bytes are not a certificate.
    """
    if len(der) > MOST_BYTES:
        message = f"the certificate is larger than {MOST_BYTES} bytes"
        raise CertificateError(message)
    try:
        ((_, certificate),) = _values(der)
        (_, content), *_ = _values(certificate)
        fields = list(_values(content))
        if fields[0][0] == _VERSION:
            fields.pop(0)
        _, _, _, (_, validity), (_, subject), *_ = fields
        _, (tag, end) = _values(validity)
        return Certificate(_common_name(subject), _time(tag, end))
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        message = f"the bytes are not a certificate: {error}"
        raise CertificateError(message) from None


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of an ASN.1 sequence."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length >= _LONG:
            count = length - _LONG
            if not 0 < count <= _MOST_LENGTH_BYTES:
                raise ValueError("a length field is not valid")
            length = int.from_bytes(data[position : position + count], "big")
            position += count
        if position + length > len(data):
            raise ValueError("the end is missing")
        yield tag, data[position : position + length]
        position += length


def _common_name(subject: bytes) -> str:
    for _, part in _values(subject):
        for _, attribute in _values(part):
            (tag, id_), (_, value) = _values(attribute)
            if tag == _OBJECT_ID and id_ == _COMMON_NAME:
                return value.decode("utf-8", "replace")[:_MOST_SUBJECT]
    return ""


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        # Two-digit years from 50 on are 19NN, others 20NN (RFC 5280, "UTCTime").
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError("the end date is missing")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
