"""HAProxy's file on disk for a moment, for what takes files only."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def written(text: str) -> Iterator[str]:
    """Give the path of a file with a text; it is gone afterwards."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "haproxy.cfg"
        path.write_text(text, encoding="utf-8")
        yield str(path)
