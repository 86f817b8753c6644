"""Facts about a node that its metadata does not contain, and that must be equal at two sites.

A fact that cannot be read is left out, and does not let the export fail. A reader must treat a
missing fact as unknown, not as equal.

Sources: Denodo, Installation Guide 9.0, "Installation Encryption Key" (`conf/denodo-key.keystore`);
Virtual DataPort Administration Guide, "JDBC Sources" (`lib-external/jdbc-drivers`); the folders of
the shared database's drivers: `hosts.denodo.metadata.database_drivers`.
"""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.common.certificate import CertificateError, read_certificate
from hosts.common.releases import running_release
from hosts.denodo import license_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.state import State
    from hosts.denodo.system import System

ENCRYPTION_KEY = Path("conf/denodo-key.keystore")
_FOLDERS = (
    *("lib/extensions", "lib-external", "lib/scheduler-extensions", "lib/data-catalog-extensions"),
)
_SUFFIXES = (".jar", ".so", ".zip")
MOST_FILES = 2000
"""Project default: number of drivers and extensions above which their list is left out of the
manifest. Installations have some hundreds."""
_MOST_DEPTH = 6
_CHUNK = 2**20
_HANDSHAKE_S = 5.0


def facts(system: System, state: State) -> dict[str, Any]:
    """Return the facts for the manifest, without facts that cannot be read."""
    release = running_release()
    found: dict[str, Any] = {
        "program_version": release.name if release.parent.name == "releases" else "",
        "license_manager": _license_manager(state),
    }
    with suppress(OSError):
        found["encryption_key"] = encryption_key(state)
    with suppress(OSError):
        files = list(_files(state.home))
        if len(files) <= MOST_FILES:
            found["files"] = files
    if (certificates := _certificates(system, state)) is not None:
        found["certificates"] = certificates
    return found


def encryption_key(state: State) -> str:
    """Return the fingerprint of the installation's encryption key, empty without such a key.

    Raises:
        OSError: The file cannot be read.
    """
    key = state.home / ENCRYPTION_KEY
    return _sha256(key) if key.exists() else ""


def _license_manager(state: State) -> dict[str, Any] | None:
    manager = license_manager.of(state)
    if manager is None:
        return None
    reason = license_manager.failure(manager)
    address = {"host": manager.host, "port": manager.port}
    return {**address, "answered": not reason, "reason": reason}


def _files(home: Path) -> Iterator[dict[str, str]]:
    """Yield names and hashes of the drivers and extensions, without times, which do not matter."""
    count = 0
    for name in _FOLDERS:
        for folder, folders, names in os.walk(home / name):
            relative = Path(folder).relative_to(home)
            folders[:] = sorted(folders) if len(relative.parts) < _MOST_DEPTH else []
            for file in sorted(names):
                path = Path(folder) / file
                if path.suffix not in _SUFFIXES or not path.is_file():
                    continue
                count += 1
                # Do not read files beyond the limit, because the list will be left out.
                sha256 = _sha256(path) if count <= MOST_FILES else ""
                yield {"folder": _text(str(relative)), "file": _text(file), "sha256": sha256}
                if count > MOST_FILES:
                    return


def _text(name: str) -> str:
    """Return a file name as text that every reader of the manifest accepts."""
    return os.fsencode(name).decode("utf-8", "replace")


def _certificates(system: System, state: State) -> list[dict[str, str]] | None:
    """Return the certificates that the node's TLS ports present; None if one cannot be read."""
    certificates = []
    for name, service in sorted(state.services.items()):
        if not service.tls:
            continue
        try:
            certificate = read_certificate(_served(system.local, service.port))
        except (OSError, CertificateError):
            return None
        certificates.append(
            {
                "subject": certificate.subject,
                "where": f"{name}, port {service.port}",
                "not_after": certificate.not_after.isoformat(),
            }
        )
    return certificates


def _served(host: str, port: int) -> bytes:
    """Return the certificate that a port presents, without verification."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=_HANDSHAKE_S) as connection,
        context.wrap_socket(connection) as session,
    ):
        return session.getpeercert(binary_form=True) or b""


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
