"""File of a support archive: without secrets, for its owner only, complete or absent."""

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
    """Return a part with secrets hidden: known ones, and values in forms such as password=VALUE."""
    hide = SecretFilter(secrets).hide
    text = part.text
    if part.name.endswith(".json") and text:
        # Values are hidden one by one, so that the file remains JSON.
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
    """Return whether a key names a secret. Its ARN, or an output's name, is not a secret."""
    return isinstance(value, str) and bool(_SECRET_KEY.search(key)) and not value.startswith("arn:")


def require_absent(path: Path) -> None:
    """Check that a file does not exist, and that its folder does.

    Raises:
        UsageError: The file exists, or its folder does not.
    """
    if os.path.lexists(path):
        message = f"{path} exists already, and is not overwritten; give another name with --to"
        raise UsageError(message)
    if not path.parent.is_dir():
        message = f"{path.parent} is not a folder; give another name with --to"
        raise UsageError(message)


def write_archive(path: Path, parts: Sequence[ReadPart], at: datetime) -> None:
    """Write the archive, and the list of its parts.

    Raises:
        Failed: The file cannot be written; an incomplete file is removed.
    """
    folder = path.name.removesuffix(".tar.gz")
    contents = [{"file": part.name, "problem": part.problem} for part in parts]
    files = [("contents.json", json_text(contents) + "\n")]
    files += [(part.name, part.text) for part in parts if part.text]
    # The mode is set at creation, so that no other user can open the file in between.
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
        except BaseException:  # also after Ctrl-C, no incomplete file remains
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
