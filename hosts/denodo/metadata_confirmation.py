"""Whether this node's metadata is right: until somebody says so, the node is not ready.

A shared catalog is right by itself. An export is imported once, and is right when Denodo's
script says so. Else an operator says so.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from hosts.denodo import aws, files, log, metadata_export
from hosts.denodo.errors import MetadataError
from hosts.denodo.process import run

if TYPE_CHECKING:
    from pathlib import Path

    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System

_IMPORT = "bin/import.sh"
_SECONDS = 3600
_PROGRAM = "the node program"


def ensure(system: System, state: State, record: Record) -> None:
    """Confirm this machine's metadata, where that needs nobody.

    Raises:
        MetadataError: the export could not be imported.
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
    """Import the export; tells whether there is one."""
    folder = system.folder / "import"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        vql, server = folder / "export.vql", folder / "server"
        log.info(f"importing {state.metadata.uri}")
        if not _fetched(system, state.metadata.uri, folder, vql):
            return False
        login = json.loads(aws.secret(system, state.metadata.login))
        user = f"{login['username']}@{login['password']}"
        address = f"//{system.local}:{state.ports['vdp']}/admin?{user}\n"
        # The password is not an argument: Denodo's script reads the server from a file.
        files.replace(server, address.encode(), mode=files.PRIVATE)
        result = run(
            [state.home / _IMPORT, "--file", vql, "--servers-file", server], seconds=_SECONDS
        )
        if not result.ended_well:
            message = f"{_IMPORT} of {state.metadata.uri} {result.ending}; its log says why"
            raise MetadataError(message)
    except (aws.NoAnswerError, metadata_export.BrokenError, OSError) as wrong:
        message = f"{state.metadata.uri} cannot be imported: {wrong}"
        raise MetadataError(message) from None
    except (ValueError, TypeError, KeyError):
        message = f"the secret {state.metadata.login} is not a JSON object with username, password"
        raise MetadataError(message) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _fetched(system: System, uri: str, folder: Path, vql: Path) -> bool:
    """Fetch the metadata, itself or by what tells of an export; tells whether there is any."""
    if not uri.endswith(f"/{metadata_export.MANIFEST}"):
        aws.fetch(system, uri, vql)
        return True
    bucket, _, key = uri[len("s3://") :].partition("/")
    if metadata_export.restore(system, bucket, key[: -len(metadata_export.MANIFEST)], folder, vql):
        return True
    log.warning(
        f"there is no {uri} yet: this node was never exported. It is not ready until an operator"
        " confirms its metadata (`confirm-metadata`)"
    )
    return False
