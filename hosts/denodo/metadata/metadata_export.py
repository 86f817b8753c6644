"""Exports of Virtual DataPort's metadata to a versioned bucket, and their restore.

    metadata.vql   the output of Denodo's export script
    export.json    the manifest: time, size, SHA-256, and version of metadata.vql in the bucket,
                   the site digest, and facts about the node (`hosts.denodo.metadata.node_facts`)

The manifest is uploaded last, and each upload is atomic. So a manifest always describes a complete
export. If an export is interrupted, the previous manifest remains, and so does the version of
metadata.vql that the previous manifest names.

Settings that belong to one node (names, ports, JVM options) are not exported, as Denodo documents
for the replication of servers (Denodo, Virtual DataPort Administration Guide, "Export Script").

Programs and commands of earlier versions read the keys of schema 1: `at`, `version`, `size`,
`sha256` and `digest`. Later schemas only add keys, so a reader must expect that any other key is
missing.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hosts.common import files, json_object
from hosts.common.errors import HostError
from hosts.denodo import log
from hosts.denodo.configuration import properties_file
from hosts.denodo.errors import BusyError, ExportError
from hosts.denodo.metadata import node_facts, site_digest
from hosts.denodo.record import Record
from hosts.denodo.servers.scripts import run_script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.denodo.state import Exports, State
    from hosts.denodo.system import System

MANIFEST = "export.json"
METADATA = "metadata.vql"

_EXPORT = "export.sh"
SOME_FAILED = 126
"""Exit status of the export and import scripts if some elements failed (Denodo, Administration
Guide, "Export Script", "Import Script")."""
_SECONDS = 3600
_FOLDER = "export"
_MOST_SHOWN = 60
"""Project default: maximum number of differences that `digest-test` prints, so that the output fits
into the 24,000 characters that Systems Manager returns (AWS, Systems Manager API Reference,
GetCommandInvocation)."""
_SCHEMA = 2
_MOST_MANIFEST = json_object.TEXT_LIMIT // 2
"""Number of characters above which the list of files is removed from a manifest. Readers refuse a
manifest of twice this size."""
_MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"
_TOMCAT = "com.denodo.tomcat"
_JVM = ("java.env.DENODO_OPTS_START", "java.env.DENODO_OPTS_STOP")
_LOCK = "export-lock"
"""File name of the lock that an export holds. An export does not hold the lock for changes, because
an export must not block a change."""

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


class BrokenExportError(Exception):
    """An export does not match its manifest."""


class MissingVersionError(BrokenExportError):
    """The version that a manifest names is not in the bucket: deleted, or not arrived yet."""


def export(system: System, *, if_due: bool) -> None:
    """Export the metadata of this node, if the applied state contains `exports`.

    Args:
        system: the machine.
        if_due: do nothing if the last export is newer than the interval of the state, or if the
            node is paused.

    Raises:
        ExportError: The export fails; the previous export remains.
        BusyError: Another export is in progress.
    """
    record = Record(system)
    state = record.applied
    if state is None or state.exports is None:
        log.info("the applied state has no `exports`, so no export begins")
        return
    if if_due and record.paused:
        log.info("the node is paused, so no export begins")
        return
    if if_due and not _due(system, state.exports, record):
        log.info("the last export is newer than the interval of exports, so no export begins")
        return
    with system.locked(_LOCK):
        folder = system.folder / _FOLDER
        files.remove(folder)
        folder.mkdir(mode=0o700)
        good = str(record.exported.get("good", ""))
        try:
            at = system.time
            _export(system, state, state.exports, folder, at)
            record.export(good=at)
            log.info(f"exported to s3://{state.exports.bucket}/{state.exports.prefix}{METADATA}")
        except (HostError, OSError) as error:
            record.export(good=good, reason=str(error))
            previous = (
                f"the previous export, made at {good}, remains"
                if good
                else "there is no earlier export"
            )
            message = f"{error}; {previous}"
            raise ExportError(message) from None
        finally:
            files.remove(folder)


def digest_test(system: System) -> dict[str, Any]:
    """Export twice without storing an export; return the differences, which contain no values.

    Raises:
        ExportError: The applied state has no exports, or an export fails.
        BusyError: Another export is in progress.
    """
    state = Record(system).applied
    if state is None or state.exports is None:
        raise ExportError("the applied state lacks `exports`, which contains the login")
    patterns = state.exports.not_compared
    with system.locked(_LOCK):
        folder = system.folder / _FOLDER
        files.remove(folder)
        folder.mkdir(mode=0o700)
        try:
            first, second = (
                list(
                    site_digest.statements(
                        run_export(system, state, state.exports, folder / name), patterns
                    )
                )
                for name in ("first", "second")
            )
        except OSError as error:
            raise ExportError(str(error)) from None
        finally:
            files.remove(folder)
    differences = site_digest.differences(first, second)
    shown = dict(list(differences.items())[:_MOST_SHOWN])
    return {
        "elements": len({statement.label for statement in first}),
        "not_compared": list(patterns),
        "differences": shown,
        "not_shown": len(differences) - len(shown),
    }


def remove_leftovers(system: System) -> None:
    """Remove the files of an export whose run was killed, unless an export is in progress."""
    with suppress(BusyError), system.locked(_LOCK):
        system.remove_temporary_folder(_FOLDER)
        files.remove(system.folder / _FOLDER)


def restore(system: System, bucket: str, prefix: str, folder: Path, to: Path) -> bool:
    """Fetch the newest complete export to a file; return whether the bucket has an export.

    Args:
        system: the machine.
        bucket: bucket of the exports.
        prefix: prefix of the keys of the exports.
        folder: folder in which to store the manifest.
        to: file in which to store the metadata.

    Raises:
        AwsError: The export cannot be fetched.
        BrokenExportError: The export does not match its manifest.
    """
    manifest = folder / MANIFEST
    if not system.aws_cli.get_object(bucket, f"{prefix}{MANIFEST}", manifest):
        return False
    try:
        data = json_object.parse(manifest.read_bytes())
        version, size, checksum = str(data["version"]), int(data["size"]), str(data["sha256"])
    except (KeyError, TypeError, ValueError):
        message = f"{prefix}{MANIFEST} is not the manifest of an export"
        raise BrokenExportError(message) from None
    if not system.aws_cli.get_object(bucket, f"{prefix}{METADATA}", to, version):
        message = f"version {version} of {prefix}{METADATA} does not exist any more"
        raise MissingVersionError(message)
    text = to.read_bytes()
    if len(text) != size or _sha256(text) != checksum:
        message = (
            f"{prefix}{METADATA} ({len(text)} bytes) does not match the size ({size} bytes) and"
            " SHA-256 in its manifest"
        )
        raise BrokenExportError(message)
    return True


def digest(text: bytes) -> str:
    """Return a hash of the metadata without comments, which contain the time and the user."""
    lines = (line.strip() for line in text.decode("utf-8-sig", "replace").splitlines())
    return _sha256("\n".join(line for line in lines if line and line[0] != "#").encode())


def _due(system: System, exports: Exports, record: Record) -> bool:
    try:
        last = datetime.fromisoformat(str(record.exported.get("good", "")))
    except ValueError:
        return True
    return system.now() - last >= timedelta(seconds=exports.every)


def _export(system: System, state: State, exports: Exports, folder: Path, at: str) -> None:
    vql = folder / METADATA
    content = run_export(system, state, exports, vql)
    version = system.aws_cli.put_object(exports.bucket, f"{exports.prefix}{METADATA}", vql)
    if not version:
        message = f"the bucket {exports.bucket} is not versioned; enable versioning of the bucket"
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
        "denodo_update": site_digest.installed_update(content),
        **_site_digest(content, exports),
        **node_facts.facts(system, state),
    }
    text = json.dumps(manifest, indent=1)
    if len(text) > _MOST_MANIFEST:
        # Remove the list of files: with the list, readers could refuse the manifest as too large,
        # and then no export could be restored.
        del manifest["files"]
        text = json.dumps(manifest, indent=1)
    path = folder / MANIFEST
    files.replace(path, text.encode() + b"\n")
    system.aws_cli.put_object(exports.bucket, f"{exports.prefix}{MANIFEST}", path)


def _site_digest(content: bytes, exports: Exports) -> dict[str, Any]:
    """Return the site digest, and the patterns of elements that it leaves out.

    Two digests can only be compared if their patterns are equal.
    """
    digest_of_site = site_digest.site_digest(content, exports.not_compared)
    if not digest_of_site:
        return {}
    return {"site_digest": digest_of_site, "not_compared": list(exports.not_compared)}


def run_export(system: System, state: State, exports: Exports, vql: Path) -> bytes:
    """Run Denodo's export script; return the metadata, which is also written to `vql`.

    Args:
        system: the machine.
        state: the applied state.
        exports: contains the login.
        vql: file in which to store the metadata, in a private folder.

    Raises:
        ExportError: The script fails, or the export is not complete.
    """
    user, password = _login(system, exports.login)
    with system.temporary_folder(_FOLDER) as temporary:
        login = temporary / "login"
        # Denodo's script reads the password from this file: a password must not be an argument.
        text = f"password={properties_file.escaped(password)}\n"
        files.replace(login, text.encode(properties_file.ENCODING), mode=files.PRIVATE)
        command: list[str | Path] = ["--login", user]
        command += ["--configurationfile", login, "--file", vql]
        command += ["--server", f"//{system.local}:{state.ports['vdp']}"]
        for key, value in _PROPERTIES.items():
            command += ["-P", f"{key}={value}"]
        result = run_script(state, _EXPORT, *command, seconds=_SECONDS, utf8=True)
    if result.status == SOME_FAILED:
        message = (
            f"bin/{_EXPORT} could not export some elements (status {SOME_FAILED}), so the"
            " incomplete export is not stored; the script's log names these elements"
        )
        raise ExportError(message)
    if not result.succeeded:
        message = f"bin/{_EXPORT} {result.ending}; the script's log has the reason"
        raise ExportError(message)
    content = vql.read_bytes() if vql.exists() else b""
    if digest(content) == digest(b""):
        message = f"bin/{_EXPORT} succeeded but wrote nothing"
        raise ExportError(message)
    return content


def _login(system: System, arn: str) -> tuple[str, str]:
    try:
        data = json_object.parse(system.aws_cli.secret(arn))
        return str(data["username"]), str(data["password"])
    except (KeyError, TypeError, ValueError):
        message = f"the secret {arn} is not a JSON object with the keys username and password"
        raise ExportError(message) from None


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
