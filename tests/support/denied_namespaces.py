"""Python for tests of systems that deny namespaces, as containers do, by a limit of the kernel."""

from pathlib import Path

_PROGRAM = """\
#!/bin/sh
exec unshare --user --map-root-user /bin/sh -c \
'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"' '{python}' "$@"
"""


def without_namespaces(python: Path, folder: Path) -> Path:
    """Return a Python whose process and children cannot create a namespace (user_namespaces(7))."""
    program = folder / "python-without-namespaces"
    program.write_text(_PROGRAM.format(python=python))
    program.chmod(0o755)
    return program
