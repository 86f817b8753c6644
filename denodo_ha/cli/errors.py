"""Why a command could not do its work, in words for the person who ran it.

CommandError
├── UsageError        2    options that do not fit together, or name nothing
├── Refused           3    it would do harm; nothing was changed
├── Failed            4    it did not come out; the message says what stands
│   └── PollTimeout        the condition did not hold in time (`denodo_ha.aws.polling`)
├── AwsError          6    AWS does not answer, or does not permit
│   ├── NoCredentials      none were found
│   ├── ExpiredCredentials         they were valid once, or never
│   ├── AccessDenied       the policy lacks the action
│   ├── Throttled          too many calls, and the retries were not enough
│   ├── Unreachable        the endpoint does not answer
│   ├── NotFound           what was asked for is not there, or not any more
│   └── RequestRejected     AWS does not accept the call
└── Interrupted     130    Ctrl-C or a signal; the message says what stands

A configuration that cannot be used is `config.problem.ConfigError`, with exit code 2.
Each message says what is wrong, where, and what to do. None of them shows a traceback.
"""

# ruff: noqa: N818 - the names say what happened

from typing import ClassVar

from denodo_ha.cli import exit_codes


class CommandError(Exception):
    """What went wrong and what to do about it.

    Attributes:
        exit: exit code of the command.
    """

    exit: ClassVar[int] = exit_codes.FAILED


class UsageError(CommandError):
    """Options that do not fit together, or name what does not exist; nothing was changed."""

    exit = exit_codes.USAGE


class Refused(CommandError):
    """What was asked for would do harm; nothing was changed."""

    exit = exit_codes.REFUSED


class Failed(CommandError):
    """It did not come out; the message says what stands and how to go on."""

    exit = exit_codes.FAILED


class Interrupted(CommandError):
    """Ctrl-C or a signal came while something was being changed; the message says what stands."""

    exit = exit_codes.INTERRUPTED


class AwsError(CommandError):
    """AWS does not answer, or does not permit."""

    exit = exit_codes.AWS


class NoCredentials(AwsError):
    """No credentials were found."""


class ExpiredCredentials(AwsError):
    """The credentials are no longer valid, or never were."""


class AccessDenied(AwsError):
    """The credentials lack a permission, which the message names."""


class Throttled(AwsError):
    """AWS had too many calls, and the retries were not enough."""


class Unreachable(AwsError):
    """The endpoint does not answer."""


class NotFound(AwsError):
    """What was asked for does not exist, or not any more."""


class RequestRejected(AwsError):
    """AWS does not accept the call, for its own reason."""
