"""Host program as installed on a machine: its archive, unpacked."""

import zipfile
from pathlib import Path

from hosts import archive


def unpacked(program: str, folder: Path, *, name: str = "") -> Path:
    """Unpack the archive of a program into a folder, and return the folder to start it from.

    Args:
        program: a key of `hosts.archive.PACKAGES`.
        folder: folder in which the package is created.
        name: name of the package; default: the name that machines use.
    """
    package = folder / (name or archive.PACKAGES[program])
    package.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive.write(program, package.with_suffix(".zip"))) as packed:
        packed.extractall(package)
    package.with_suffix(".zip").unlink()
    return folder
