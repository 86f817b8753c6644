"""Confirmation of the node's metadata, without which the node is not ready.

Metadata in a shared database is confirmed without a check. An export is imported once, and the
metadata is confirmed if Denodo's script succeeds. In all other cases an operator must confirm the
metadata.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hosts.common import files, json_object
from hosts.common.errors import AwsError
from hosts.denodo import log
from hosts.denodo.errors import MetadataError, NotReadyError
from hosts.denodo.metadata import metadata_export
from hosts.denodo.metadata.password_encryption import PREFIX, encrypted
from hosts.denodo.scripts import run_script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System

_IMPORT = "import.sh"
_SECONDS = 3600
_FOLDER = "import"
_PROGRAM = "the node program"
_IN_ADDRESS = re.compile(r"[A-Za-z0-9._-]+")
"""Names and passwords without characters that are special in the address of a server."""


def ensure(system: System, state: State, record: Record) -> None:
    """Confirm the metadata of this machine, unless an operator must confirm it.

    Raises:
        MetadataError: The export cannot be imported.
    """
    if record.metadata_confirmed:
        return
    if "vdp" not in state.raw["servers"]:
        record.confirm_metadata(_PROGRAM, "no Virtual DataPort here")
    elif state.metadata.source == "catalog":
        record.confirm_metadata(_PROGRAM, "shared catalog")
    elif state.metadata.source == "export":
        if _import(system, state):
            record.confirm_metadata(_PROGRAM, f"imported {state.metadata.uri}")
    else:
        log.warning("not ready until an operator confirms the metadata (`confirm-metadata`)")


def _import(system: System, state: State) -> bool:
    """Import the export; return whether there is an export."""
    remove_leftovers(system)
    folder = system.folder / _FOLDER
    folder.mkdir(mode=0o700)
    try:
        vql = folder / "export.vql"
        log.info(f"importing {state.metadata.uri}")
        if not _fetch(system, state.metadata.uri, folder, vql):
            return False
        login = json_object.parse(system.aws_cli.secret(state.metadata.login))
        uri = f"//{system.local}:{state.ports['vdp']}/admin?{_user(state, login)}\n"
        with system.temporary_folder(_FOLDER) as temporary:
            server = temporary / "server"
            # The password in the address must not be an argument, so the script reads a file.
            files.replace(server, uri.encode(), mode=files.PRIVATE)
            # Denodo advises single-user mode, so that no client sees incomplete metadata.
            arguments = ("--singleuser", "--file", vql, "--servers-file", server)
            result = run_script(state, _IMPORT, *arguments, seconds=_SECONDS, utf8=True)
        if result.status == metadata_export.SOME_FAILED:
            message = (
                f"bin/{_IMPORT} of {state.metadata.uri} could not import some elements (status"
                f" {result.status}), and imported the others; its log names them. Import them by"
                " hand, then run `confirm-metadata`"
            )
            raise MetadataError(message)
        if not result.succeeded:
            message = f"bin/{_IMPORT} of {state.metadata.uri} {result.ending}; its log says why"
            raise MetadataError(message)
    except (AwsError, NotReadyError, metadata_export.BrokenExportError, OSError) as error:
        message = f"{state.metadata.uri} cannot be imported: {error}"
        raise MetadataError(message) from None
    except (ValueError, TypeError, KeyError):
        message = f"the secret {state.metadata.login} is not a JSON object with username, password"
        raise MetadataError(message) from None
    finally:
        files.remove(folder)
    return True


def _user(state: State, login: Mapping[str, Any]) -> str:
    """Return user and password for the address of a server, in which `@` and `&` are special.

    Raises:
        MetadataError: The name of the user cannot be part of an address.
        NotReadyError: The password cannot be part of an address, and cannot be encrypted.
    """
    user, password = str(login["username"]), str(login["password"])
    if not _IN_ADDRESS.fullmatch(user):
        message = (
            f"the user {user!r} of the secret {state.metadata.login} cannot import: {_IMPORT} takes"
            " an address, in which a name has letters, digits and . _ - only; use another user"
        )
        raise MetadataError(message)
    if password.startswith(PREFIX) or _IN_ADDRESS.fullmatch(password):
        return f"{user}@{password}"
    given = login.get("encrypted_password")
    text = str(given).removeprefix(PREFIX) if given else encrypted(state, password)
    return f"{user}@{PREFIX}{text}"


def remove_leftovers(system: System) -> None:
    """Remove the files of an import whose run was killed."""
    system.remove_temporary_folder(_FOLDER)
    files.remove(system.folder / _FOLDER)


def _fetch(system: System, uri: str, folder: Path, vql: Path) -> bool:
    """Fetch the metadata, directly or by the manifest of an export; return whether it exists."""
    if not uri.endswith(f"/{metadata_export.MANIFEST}"):
        system.aws_cli.copy_object(uri, vql)
        return True
    bucket, _, key = uri[len("s3://") :].partition("/")
    if metadata_export.restore(system, bucket, key[: -len(metadata_export.MANIFEST)], folder, vql):
        return True
    log.warning(
        f"{uri} does not exist yet: this node was never exported. It is not ready until an operator"
        " confirms its metadata (`confirm-metadata`)"
    )
    return False
