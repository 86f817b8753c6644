"""A system that denies namespaces, as containers do: the kernel's own limit of user namespaces."""

from pathlib import Path

_PROGRAM = """\
#!/bin/sh
exec unshare --user --map-root-user /bin/sh -c \
'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"' '{python}' "$@"
"""


def without_namespaces(python: Path, folder: Path) -> Path:
    """Return a Python below which no process can create a namespace (user_namespaces(7))."""
    program = folder / "python-without-namespaces"
    program.write_text(_PROGRAM.format(python=python))
    program.chmod(0o755)
    return program
