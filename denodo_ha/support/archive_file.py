"""File of a support archive: without secrets, readable by its owner only, and never incomplete."""

import io
import json
import os
import re
import tarfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from denodo_ha.cli.errors import Failed, UsageError
from denodo_ha.cli.output import json_text
from denodo_ha.support.archive_parts import ReadPart
from hosts.common.log_events import HIDDEN, SecretFilter

_PRIVATE: Final = 0o600
_SECRET_KEY = re.compile(r"(?i)password|passwd|secret|token|credential|private_?key")


def without_secrets(part: ReadPart, secrets: Iterable[str]) -> ReadPart:
    """Return a part in which the given secrets and texts like password=VALUE are hidden."""
    hide = SecretFilter(secrets).hide
    text = part.text
    if part.name.endswith(".json") and text:
        # Hide the secrets in each value of the JSON document, so that the file remains valid JSON.
        text = json_text(_hidden(json.loads(text), hide))
    else:
        text = "\n".join(map(hide, text.split("\n")))
    return ReadPart(part.name, text, hide(part.problem))


def _hidden(value: Any, hide: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: HIDDEN if _is_secret(key, inner) else _hidden(inner, hide)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_hidden(inner, hide) for inner in value]
    return hide(value) if isinstance(value, str) else value


def _is_secret(key: str, value: Any) -> bool:
    """Return whether the value of a key is a secret, and not the ARN of a secret."""
    return isinstance(value, str) and bool(_SECRET_KEY.search(key)) and not value.startswith("arn:")


def require_absent(path: Path) -> None:
    """Check that a file does not exist, and that its folder exists.

    Raises:
        UsageError: The file exists, or its folder does not exist.
    """
    if os.path.lexists(path):
        message = f"{path} exists already, and is not overwritten; give another name with --to"
        raise UsageError(message)
    if not path.parent.is_dir():
        message = f"{path.parent} is not a folder; give another name with --to"
        raise UsageError(message)


def write_archive(path: Path, parts: Sequence[ReadPart], at: datetime) -> None:
    """Write an archive with a file for each part that was read, and with the list of all parts.

    Raises:
        Failed: The file cannot be written; an incomplete file is removed.
    """
    folder = path.name.removesuffix(".tar.gz")
    contents = [{"file": part.name, "problem": part.problem} for part in parts]
    files = [("contents.json", json_text(contents) + "\n")]
    files += [(part.name, part.text) for part in parts if part.text]
    # Create the file with its mode: if the mode were set after the creation, another user could
    # open the file in between.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, _PRIVATE)
        try:
            with (
                os.fdopen(descriptor, "wb") as file,
                tarfile.open(fileobj=file, mode="w:gz") as archive,
            ):
                for name, text in files:
                    _add(archive, f"{folder}/{name}", text.encode(errors="replace"), at)
        except BaseException:  # also on Ctrl-C: no incomplete file must remain
            with suppress(OSError):
                path.unlink()
            raise
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; give another name with --to"
        raise Failed(message) from None


def _add(archive: tarfile.TarFile, name: str, content: bytes, at: datetime) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), _PRIVATE, int(at.timestamp())
    archive.addfile(member, io.BytesIO(content))
