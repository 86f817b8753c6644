"""Files that commands write only if they do not exist, such as a new configuration."""

import os
from pathlib import Path

from denodo_ha.cli.errors import UsageError


def write_new(file: Path, text: str, displayed: Path) -> None:
    """Write a file that does not exist; the name appears with the complete text, or not at all.

    Args:
        file: the file.
        text: the text.
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
        # Unlike a rename, a link replaces no file of this name.
        os.link(new, file)
    except FileExistsError:
        raise
    except OSError:
        # The file system has no hard links.
        if file.exists():
            raise FileExistsError from None
        new.replace(file)
