"""Isolation of a machine: its own root folder and process ids, by namespaces of Linux.

The processes of a machine see the root folder of the machine as `/`, and only their own processes.
No right of root is needed: a user namespace makes this user root in the machine, and nowhere else.
If the first process of a machine ends, the kernel ends all others. Some systems deny namespaces,
for example containers with Docker's default profile; others, such as macOS, do not have them.
"""

import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_DENODO_UID = 1000
"""Id of the user denodo in a machine that has two users."""
_OUTSIDE_UID = 65534
"""Id, outside of the machine, of a machine's user denodo, if this process runs as root."""

_NEWNS, _NEWUSER, _NEWPID = 0x20000, 0x10000000, 0x20000000
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_KEPT_FLAGS = 0x2 | 0x4 | 0x8 | 0x400 | 0x800
"""Mount flags nosuid, nodev, noexec, noatime and nodiratime, which a mount keeps when a namespace
mounts it again: the kernel refuses their removal."""
_PDEATHSIG = 1

_SYSTEM = ("bin", "lib", "lib32", "lib64", "libx32", "nix", "sbin", "usr")
"""Folders of this operating system that machines share, read-only."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of user data and documents; most of its folders are those of this system."""
_PROGRAMS = ("sh", "basename", "cat", "cut", "ln", "mkdir", "mv", "rm", "sleep", "sync", "tr")
"""Programs that user data calls. A system without them in `PATH` cannot isolate machines."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class DeniedError(Exception):
    """This system denies or lacks a function of the kernel that a machine needs."""


def denodo_uid() -> int:
    """Return the id that Denodo's user has in machines; 0, root's, if no other id is possible.

    Only root may give a user namespace a second user, and only a user that root itself has. In a
    container, which is a user namespace too, root may have no other user.
    """
    return _DENODO_UID if _has_second_user() else 0


def _has_second_user() -> bool:
    if os.geteuid() != 0 or sys.platform != "linux":
        return False
    lines = (line.split() for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(
        int(first) <= _OUTSIDE_UID < int(first) + int(count) for first, _outside, count in lines
    )


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends; without effect outside of Linux."""
    if sys.platform == "linux":
        _libc().prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def is_allowed() -> bool:
    """Return whether this system has the programs that a machine needs, and allows namespaces."""
    if sys.platform != "linux" or not all(shutil.which(name, path=PATH) for name in _PROGRAMS):
        return False
    child = _forked_with_namespaces(_trial)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def run(root: Path, folders: Mapping[Path, str], action: Callable[[], int]) -> int:
    """Run an action in a machine; return the action's exit code once the machine has ended.

    Args:
        root: the root folder of the machine.
        folders: further folders of this system that the machine sees, read-only, by path.
        action: runs in a process of the machine, in which `/` is the root folder.
    """

    def inside() -> int:
        _mount_all(root, folders)
        os.chroot(root)
        os.chdir("/")
        return _first_process(action)

    return os.waitstatus_to_exitcode(os.waitpid(_forked_with_namespaces(inside), 0)[1])


def _forked_with_namespaces(action: Callable[[], int]) -> int:
    """Run an action as process 1 of new namespaces; return the id of that process's parent."""
    ready, mapped = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _exit_with(lambda: _in_namespaces(action, ready[1], mapped[0]))
    os.close(ready[1])
    os.close(mapped[0])
    if os.read(ready[0], 1):
        _map_users(child)
        os.write(mapped[1], b"x")
    os.close(ready[0])
    os.close(mapped[1])
    return child


def _in_namespaces(action: Callable[[], int], ready: int, mapped: int) -> int:
    die_with_parent()
    system_call("unshare", _NEWUSER | _NEWNS | _NEWPID)
    os.write(ready, b"x")
    os.read(mapped, 1)
    child = os.fork()
    if child == 0:
        _exit_with(lambda: _as_root(action))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _as_root(action: Callable[[], int]) -> int:
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    die_with_parent()
    return action()


def _exit_with(action: Callable[[], int]) -> None:
    """Run an action in this process, and end this process with the action's exit code.

    This process was forked for the action, so this function never returns.
    """
    code = 1
    try:
        code = action()
    except (OSError, DeniedError) as error:
        sys.stderr.write(f"machine: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code if 0 <= code < 256 else 1)


def _map_users(child: int) -> None:
    process = Path(f"/proc/{child}")
    if _has_second_user():
        for kind in ("uid", "gid"):
            lines = f"0 0 1\n{_DENODO_UID} {_OUTSIDE_UID} 1\n"
            (process / f"{kind}_map").write_text(lines)
        return
    (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(f"0 {os.geteuid()} 1\n")
    (process / "gid_map").write_text(f"0 {os.getegid()} 1\n")


def _trial() -> int:
    system_call("mount", b"none", b"/", None, _REC | _PRIVATE, None)
    system_call("mount", b"proc", b"/proc", b"proc", 0, None)
    _bind(Path("/usr"), Path("/usr"))
    return 0


def _mount_all(root: Path, folders: Mapping[Path, str]) -> None:
    system_call("mount", b"none", b"/", None, _REC | _PRIVATE, None)
    for name in _SYSTEM:
        source, target = Path("/", name), root / name
        if source.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to(source.readlink())
        elif source.is_dir():
            target.mkdir(exist_ok=True)
            _bind(source, target)
    for source, path in folders.items():
        target = root / path.lstrip("/")
        if not target.is_dir():
            target.mkdir(parents=True)
        _bind(source, target)
    for name in _DEVICES:
        target = root / "dev" / name
        target.touch()
        system_call("mount", f"/dev/{name}".encode(), bytes(target), None, _BIND, None)
    for name, file in {"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        link = root / "dev" / name
        if not link.is_symlink():
            link.symlink_to(f"/proc/self/{file}")
    system_call("mount", b"proc", bytes(root / "proc"), b"proc", 0, None)


def _bind(source: Path, target: Path) -> None:
    """Make a folder visible at another path, read-only."""
    system_call("mount", bytes(source), bytes(target), None, _BIND | _REC, None)
    kept = os.statvfs(target).f_flag & _KEPT_FLAGS
    flags = _BIND | _REMOUNT | _RDONLY | kept
    system_call("mount", None, bytes(target), None, flags, None)


def _first_process(action: Callable[[], int]) -> int:
    """Act as process 1: run the action in a child, and reap processes without a parent."""
    child = os.fork()
    if child == 0:
        _exit_with(action)
    while True:
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def system_call(name: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library.

    Raises:
        DeniedError: the function returned an error.
    """
    if getattr(_libc(), name)(*arguments):
        number = ctypes.get_errno()
        shown = " ".join(item.decode() for item in arguments if isinstance(item, bytes))
        message = f"{name} {shown}: {os.strerror(number)}"
        raise DeniedError(message)


if __name__ == "__main__":
    # The server starts this module as a process of its own to test for namespaces. The server must
    # not fork itself, since a fork would copy only one of its threads.
    sys.exit(not is_allowed())
