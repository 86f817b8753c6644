"""The paths of a machine without a root folder of its own, for its Python programs.

Where the system denies namespaces, a machine's `/etc`, `/opt` and so on are folders below the
machine's folder. The machine's Python is a virtual environment that imports this module at each
start. The module replaces the functions by which programs reach files, so that they use paths below
the machine's folder, and ends the program when the machine ends.
"""

import builtins
import importlib
import io
import os
import posixpath
import re
import sys
import threading
from typing import Any

ROOT = os.path.dirname(sys.prefix)  # noqa: PTH120 - pathlib takes time to import
"""The machine's folder, which has the virtual environment in `opt`."""
ALIVE = "run/local-aws-alive"
"""Path of a named pipe whose other end the machine's first process holds: the end of the pipe is
the end of the machine."""
_OWN = re.compile(r"/(?:etc|home|opt|root|run|snap|srv|sys|var)(?=/|$)")
_OWN_IN_TEXT = re.compile(r"(?<![\w./$}-])/(?:etc|home|opt|root|run|snap|srv|sys|var)(?=/)")
_KEPT = (ROOT, sys.base_prefix, posixpath.dirname(posixpath.dirname(posixpath.realpath(__file__))))
"""Folders whose paths are not rewritten: the machine's, Python's, and the folder `living`."""
_PATH = "PATH=/usr/local/sbin:"

_ONE_PATH = (
    *("access", "chmod", "chown", "getxattr", "lchown", "link", "listdir", "listxattr", "lstat"),
    *("mkdir", "mkfifo", "open", "readlink", "remove", "removexattr", "rename", "replace", "rmdir"),
    *("scandir", "setxattr", "stat", "statvfs", "symlink", "truncate", "unlink", "utime", "chdir"),
    *("execv", "execve", "posix_spawn"),
)
_TWO_PATHS = ("link", "rename", "replace", "symlink")


def rewritten(text: str, root: str, kept: "tuple[str, ...]" = ()) -> str:
    """Return a script, or a unit's command, with paths below the machine's folder.

    Args:
        text: the script.
        root: the machine's folder.
        kept: folders that keep their paths.
    """

    def moved(match: "re.Match[str]") -> str:
        is_kept = text.startswith((root, *kept), match.start())
        return match[0] if is_kept else root + match[0]

    text = _OWN_IN_TEXT.sub(moved, text)
    return text.replace(_PATH, f"PATH={root}/opt/bin:{_PATH[5:]}")


def mapped(path: Any) -> Any:
    """Return this system's path for a path of the machine.

    Other paths, and file descriptors, are returned as they are.
    """
    if hasattr(path, "__fspath__"):
        path = os.fspath(path)
    if isinstance(path, bytes):
        return os.fsencode(str(mapped(os.fsdecode(path))))
    if isinstance(path, str) and _OWN.match(path) and not path.startswith(_KEPT):
        return ROOT + path
    return path


def _word(word: Any) -> Any:
    """Return an argument of a command with rewritten paths, also in `--name=PATH`."""
    text = os.fsdecode(word) if isinstance(word, bytes) else word
    if isinstance(text, str) and text.startswith("--"):
        name, separator, value = text.partition("=")
        moved = f"{name}{separator}{mapped(value)}"
        return os.fsencode(moved) if isinstance(word, bytes) else moved
    return mapped(word)


def _moved(name: str) -> None:
    """Let a function of `os` map the machine's paths to this system's paths."""
    function = getattr(os, name, None)
    if function is None:
        return
    paths = 2 if name in _TWO_PATHS else 1

    def replaced(*arguments: Any, **options: Any) -> Any:
        first = [mapped(item) for item in arguments[:paths]]
        rest = arguments[paths:]
        if name in ("execv", "execve", "posix_spawn"):
            rest = ([_word(word) for word in arguments[1]], *arguments[2:])
        if "path" in options:
            options["path"] = mapped(options["path"])
        return function(*first, *rest, **options)

    replaced.__name__ = name
    setattr(os, name, replaced)
    # Add the new function to the sets by which `shutil` and `os` learn which arguments it supports.
    for supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if function in supported:
            supported.add(replaced)


def _own_processes(listed: Any) -> Any:
    """Return a replacement for `os.scandir` or `os.listdir`.

    For `/proc`, the replacement lists only processes of this machine.
    """

    def replaced(path: Any = ".") -> Any:
        if str(path) not in ("/proc", "/proc/"):
            return listed(path)
        found = listed("/proc")
        return _Entries(
            item for item in found if _is_own(item if isinstance(item, str) else item.name)
        )

    return replaced


class _Entries(list[Any]):
    """Entries of a folder that a `with` statement accepts, as the result of `os.scandir`."""

    def __enter__(self) -> Any:
        return iter(self)

    def __exit__(self, *_: Any) -> None:
        """Close nothing."""


def _is_own(name: str) -> bool:
    if not name.isdigit():
        return True
    try:
        with io.open(f"/proc/{name}/cmdline", "rb") as file:  # noqa: UP020 - `open` is replaced
            return os.fsencode(ROOT) in file.read()
    except OSError:
        return False


def _replace_spawning() -> None:
    _posixsubprocess: Any = importlib.import_module("_posixsubprocess")
    fork_exec = _posixsubprocess.fork_exec

    def replaced(words: Any, programs: Any, *more: Any) -> Any:
        closes, kept, folder, *rest = more
        words = [_word(word) for word in words]
        return fork_exec(words, [*map(mapped, programs)], closes, kept, mapped(folder), *rest)

    _posixsubprocess.fork_exec = replaced


def _replace_users() -> None:
    """Replace look-ups of users: all users of the machine have the id of this system's user."""
    import pwd  # noqa: PLC0415 - few programs need `pwd`

    def named(name: str) -> "pwd.struct_passwd":
        with io.open(f"{ROOT}/etc/passwd") as file:  # noqa: UP020 - `open` is replaced
            for line in file:
                fields = line.rstrip("\n").split(":")
                if fields[0] == name:
                    of_user = (fields[0], fields[1], int(fields[2]), int(fields[3]), *fields[4:])
                    return pwd.struct_passwd(of_user)
        message = f"getpwnam(): name not found: {name!r}"
        raise KeyError(message)

    vars(pwd)["getpwnam"] = named
    vars(os)["getgrouplist"] = lambda _name, group: [group]


def _end_with_machine() -> None:
    try:
        pipe = _open(f"{ROOT}/{ALIVE}", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    os.set_blocking(pipe, True)
    threading.Thread(target=_wait_for_end, args=(pipe,), daemon=True).start()


def _wait_for_end(pipe: int) -> None:
    """Kill this process when the machine ends, which closes the other end of the pipe."""
    os.read(pipe, 1)
    os.kill(os.getpid(), 9)


_open = os.open


def install() -> None:
    """Replace the functions of Python that reach files, processes and users."""
    plain_open, plain_realpath = io.open, posixpath.realpath

    def opened(file: Any, *arguments: Any, **options: Any) -> Any:
        return plain_open(mapped(file), *arguments, **options)

    for name in dict.fromkeys(_ONE_PATH):
        _moved(name)
    for name in ("scandir", "listdir"):
        setattr(os, name, _own_processes(getattr(os, name)))
    # Assign through `vars`: mypy would refuse functions of other types than the originals.
    vars(builtins)["open"] = vars(io)["open"] = opened
    vars(posixpath)["realpath"] = lambda path, **options: plain_realpath(mapped(path), **options)
    _replace_spawning()
    _replace_users()
    importlib.import_module("machine_network").install(ROOT)
    _end_with_machine()
