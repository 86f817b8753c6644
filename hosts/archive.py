"""Archives of the host programs, which a stack publishes and a machine unpacks.

    python3 -m hosts.archive haproxy denodo-haproxy.zip

An archive is unpacked into a folder with the package name of the program (`node`, `haproxy`), and
the program is started as that package: `python3 -m node status`. An archive contains the program,
the modules in `common`, and a start module. The bytes of an archive depend on the sources only, not
on the machine that writes it, so a program is published again only if it changed. In S3, the
archive is named by the SHA-256 of these bytes. A machine checks this hash before it unpacks the
archive (`hosts.common.releases`).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parent

PACKAGES = {"denodo": "node", "haproxy": "haproxy"}
"""Package name by which machines start each program. Deployed machines use these names, so the
names must not change."""

_COMMON = "common"
_LEFT_OUT = {"__pycache__", "state.schema.json"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Earliest time that a ZIP archive can hold."""
_UNIX = 3
_FILE_MODE = 0o100644 << 16

_START = '''"""Start the program: `python3 -m {package} COMMAND`."""

import signal

# Before the other imports: a signal that arrives meanwhile ends the process without a traceback.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
if __name__ == "__main__":
    runpy.run_module("hosts.{program}", run_name="__main__", alter_sys=True)
'''


def write(program: str, file: Path) -> Path:
    """Write the archive of a program; return its file.

    Args:
        program: a key of `PACKAGES`.
        file: path of the archive.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(_members(program).items()):
            member = zipfile.ZipInfo(name, _EPOCH)
            # By default, this byte identifies the operating system that writes the archive, so the
            # archive's hash would depend on the operating system.
            member.create_system = _UNIX
            member.external_attr = _FILE_MODE
            archive.writestr(member, content)
    return file


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file. The S3 object of the file has this name."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _members(program: str) -> dict[str, bytes]:
    start = _START.format(package=PACKAGES[program], program=program)
    members = {"__init__.py": b"", "__main__.py": start.encode()}
    members["hosts/__init__.py"] = (SOURCES / "__init__.py").read_bytes()
    for folder in (_COMMON, program):
        for path in (SOURCES / folder).rglob("*"):
            inside = path.relative_to(SOURCES)
            if path.is_file() and _LEFT_OUT.isdisjoint(inside.parts):
                members[f"hosts/{inside.as_posix()}"] = path.read_bytes()
    return members


def main() -> int:
    """Write the archive that the command line specifies."""
    parser = argparse.ArgumentParser(description="Write the archive of a host program.")
    parser.add_argument("program", choices=sorted(PACKAGES))
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    write(options.program, options.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
