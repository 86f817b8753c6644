"""Encryption of passwords by Denodo, for files in which some plain passwords are not possible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hosts.denodo.errors import NotReadyError
from hosts.denodo.servers.scripts import run_script

if TYPE_CHECKING:
    from hosts.denodo.state import State

PREFIX = "encrypted:"
"""Prefix of an encrypted password in Denodo's files and addresses."""

_SCRIPT = "encrypt_password.sh"
_SECONDS = 600
_RESULT = re.compile(r"(?:[\w ]*password[\w ]*:\s*)?(\S*[^\s:])", re.IGNORECASE)
"""Pattern of the last line that Denodo's script prints: the encrypted password, in some versions
after a label. A prompt or an error message does not match."""


def encrypted(state: State, password: str) -> str:
    """Encrypt a password with Denodo's script; return the result without the prefix `PREFIX`.

    The script reads the password from standard input, so that no argument contains the password.

    Raises:
        NotReadyError: The script did not encrypt the password.
    """
    result = run_script(state, _SCRIPT, seconds=_SECONDS, utf8=True, stdin=f"{password}\n")
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    line = _RESULT.fullmatch(lines[-1]) if lines else None
    if not result.succeeded or line is None or password in line[1]:
        message = (
            f"bin/{_SCRIPT} {result.ending}, but did not encrypt the password; encrypt the password"
            " by hand, and add the result to the secret of the login as encrypted_password"
        )
        raise NotReadyError(message)
    return line[1].removeprefix(PREFIX)
