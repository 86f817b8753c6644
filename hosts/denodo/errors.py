"""Errors of the node program, each with its exit code (table in docs/reference/node.md).

HostError (`hosts.common.errors`), code 1
├── AwsCliMissingError the AWS CLI cannot be run
├── StateError         the desired state cannot be read, or is contradictory
│   └── UnavailableError  AWS does not answer, or denies, a call for the state or a secret
├── ImageError         the image lacks something that the program needs
├── BusyError          another run changes the node
├── RolledBackError    the change failed, and the previous state is active again
├── DownError          the change failed, and so did the return to the previous state
├── NotStoppedError    the servers do not stop; no file was changed
├── NotReadyError      the servers are not ready in time; no change was made
├── MetadataError      the servers run, but their metadata could not be imported
├── SystemRefusedError the operating system refused an operation: permissions, a full disk
├── ExportError        the metadata could not be exported; the previous export remains
└── LicenseManagerError  the License Manager does not answer; no change was made
"""

from __future__ import annotations

from hosts.common.errors import HostError

OK = 0
WOULD_CHANGE = 10
"""Exit code of `check` if an apply would change something."""


class StateError(HostError):
    """The desired state cannot be read, or is contradictory."""

    code = 3


class UnavailableError(StateError):
    """AWS does not answer or denies a call for the state or a secret; a later call may succeed."""


class ImageError(HostError):
    """The image lacks something that the program needs."""

    code = 4


class BusyError(HostError):
    """Another run changes the node."""

    code = 5


class RolledBackError(HostError):
    """A change of the node failed, and the node's previous state is active again."""

    code = 6


class DownError(HostError):
    """A change of the node failed, and the return to the previous state failed too."""

    code = 7


class NotStoppedError(HostError):
    """The servers do not stop; no file was changed."""

    code = 8


class NotReadyError(HostError):
    """The servers are not ready in time; no change was made."""

    code = 9


class MetadataError(HostError):
    """The servers run, but their metadata could not be imported."""

    code = 11


class SystemRefusedError(HostError):
    """The operating system refused an operation, for example because the disk is full."""

    code = 12


class ExportError(HostError):
    """The metadata could not be exported; the previous export remains."""

    code = 13


class LicenseManagerError(HostError):
    """The License Manager does not answer; no change was made."""

    code = 14
