"""Files that commands write only if they do not exist, such as a new configuration."""

import os
from pathlib import Path

from denodo_ha.cli.errors import UsageError


def write_new(file: Path, text: str, displayed: Path) -> None:
    """Write a new file, which appears under its name only when its text is complete.

    Args:
        file: path of the new file.
        text: content of the new file.
        displayed: the path as messages show it.

    Raises:
        UsageError: The file exists, or cannot be written.
    """
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            new.write_text(text, encoding="utf-8")
            _link(new, file)
        finally:
            new.unlink(missing_ok=True)
    except FileExistsError:
        message = f"{displayed} exists: choose another name, or edit this file"
        raise UsageError(message) from None
    except OSError as error:
        message = f"{displayed} cannot be written: {error.strerror}"
        raise UsageError(message) from None


def _link(new: Path, file: Path) -> None:
    """Move a complete file to a path at which no file exists."""
    try:
        # A hard link fails if another process has created a file of this name meanwhile; a rename
        # would replace that file.
        os.link(new, file)
    except FileExistsError:
        raise
    except OSError:
        # The file system does not support hard links.
        if file.exists():
            raise FileExistsError from None
        new.replace(file)
