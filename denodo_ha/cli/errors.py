"""Errors of commands, with the exit code of each.

CommandError
├── UsageError               2   options cannot be combined, or name something that does not exist
├── Refused                  3   the step would do harm; nothing was changed
├── Failed                   4   a step failed; the message says what was changed
│   └── PollTimeout              a condition did not hold in time (`denodo_ha.aws.polling`)
├── AwsError                 6   AWS did not answer, or denied a call
│   ├── NoCredentials            there are no credentials
│   ├── ExpiredCredentials       the credentials are not valid, or have expired
│   ├── AccessDenied             the credentials lack a permission
│   ├── Throttled                too many calls, and the retries were not enough
│   ├── Unreachable              the endpoint does not answer
│   │   └── UnreadableAnswer         an answer that is incomplete, or not from AWS
│   ├── NotFound                 the resource does not exist, or was deleted
│   └── RequestRejected          AWS does not accept the call
└── Interrupted            130   Ctrl-C or a signal; the message says what was changed

A configuration with errors is `denodo_ha.environment.loading.problem.ConfigError`, with exit code
2. Each message says what is wrong, where, and what to do. No error shows a traceback.
"""

# ruff: noqa: N818 - the names say what happened without the suffix Error

from typing import ClassVar

from denodo_ha.cli import exit_codes


class CommandError(Exception):
    """An error of a command, whose message says what to do.

    Attributes:
        exit: exit code of the command.
    """

    exit: ClassVar[int] = exit_codes.FAILED


class UsageError(CommandError):
    """Options cannot be combined, or name something that does not exist; nothing was changed."""

    exit = exit_codes.USAGE


class Refused(CommandError):
    """The step would do harm; nothing was changed."""

    exit = exit_codes.REFUSED


class Failed(CommandError):
    """A step failed; the message says what was changed and how to continue."""

    exit = exit_codes.FAILED


class Interrupted(CommandError):
    """Ctrl-C or a signal during a change; the message says what was changed."""

    exit = exit_codes.INTERRUPTED


class AwsError(CommandError):
    """AWS did not answer, or denied a call.

    Attributes:
        may_take_effect: True if an attempt of the call got no answer: AWS may have carried out the
            call, or may do so later, also if AWS has refused a later attempt.
    """

    exit = exit_codes.AWS
    may_take_effect: bool = False


class NoCredentials(AwsError):
    """There are no credentials."""


class ExpiredCredentials(AwsError):
    """The credentials are not valid, or have expired."""


class AccessDenied(AwsError):
    """The credentials lack a permission, which the message names."""


class Throttled(AwsError):
    """AWS throttles the calls, and the retries were not enough."""


class Unreachable(AwsError):
    """The endpoint does not answer."""

    may_take_effect = True


class UnreadableAnswer(Unreachable):
    """An answer is incomplete, is not from AWS, or lacks an expected key."""


class NotFound(AwsError):
    """The resource does not exist, or was deleted."""


class RequestRejected(AwsError):
    """AWS does not accept the call; the message has AWS's reason."""
