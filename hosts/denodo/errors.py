"""What can go wrong, each kind with its exit code.

NodeError
├── StateError         the parameter cannot be read, or says something impossible
├── ImageError         the image lacks something that the program needs
├── BusyError          another run is at work
├── RolledBackError    the change did not come up; the state before stands again
├── DownError          the change did not come up, and the state before neither
├── NotStoppedError    the servers do not stop; no file was changed
├── NotReadyError      the servers are not ready in time; no change was made
├── MetadataError      the servers run, and their metadata could not be imported
├── ExportError        the metadata could not be exported; the last export stands
├── SystemRefusedError the system refused something: a permission, a full disk
└── aws.NoAnswerError  AWS did not do what it was asked for
"""

from __future__ import annotations

OK = 0
WOULD_CHANGE = 10
"""Of `check`: an apply would change something."""


class NodeError(Exception):
    """An end with a reason for people.

    Attributes:
        code: the program's exit code.
    """

    code = 1


class StateError(NodeError):
    """The parameter cannot be read, or says something impossible."""

    code = 3


class ImageError(NodeError):
    """The image lacks something that the program needs."""

    code = 4


class BusyError(NodeError):
    """Another run is at work."""

    code = 5


class RolledBackError(NodeError):
    """The change did not come up; the state before stands again."""

    code = 6


class DownError(NodeError):
    """The change did not come up, and the state before neither."""

    code = 7


class NotStoppedError(NodeError):
    """The servers do not stop; no file was changed."""

    code = 8


class NotReadyError(NodeError):
    """The servers are not ready in time; no change was made."""

    code = 9


class MetadataError(NodeError):
    """The servers run, and their metadata could not be imported."""

    code = 11


class ExportError(NodeError):
    """The metadata could not be exported; the last export stands."""

    code = 13


class SystemRefusedError(NodeError):
    """The system refused something: a permission, a full disk."""

    code = 12
