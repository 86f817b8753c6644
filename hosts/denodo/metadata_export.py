"""Exports of Virtual DataPort's metadata to a versioned bucket, and back.

    metadata.vql   what Denodo's export script wrote
    export.json    what tells of it: when, how large, its SHA-256, and its version in the bucket

The second is put there last, each of them whole or not at all. So what it tells of is always a
whole export: one that is broken off leaves the one before, which its own version still holds.

What a node has for itself (names, ports, JVM options) is left out, as Denodo documents for the
replication of servers (Denodo, Virtual DataPort Administration Guide, "Export Script").
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hosts.denodo import aws, files, lock, log, properties_file
from hosts.denodo.errors import ExportError, NodeError
from hosts.denodo.process import run
from hosts.denodo.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.denodo.state import Exports, State
    from hosts.denodo.system import System

MANIFEST = "export.json"
METADATA = "metadata.vql"

_EXPORT = "bin/export.sh"
_SECONDS = 3600
_SCHEMA = 1
_MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"
_TOMCAT = "com.denodo.tomcat"
_JVM = ("java.env.DENODO_OPTS_START", "java.env.DENODO_OPTS_STOP")
_LOCK = "export-lock"
"""Not the lock of changes: an export must keep nobody from changing the node."""

_PROPERTIES: Mapping[str, str] = {
    "includeJars": "yes",
    "includeStatistics": "yes",
    "includeDeployments": "yes",
    "replaceExistingElements": "yes",
    "dropElements": "no",
    "excludeServerConfigurationProperties": ",".join(
        (
            *(f"{_MANAGER}.registryURL", f"{_MANAGER}.registryPort", f"{_MANAGER}.shutdownPort"),
            *(f"{_MANAGER}.factoryPort", f"{_MANAGER}.odbcPort"),
            *("com.denodo.vdb.cache.cacheMaintenance", *_JVM),
        )
    ),
    "excludeWebContainerConfigurationProperties": ",".join(
        (
            *(f"{_TOMCAT}.http.port", f"{_TOMCAT}.shutdown.port"),
            *(f"{_TOMCAT}.jmx.rmi.port", f"{_TOMCAT}.jmx.port", *_JVM),
        )
    ),
}


class BrokenError(Exception):
    """An export is not what it tells of itself."""


def export(system: System, *, if_due: bool) -> None:
    """Export the metadata of this node, if the applied state wants it.

    Args:
        system: the machine.
        if_due: only if the last export is as old as the state allows.

    Raises:
        ExportError: it could not be exported; the last export stands.
        BusyError: an export is under way.
    """
    record = Record(system)
    state = record.applied
    if state is None or state.exports is None:
        log.info("no exports are wanted")
        return
    if if_due and not _due(system, state.exports, record):
        log.info("the last export is new enough")
        return
    with lock.held(system, _LOCK):
        folder = system.folder / "export"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        good = str(record.exported.get("good", ""))
        try:
            at = system.time
            _export(system, state, state.exports, folder, at)
            record.export(good=at)
            log.info(f"exported to s3://{state.exports.bucket}/{state.exports.prefix}{METADATA}")
        except (NodeError, OSError) as wrong:
            record.export(good=good, reason=str(wrong))
            message = f"{wrong}; the export of {good or 'no day'} stands"
            raise ExportError(message) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def restore(system: System, bucket: str, prefix: str, folder: Path, to: Path) -> bool:
    """Fetch the newest whole export; tells whether there is one.

    Raises:
        NoAnswerError: it cannot be fetched.
        BrokenError: it is not what it tells of itself.
    """
    manifest = folder / MANIFEST
    if not aws.get(system, bucket, f"{prefix}{MANIFEST}", manifest):
        return False
    try:
        data = json.loads(manifest.read_bytes())
        version, size, wanted = str(data["version"]), int(data["size"]), str(data["sha256"])
    except (KeyError, TypeError, ValueError):
        message = f"{prefix}{MANIFEST} does not tell of an export"
        raise BrokenError(message) from None
    if not aws.get(system, bucket, f"{prefix}{METADATA}", to, version):
        message = f"version {version} of {prefix}{METADATA} is gone"
        raise BrokenError(message)
    text = to.read_bytes()
    if len(text) != size or _sha256(text) != wanted:
        message = f"{prefix}{METADATA} is not what was exported ({len(text)} bytes of {size})"
        raise BrokenError(message)
    return True


def digest(text: bytes) -> str:
    """Tells one metadata from another: without comments, which say when and by whom."""
    lines = (line.strip() for line in text.decode("utf-8-sig", "replace").splitlines())
    return _sha256("\n".join(line for line in lines if line and line[0] != "#").encode())


def _due(system: System, wanted: Exports, record: Record) -> bool:
    try:
        last = datetime.fromisoformat(str(record.exported.get("good", "")))
    except ValueError:
        return True
    return system.now() - last >= timedelta(seconds=wanted.every)


def _export(system: System, state: State, wanted: Exports, folder: Path, at: str) -> None:
    user, password = _login(system, wanted.login)
    login, vql = folder / "login", folder / METADATA
    # The password is not an argument: Denodo's script reads it from a file.
    text = f"password={properties_file.escaped(password)}\n"
    files.replace(login, text.encode(properties_file.ENCODING), mode=files.PRIVATE)
    command: list[str | Path] = [state.home / _EXPORT, "--login", user]
    command += ["--configurationfile", login, "--file", vql]
    command += ["--server", f"//{system.local}:{state.ports['vdp']}"]
    for key, value in _PROPERTIES.items():
        command += ["-P", f"{key}={value}"]
    result = run(command, seconds=_SECONDS)
    files.remove(login)
    if not result.ended_well:
        message = f"{_EXPORT} {result.ending}; its log says why"
        raise ExportError(message)
    content = vql.read_bytes() if vql.exists() else b""
    if digest(content) == digest(b""):
        message = f"{_EXPORT} ended well and wrote nothing"
        raise ExportError(message)
    version = aws.put(system, wanted.bucket, f"{wanted.prefix}{METADATA}", vql)
    if not version:
        message = f"the bucket {wanted.bucket} keeps no versions"
        raise ExportError(message)
    manifest: dict[str, Any] = {
        "schema": _SCHEMA,
        "node": state.node,
        "denodo": state.version,
        "at": at,
        "version": version,
        "size": len(content),
        "sha256": _sha256(content),
        "digest": digest(content),
    }
    told = folder / MANIFEST
    files.replace(told, json.dumps(manifest, indent=1).encode() + b"\n")
    aws.put(system, wanted.bucket, f"{wanted.prefix}{MANIFEST}", told)


def _login(system: System, arn: str) -> tuple[str, str]:
    try:
        data = json.loads(aws.secret(system, arn))
        return str(data["username"]), str(data["password"])
    except (KeyError, TypeError, ValueError):
        message = f"the secret {arn} is not a JSON object with username, password"
        raise ExportError(message) from None


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
