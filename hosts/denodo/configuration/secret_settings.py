"""Settings whose values are secrets, which are written only to files of mode 0600.

The secret of the Security Token is a JSON object with the entries of
`conf/SSOConfiguration.properties`.

The TLS secret is a JSON object with the inputs of `denodo_tls_configurator.sh`: `keystore` and
`truststore` (Java key stores in base64), `certificate` (PEM) and `credentials` (text of the
credentials file, with passwords encrypted by `encrypt_password.sh`, so that no password is an
argument of a command).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any

from hosts.common import files, json_object
from hosts.common.errors import AwsError
from hosts.denodo.configuration.change_journal import CONFIGURED, is_own_file
from hosts.denodo.configuration.settings import TOKEN, Setting
from hosts.denodo.errors import NotReadyError, StateError, UnavailableError
from hosts.denodo.servers.scripts import run_script

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_CONFIGURATOR = "denodo_tls_configurator.sh"
_SECONDS = 300
_STORES = ("keystore", "truststore")
_TLS_PARTS = (*_STORES, "certificate", "credentials")
_TEMPORARY = "tls"
_FOLDER = "tls-"
"""Prefix of the names of folders with key stores, which the servers read at every start."""


def token(system: System, state: State) -> Iterable[Setting]:
    """Return the settings of the Security Token, if the state has one.

    Raises:
        StateError: The secret cannot be read or has an unexpected format.
    """
    if state.security_token:
        for key, value in _secret(system, state.security_token).items():
            yield Setting(TOKEN, (key,), str(value), secret=True)


def touched_by_tls(state: State) -> list[Path]:
    """Return the files that Denodo's TLS script (`denodo_tls_configurator.sh`) may change."""
    return [
        path
        for folder in CONFIGURED
        for path in sorted((state.home / folder).rglob("*"))
        if path.is_file() and not is_own_file(path)
    ]


def configure_tls(system: System, state: State) -> None:
    """Enable TLS in all servers by Denodo's TLS script.

    Raises:
        StateError: The secret cannot be read or has an unexpected format.
        NotReadyError: The script fails.
    """
    data = _secret(system, *state.tls)
    missing = [part for part in _TLS_PARTS if part not in data]
    if missing:
        message = f"the secret {state.certificate} lacks these keys: {', '.join(missing)}"
        raise StateError(message)
    # Use a separate folder for each secret, because a rollback needs the previous secret's folder.
    folder = _folder(system, state)
    files.remove(folder)
    folder.mkdir(mode=0o700)
    with system.temporary_folder(_TEMPORARY) as temporary:
        parts = {part: (folder if part in _STORES else temporary) / part for part in _TLS_PARTS}
        for part, path in parts.items():
            files.replace(path, _bytes(state, part, data[part]), mode=files.PRIVATE)
        result = run_script(
            state,
            _CONFIGURATOR,
            *("--denodo-home", state.home),
            *("--keystore", parts["keystore"]),
            *("--truststore", parts["truststore"]),
            *("--cert-cer-file", parts["certificate"]),
            *("--credentials-file", parts["credentials"]),
            seconds=_SECONDS,
            utf8=True,
        )
    if not result.succeeded:
        message = (
            f"bin/{_CONFIGURATOR} {result.ending}; the script's output may contain secrets, so it"
            " is not shown"
        )
        raise NotReadyError(message)


def remove_leftovers(system: System, state: State, applied: State | None) -> None:
    """Remove secrets that killed runs have left, and key stores that no server reads.

    Keep the key store of the applied state, and every key store that a file of Denodo names: TLS
    remains enabled even if a later state has no certificate.
    """
    system.remove_temporary_folder(_TEMPORARY)
    kept = _folder(system, applied) if applied and applied.certificate else None
    for folder in system.folder.glob(f"{_FOLDER}*"):
        for part in ("certificate", "credentials"):
            files.remove(folder / part)
        if folder != kept and not _is_named(folder.name, state):
            files.remove(folder)


def _is_named(name: str, state: State) -> bool:
    return any(_may_contain(path, name.encode()) for path in touched_by_tls(state))


def _may_contain(path: Path, text: bytes) -> bool:
    try:
        return text in files.read(path)
    except OSError:
        return True


def _folder(system: System, state: State) -> Path:
    key = hashlib.sha256(" ".join(state.tls).encode()).hexdigest()[:12]
    return system.folder / f"{_FOLDER}{key}"


def _secret(system: System, arn: str, version: str = "") -> dict[str, Any]:
    try:
        data = json_object.parse(system.aws_cli.secret(arn, version))
    except AwsError as error:
        message = f"the secret {arn} cannot be read: {error}"
        raise UnavailableError(message) from None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        message = f"the secret {arn} is not a JSON object"
        raise StateError(message)
    return data


def _bytes(state: State, part: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if part in _STORES else str(text).encode()
    except (binascii.Error, TypeError):
        message = f"the value of {part} in the secret {state.certificate} is not valid base64"
        raise StateError(message) from None
