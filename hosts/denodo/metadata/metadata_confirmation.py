"""Confirmation that the node's metadata is right; without confirmation, the node is not ready.

Metadata in a shared database is confirmed without a check. An export is imported once, and the
metadata is confirmed if Denodo's import script succeeds. In all other cases an operator must
confirm the metadata.
"""

from __future__ import annotations

import re
from time import sleep
from typing import TYPE_CHECKING, Any

from hosts.common import files, json_object
from hosts.common.errors import AwsError
from hosts.denodo import log
from hosts.denodo.errors import MetadataError, NotReadyError
from hosts.denodo.metadata import metadata_export, node_facts
from hosts.denodo.metadata.password_encryption import PREFIX, encrypted
from hosts.denodo.record import Record
from hosts.denodo.servers.scripts import run_script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_IMPORT = "import.sh"
_SECONDS = 3600
_FOLDER = "import"
_PROGRAM = "the node program"
ARRIVAL_ATTEMPTS = 60
ARRIVAL_PAUSE_S = 15.0
"""Project default: seconds between two attempts to fetch a replicated export. All attempts together
take 15 minutes, within which S3 copies most objects to another region (AWS, Amazon S3 User Guide,
"Troubleshooting replication"). S3 does not promise the order, so a manifest may arrive before the
version that it names."""
_IN_ADDRESS = re.compile(r"[A-Za-z0-9._-]+")
"""Pattern of names and passwords without special characters, which can be written unchanged in a
server's address."""


def ensure(system: System, state: State, record: Record) -> None:
    """Confirm the metadata of this machine, unless only an operator can confirm it.

    Raises:
        MetadataError: The export cannot be imported.
    """
    if record.metadata_confirmed:
        return
    if "vdp" not in state.raw["servers"]:
        record.confirm_metadata(_PROGRAM, "the node does not run Virtual DataPort")
    elif state.metadata.source == "catalog":
        record.confirm_metadata(_PROGRAM, "the metadata is in the shared database")
    elif state.metadata.source == "export":
        if _import(system, state, state.metadata.uri, state.metadata.login):
            record.confirm_metadata(_PROGRAM, f"imported {state.metadata.uri}")
    else:
        log.warning(
            "the node is not ready until an operator confirms the metadata (`confirm-metadata`)"
        )


def import_export(system: System, uri: str, who: str, *, pause: float = ARRIVAL_PAUSE_S) -> None:
    """Import an export, such as a copy of another cluster's, into this node; confirm the metadata.

    Args:
        system: the machine.
        uri: S3 address of the export's manifest.
        who: the operator.
        pause: seconds between two attempts while the export has not arrived completely.

    Raises:
        MetadataError: There is no such export, or it cannot be imported.
        BusyError: Another run changes the node.
    """
    record = Record(system)
    state = record.applied
    if state is None or state.exports is None:
        message = "the applied state lacks `exports`, which contains the login for the import"
        raise MetadataError(message)
    with system.locked():
        if not _import(system, state, uri, state.exports.login, pause):
            message = f"{uri} does not exist; nothing was imported"
            raise MetadataError(message)
        record.confirm_metadata(who, f"imported {uri}")
    log.info(f"imported {uri}")


def _import(system: System, state: State, uri: str, login_arn: str, pause: float = 0) -> bool:
    """Import the export whose manifest is at `uri`; return whether this export exists."""
    remove_leftovers(system)
    folder = system.folder / _FOLDER
    folder.mkdir(mode=0o700)
    try:
        vql = folder / "export.vql"
        log.info(f"importing {uri}")
        if not _fetch_arrived(system, uri, folder, vql, pause):
            return False
        _warn_of_other_key(state, folder / metadata_export.MANIFEST)
        login = json_object.parse(system.aws_cli.secret(login_arn))
        address = f"//{system.local}:{state.ports['vdp']}/admin?{_user(state, login, login_arn)}\n"
        with system.temporary_folder(_FOLDER) as temporary:
            server = temporary / "server"
            # Denodo's script reads a file with the address, because the password in the address
            # must not be an argument.
            files.replace(server, address.encode(), mode=files.PRIVATE)
            # Denodo advises single-user mode, so that no client sees incomplete metadata.
            arguments = ("--singleuser", "--file", vql, "--servers-file", server)
            result = run_script(state, _IMPORT, *arguments, seconds=_SECONDS, utf8=True)
        if result.status == metadata_export.SOME_FAILED:
            message = (
                f"bin/{_IMPORT} of {uri} could not import some elements (status"
                f" {result.status}), and imported the others. Import the elements that the script's"
                " log names by hand, then run `confirm-metadata`"
            )
            raise MetadataError(message)
        if not result.succeeded:
            message = f"bin/{_IMPORT} of {uri} {result.ending}; the script's log has the reason"
            raise MetadataError(message)
    except (AwsError, NotReadyError, metadata_export.BrokenExportError, OSError) as error:
        message = f"{uri} cannot be imported: {error}"
        raise MetadataError(message) from None
    except (ValueError, TypeError, KeyError):
        message = f"the secret {login_arn} is not a JSON object with the keys username and password"
        raise MetadataError(message) from None
    finally:
        files.remove(folder)
    return True


