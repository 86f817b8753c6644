"""A host program as a machine has it: its archive, unpacked as the package that is started."""

import zipfile
from pathlib import Path

from hosts import archive


def unpacked(program: str, folder: Path, *, name: str = "") -> Path:
    """Unpack the archive of a program into a folder; return the folder to start it from.

    Args:
        program: a key of `hosts.archive.PACKAGES`.
        folder: where the package goes.
        name: the package's name; default: the name that machines use.
    """
    package = folder / (name or archive.PACKAGES[program])
    package.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive.write(program, package.with_suffix(".zip"))) as packed:
        packed.extractall(package)
    package.with_suffix(".zip").unlink()
    return folder
