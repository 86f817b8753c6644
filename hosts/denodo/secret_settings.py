"""Settings whose values are secrets; they are written only to files of mode 0600.

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
import shutil
from typing import TYPE_CHECKING, Any

from hosts.common import files, json_object
from hosts.common.errors import AwsError
from hosts.common.process import run
from hosts.denodo.change_journal import is_own_file
from hosts.denodo.errors import NotReadyError, StateError
from hosts.denodo.settings import TOKEN, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_CONFIGURATOR = "bin/denodo_tls_configurator.sh"
_SECONDS = 300
_BINARY = ("keystore", "truststore")
_TLS_PARTS = (*_BINARY, "certificate", "credentials")

_CONFIGURED = ("conf", "resources/apache-tomcat/conf")
"""Folders in which the configurator changes files, relative to DENODO_HOME."""


def token(system: System, state: State) -> Iterable[Setting]:
    """Return the settings of the Security Token, if the state has one.

    Raises:
        StateError: The secret cannot be read or has another form.
    """
    if state.security_token:
        for key, value in _secret(system, state.security_token).items():
            yield Setting(TOKEN, (key,), str(value), secret=True)


def touched_by_tls(state: State) -> list[Path]:
    """Return the files that the TLS configurator may change."""
    return [
        path
        for folder in _CONFIGURED
        for path in sorted((state.home / folder).rglob("*"))
        if path.is_file() and not is_own_file(path)
    ]


def configure_tls(system: System, state: State) -> None:
    """Run Denodo's own script, which enables TLS in all servers.

    Raises:
        StateError: The secret cannot be read or has another form.
        NotReadyError: The script fails.
    """
    data = _secret(system, *state.tls)
    missing = [part for part in _TLS_PARTS if part not in data]
    if missing:
        message = f"the secret {state.certificate} lacks {', '.join(missing)}"
        raise StateError(message)
    # A folder for each secret: a rollback needs the folder of the previous state.
    key = hashlib.sha256(" ".join(state.tls).encode()).hexdigest()[:12]
    folder = system.folder / f"tls-{key}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        for part in _TLS_PARTS:
            files.replace(folder / part, _bytes(state, part, data[part]), mode=files.PRIVATE)
        result = run(
            [
                state.home / _CONFIGURATOR,
                *("--denodo-home", state.home),
                *("--keystore", folder / "keystore"),
                *("--truststore", folder / "truststore"),
                *("--cert-cer-file", folder / "certificate"),
                *("--credentials-file", folder / "credentials"),
            ],
            seconds=_SECONDS,
        )
    finally:
        # The key store remains: the servers read it at every start.
        for part in ("certificate", "credentials"):
            files.remove(folder / part)
    if not result.succeeded:
        message = (
            f"{_CONFIGURATOR} {result.ending}; its output may contain secrets, and is not shown"
        )
        raise NotReadyError(message)


def _secret(system: System, arn: str, version: str = "") -> dict[str, Any]:
    try:
        data = json_object.parse(system.aws_cli.secret(arn, version))
    except AwsError as error:
        message = f"the secret {arn} cannot be read: {error}"
        raise StateError(message) from None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        message = f"the secret {arn} is not a JSON object"
        raise StateError(message)
    return data


def _bytes(state: State, part: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if part in _BINARY else str(text).encode()
    except (binascii.Error, TypeError):
        message = f"{part} of the secret {state.certificate} is not base64"
        raise StateError(message) from None
