"""Validation of a configuration by HAProxy itself (`haproxy -c`)."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.process import run
from hosts.haproxy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VALIDATE_S = 60
SHOWN = 2000
"""Maximum number of characters of HAProxy's output that a message shows."""

_STATE_FILE = re.compile(
    rb"^[ \t]*(server-state-file|load-server-state-from-file)\b.*$", re.MULTILINE
)
"""Lines that are left out of a validation: HAProxy warns about every node that is drained in the
state file, and this program counts each warning as an error in the configuration."""
_LOOKUP = re.compile(rb"\binit-addr [a-z,]+")
"""Options that are replaced in a validation, because a DNS server that is slow or not available is
not an error in the configuration."""


def validate(program: str, file: Path) -> str:
    """Validate a file with HAProxy; return the errors and warnings, empty if there are none.

    The file is read as bytes, because comments and texts in the file may have any encoding.

    Raises:
        UsageError: The program or the file does not exist, or the file cannot be read.
    """
    return _output(program, file, "-dW")


def problem(program: str, file: Path) -> str:
    """Return a message with HAProxy's errors or warnings about a file, empty if there are none.

    Raises:
        UsageError: The program or the file does not exist, or the file cannot be read.
    """
    output = validate(program, file)
    if not output:
        return ""
    if _output(program, file):
        return f"HAProxy does not accept {file}:\n{output}"
    return f"HAProxy starts with {file} and gives a warning:\n{output}"


def stateless(content: bytes) -> bytes:
    """Return the configuration, changed to load no server states and to wait for no DNS server."""
    return _LOOKUP.sub(b"init-addr none", _STATE_FILE.sub(rb"# \g<0>", content))


def read_config(file: Path) -> bytes:
    """Return the content of a configuration.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        return files.read(file)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise UsageError(message) from error


@contextmanager
def memory_file(content: bytes) -> Iterator[str]:
    """Yield the path of a file that disappears when this process ends or is killed."""
    if not hasattr(os, "memfd_create"):  # not Linux, so this machine is not a HAProxy host
        with tempfile.NamedTemporaryFile(suffix=".cfg") as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    with os.fdopen(os.memfd_create("haproxy.cfg"), "wb") as memory:
        memory.write(content)
        memory.flush()
        yield f"/proc/{os.getpid()}/fd/{memory.fileno()}"


def _output(program: str, file: Path, *options: str) -> str:
    """Validate a file with HAProxy; return HAProxy's output, empty if the validation succeeds."""
    if shutil.which(program) is None:
        message = (
            f"the program {program}, which validates the file, does not exist; give the path of"
            " HAProxy with --haproxy"
        )
        raise UsageError(message)
    with memory_file(stateless(read_config(file))) as copy:
        result = run([program, *options, "-c", "-f", copy], seconds=_VALIDATE_S)
    if result.succeeded:
        return ""
    output = (result.output + result.errors).strip().replace(copy, str(file))
    return output[-SHOWN:] if output and result.status is not None else f"it {result.ending}"
