"""What can go wrong, each kind with the exit code that `denodo_ha.cli.exit_codes` has for it.

HaproxyError
├── UsageError  2  the arguments name nothing that exists; nothing was changed
├── Refused   3  it would do harm; nothing was changed
└── Failed    4  it did not come out; the message says what stands
    └── NoAnswer  HAProxy is not there, or does not let this user in
"""

# ruff: noqa: N818 - the names say what happened

from __future__ import annotations

DONE = 0
NO = 1
DOWN = 5
INTERRUPTED = 130


class HaproxyError(Exception):
    """An end with a reason for people.

    Attributes:
        code: the program's exit code.
    """

    code = 4


class UsageError(HaproxyError):
    """The arguments name nothing that exists; nothing was changed."""

    code = 2


class Refused(HaproxyError):
    """It would do harm; nothing was changed."""

    code = 3


class Failed(HaproxyError):
    """It did not come out; the message says what stands."""

    code = 4


class NoAnswer(Failed):
    """HAProxy is not there, or does not let this user in."""
