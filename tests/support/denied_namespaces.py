"""A Python interpreter that cannot create namespaces, for tests of systems such as containers.

A limit of the kernel, `max_user_namespaces`, is 0 for the interpreter.
"""

from pathlib import Path

_PROGRAM = """\
#!/bin/sh
exec unshare --user --map-root-user /bin/sh -c \
'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"' '{python}' "$@"
"""


def without_namespaces(python: Path, folder: Path) -> Path:
    """Write a program that starts Python without the right to create namespaces; return its path.

    The limit also holds for the interpreter's child processes (user_namespaces(7)).
    """
    program = folder / "python-without-namespaces"
    program.write_text(_PROGRAM.format(python=python))
    program.chmod(0o755)
    return program
