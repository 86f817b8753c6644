"""Settings whose values are secrets: they go from AWS to files of mode 0600, and nowhere else.

The Security Token's secret is a JSON object, the entries of `conf/SSOConfiguration.properties`.

The TLS secret is a JSON object of what `denodo_tls_configurator.sh` takes: `keystore` and
`truststore` (base64 of the Java key stores), `certificate` (PEM) and `credentials` (the text of
its credentials file, with passwords that `encrypt_password.sh` has encrypted, so that no password
is ever an argument here).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

from hosts.denodo import aws, files
from hosts.denodo.errors import NotReadyError, StateError
from hosts.denodo.process import run
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
"""Where the configurator changes files."""


def token(system: System, state: State) -> Iterable[Setting]:
    """The settings of the Security Token, if the state has one.

    Raises:
        StateError: the secret is not what it should be.
    """
    if state.security_token:
        for key, value in _secret(system, state.security_token).items():
            yield Setting(TOKEN, (key,), str(value), secret=True)


def touched_by_tls(state: State) -> list[Path]:
    """The files that the configurator may change."""
    return [
        path
        for folder in _CONFIGURED
        for path in sorted((state.home / folder).rglob("*"))
        if path.is_file() and files.is_source(path)
    ]


def configure_tls(system: System, state: State) -> None:
    """Let Denodo's own script switch TLS on in all servers.

    Raises:
        StateError: the secret is not what it should be.
        NotReadyError: the script failed.
    """
    data = _secret(system, *state.tls)
    missing = [part for part in _TLS_PARTS if part not in data]
    if missing:
        message = f"the secret {state.certificate} lacks {', '.join(missing)}"
        raise StateError(message)
    # Its own folder: the one of the state before must still be there for a rollback.
    one = hashlib.sha256(" ".join(state.tls).encode()).hexdigest()[:12]
    folder = system.folder / f"tls-{one}"
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
        # The key store stays: the servers read it at every start.
        for part in ("certificate", "credentials"):
            files.remove(folder / part)
    if not result.ended_well:
        message = f"{_CONFIGURATOR} {result.ending}; what it says is not shown, as it has secrets"
        raise NotReadyError(message)


def _secret(system: System, arn: str, version: str = "") -> dict[str, Any]:
    try:
        data = json.loads(aws.secret(system, arn, version))
    except aws.NoAnswerError as wrong:
        message = f"the secret {arn} cannot be read: {wrong}"
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
