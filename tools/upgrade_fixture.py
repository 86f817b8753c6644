"""Write the archive of a git revision that the upgrade tests compare the working tree with.

    .venv/bin/python -m tools.upgrade_fixture --revision c841fdb

The archive, `tests/upgrade/fixtures/COMMIT.tar.xz`, has:

    revision.json           the commit, and the package that runs its commands
    code/                   the command packages and `config/examples`, to be run with today's
                            locked dependencies
    assemblies/EXAMPLE/     the cloud assembly of every example, synthesised by the revision's app
    programs/node.zip       the node program, unpacked as the package `node`
    programs/haproxy.zip    the HAProxy program, unpacked as the package `haproxy`

Systems Manager documents are part of the templates. The tests read this archive and no git history.
The same revision results in the same bytes.
"""

import argparse
import io
import json
import lzma
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.cli.errors import CommandError
from denodo_ha.review import base_synthesis

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/upgrade/fixtures"
MOST_BYTES = 2_000_000
"""Project default: maximum size of an archive, which is committed and must therefore be small."""

_LEFT_OUT = ("performance-counters.json", "tree.json", "validation-report.json")
"""Files of a cloud assembly that a deploy does not read. The performance counters also differ in
each run."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Layout:
    """Paths in the source tree of a revision.

    Attributes:
        command: the package that `python -m` starts to run the commands.
        code: folders of the command packages.
        programs: folders of the host programs, for revisions without `hosts.archive`.
    """

    command: str
    code: tuple[str, ...]
    programs: dict[str, str]


_FIRST_LAYOUT = Layout("ops", ("config", "node", "ops"), {"node": "node", "haproxy": "ops/haproxy"})
_LAYOUT = Layout("denodo_ha", ("config", "denodo_ha", "hosts"), {})

Members = Iterator[tuple[str, bytes]]


def _layout(tree: Path) -> Layout:
    return _LAYOUT if (tree / "denodo_ha").is_dir() else _FIRST_LAYOUT


def _code(tree: Path, layout: Layout) -> Members:
    """Yield the tracked files of the command packages."""
    names = base_synthesis.run(["git", "ls-files", "-z", "--", *layout.code], cwd=tree)
    for name in names.split("\0"):
        if name:
            yield f"code/{name}", (tree / name).read_bytes()


def _assemblies(tree: Path, scratch: Path) -> Members:
    """Synthesise every example with the revision's own app, and yield the assemblies."""
    files = sorted((tree / "config/examples").glob("*.yaml"))
    for example in [file.stem for file in files if not file.stem.endswith(".pins")]:
        out = scratch / example
        base_synthesis.synthesise(example, tree, out, example)
        for file in sorted(out.rglob("*")):
            name = file.relative_to(out).as_posix()
            if file.is_file() and name not in _LEFT_OUT and "__pycache__" not in name:
                yield f"assemblies/{example}/{name}", file.read_bytes()


def _programs(tree: Path, layout: Layout, scratch: Path) -> Members:
    """Yield the archives of the host programs."""
    for name, folder in layout.programs.items():
        yield f"programs/{name}.zip", _zipped(tree, folder)
    if not layout.programs:
        for name, program in {"node": "denodo", "haproxy": "haproxy"}.items():
            file = scratch / f"{name}.zip"
            command = [str(ROOT / ".venv/bin/python"), "-m", "hosts.archive", program, str(file)]
            base_synthesis.run(command, cwd=tree)
            yield f"programs/{name}.zip", file.read_bytes()


def _zipped(tree: Path, folder: str) -> bytes:
    names = base_synthesis.run(["git", "ls-files", "-z", "--", folder], cwd=tree).split("\0")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(name for name in names if name):
            member = zipfile.ZipInfo(Path(name).relative_to(folder).as_posix(), _EPOCH)
            archive.writestr(member, (tree / name).read_bytes())
    return content.getvalue()


def _packed(members: dict[str, bytes]) -> bytes:
    """Return a tar.xz archive of the members; the same members result in the same bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return lzma.compress(content.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def archive(revision: str) -> tuple[str, bytes]:
    """Return the commit of a revision and the content of its archive.

    Raises:
        CommandError: git does not know the revision, or one of its examples cannot be synthesised.
    """
    commit = base_synthesis.commit_of(revision, ROOT)
    with tempfile.TemporaryDirectory(prefix="denodo-ha-upgrade-") as name:
        scratch = Path(name)
        tree = scratch / "tree"
        with base_synthesis.checked_out(commit, tree, ROOT):
            layout = _layout(tree)
            about = {"commit": commit, "command": layout.command}
            members = {
                "revision.json": json.dumps(about, indent=1).encode(),
                **dict(_code(tree, layout)),
                **dict(_programs(tree, layout, scratch)),
                **dict(_assemblies(tree, scratch)),
            }
    return commit, _packed(members)


def main() -> int:
    """Write the archive; return exit status 1 if that failed."""
    parser = argparse.ArgumentParser(description="Write the archive of a git revision.")
    parser.add_argument("--revision", required=True, help="git revision")
    parser.add_argument("--folder", type=Path, default=FIXTURES, help="folder of the archive")
    arguments = parser.parse_args()
    try:
        commit, content = archive(arguments.revision)
    except CommandError as error:
        print(f"make upgrade-fixture: {error}", file=sys.stderr)
        return 1
    if len(content) > MOST_BYTES:
        problem = f"the archive has {len(content)} bytes; at most {MOST_BYTES} are allowed"
        print(f"make upgrade-fixture: {problem}", file=sys.stderr)
        return 1
    arguments.folder.mkdir(parents=True, exist_ok=True)
    file = arguments.folder / f"{commit[:7]}.tar.xz"
    file.write_bytes(content)
    print(f"{file}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