def _user(state: State, login: Mapping[str, Any], login_arn: str) -> str:
    """Return user and password in the form that the address of a server needs.

    The characters `@` and `&` have a special meaning in an address.

    Raises:
        MetadataError: The name of the user cannot be part of an address.
        NotReadyError: The password cannot be part of an address, and cannot be encrypted.
    """
    user, password = str(login["username"]), str(login["password"])
    if not _IN_ADDRESS.fullmatch(user):
        message = (
            f"the user {user!r} of the secret {login_arn} cannot run {_IMPORT}, because its name"
            " has other characters than letters, digits, dots, hyphens and underscores; write"
            " another user into the secret"
        )
        raise MetadataError(message)
    if password.startswith(PREFIX) or _IN_ADDRESS.fullmatch(password):
        return f"{user}@{password}"
    given = login.get("encrypted_password")
    text = str(given).removeprefix(PREFIX) if given else encrypted(state, password)
    return f"{user}@{PREFIX}{text}"


def remove_leftovers(system: System) -> None:
    """Remove the files that the import of a killed run has left."""
    system.remove_temporary_folder(_FOLDER)
    files.remove(system.folder / _FOLDER)


def _fetch_arrived(system: System, uri: str, folder: Path, vql: Path, pause: float) -> bool:
    """Fetch the metadata of an export to `vql`; return whether the export exists.

    With a pause, try again while the version that the manifest names has not arrived.
    """
    for attempt in range(1, ARRIVAL_ATTEMPTS):
        try:
            return _fetch(system, uri, folder, vql)
        except metadata_export.MissingVersionError as error:
            if not pause:
                raise
            if attempt == 1:
                log.info(f"{error}, or was not replicated yet; waiting for the replication")
        # S3 does not notify this machine when a replicated object has arrived.
        sleep(pause)
    return _fetch(system, uri, folder, vql)


def _warn_of_other_key(state: State, manifest: Path) -> None:
    """Warn if another installation's key encrypted the secrets in the export.

    This is only a warning, because the fingerprint is that of the key's file, and two different
    files may contain the same key.
    """
    try:
        theirs = json_object.parse(manifest.read_bytes()).get("encryption_key")
        own = node_facts.encryption_key(state)
    except (OSError, ValueError, AttributeError):
        return
    if theirs is not None and theirs != own:
        log.warning(
            "the export was made with another installation encryption key, so this node may not"
            " be able to decrypt the secrets in the export: compare"
            f" {state.home / node_facts.ENCRYPTION_KEY} of both nodes, and test a data source"
        )


def _fetch(system: System, uri: str, folder: Path, vql: Path) -> bool:
    """Fetch metadata by its own or its manifest's S3 address; return whether the export exists."""
    if not uri.endswith(f"/{metadata_export.MANIFEST}"):
        system.aws_cli.copy_object(uri, vql)
        return True
    bucket, _, key = uri[len("s3://") :].partition("/")
    if metadata_export.restore(system, bucket, key[: -len(metadata_export.MANIFEST)], folder, vql):
        return True
    log.warning(
        f"{uri} does not exist: the metadata of this node was never exported. The node is not ready"
        " until an operator confirms the metadata (`confirm-metadata`)"
    )
    return False
