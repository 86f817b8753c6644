"""Files of this project that people write, without the files that tools generate."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.assembly import ROOT

_OTHERS = {"node_modules", "cdk.out", "build", "__snapshots__", "__pycache__", "corpus"}


def project_files(*suffixes: str, under: str = "") -> list[Path]:
    """Return the files with one of these endings in a folder of the project."""
    folder = ROOT / under
    return [
        file for file in _files() if file.is_relative_to(folder) and file.name.endswith(suffixes)
    ]


@cache
def _files() -> tuple[Path, ...]:
    return tuple(sorted(_walk(ROOT)))


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _OTHERS and not name.startswith(".")]
        yield from (Path(root) / name for name in names)
