"""Readers of text files that users select: only regular files of limited size.

A path on a command line can be a FIFO, which would block the reader, or a device or file without
an end.
"""

import errno
import io
import os
import stat
from pathlib import Path
from typing import Final

CERTIFICATES_SIZE: Final = 4 * 1024**2
"""Project limit, in bytes, of a file with certificates. The certificates of all public authorities
together have 0.3 MB."""

_KINDS: Final = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class UnreadableFileError(Exception):
    """A file that cannot be opened, is not a regular file, is too large, or has another encoding.

    Attributes:
        reason: the fault, as a part of a sentence.
        instead: what to do.
    """

    def __init__(self, reason: str, instead: str) -> None:
        """Store reason and remedy, from which the caller makes its message."""
        self.reason, self.instead = reason, instead
        super().__init__(f"{reason}; {instead}")


def read_text_file(file: Path, size: int, *, encoding: str = "utf-8-sig") -> str:
    """Return the text of a regular file.

    Args:
        file: the file, or a link to it.
        size: maximum size of the file in bytes.
        encoding: Python's name of the encoding; default: UTF-8, with a byte order mark or without.

    Raises:
        UnreadableFileError: The file cannot be read.
    """
    try:
        content = _content(file, size)
    except OSError as error:
        reason = error.strerror or "unknown error"
        denied = error.errno in {errno.EACCES, errno.EPERM}
        instead = (
            "let your user read the file (chmod u+r, chown)"
            if denied
            else "check the name of the file"
        )
        raise UnreadableFileError(reason, instead) from None
    except ValueError:
        # The path contains a null character.
        raise UnreadableFileError(
            "no file can have this name", "check the name of the file"
        ) from None
    if len(content) > size:
        reason = f"the file has more than {size} bytes"
        raise UnreadableFileError(reason, "check that the path names the right file")
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding=encoding).read()
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        reason = f"byte {error.start} is not {name}"
        raise UnreadableFileError(reason, f"save the file as {name}") from None


def _content(file: Path, size: int) -> bytes:
    """Return the first bytes of a regular file, up to one more than `size`."""
    # O_NONBLOCK, because opening a FIFO without a writer would block.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind == stat.S_IFDIR:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if kind != stat.S_IFREG:
            raise OSError(errno.EINVAL, f"{_KINDS.get(kind, 'another file')}, not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(size + 1)
    finally:
        os.close(descriptor)
