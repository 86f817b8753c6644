"""Errors of the HAProxy program, with the exit codes of `denodo_ha.cli.exit_codes`.

HaproxyError
├── UsageError  2  the arguments name something that does not exist; nothing was changed
├── Refused     3  the command would do harm; nothing was changed
└── Failed      4  the command did not succeed; the message describes the current state
    └── NoAnswer  HAProxy does not answer, or denies access to this user
"""

# ruff: noqa: N818 - the names are those of `denodo_ha.cli.errors`

from __future__ import annotations

from hosts.common.errors import HostError

DONE = 0
NO = 1
DOWN = 5
INTERRUPTED = 130


class HaproxyError(HostError):
    """An expected failure; its message is for the operator.

    Attributes:
        code: the exit code of the program.
    """

    code = 4


class UsageError(HaproxyError):
    """The arguments name something that does not exist; nothing was changed."""

    code = 2


class Refused(HaproxyError):
    """The command would do harm; nothing was changed."""

    code = 3


class Failed(HaproxyError):
    """The command did not succeed; the message describes the current state."""

    code = 4


class NoAnswer(Failed):
    """HAProxy does not answer, or denies access to this user."""
