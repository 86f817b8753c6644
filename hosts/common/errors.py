"""Errors that end a host program, each with an exit code.

HostError
├── AwsError            a call of the AWS CLI failed
├── AwsCliMissingError  the AWS CLI cannot be run
├── UnverifiedError     a program or file from the bucket cannot be verified
└── the errors of each program, in its own module `errors`
"""

from __future__ import annotations

CRASH = 70
"""Exit code after an unhandled exception (EX_SOFTWARE of sysexits.h). Exit code 1, Python's
default, has another meaning for these programs."""


class HostError(Exception):
    """An expected failure; its message is for the operator.

    Attributes:
        code: the exit code of the program.
    """

    code = 1


class AwsError(HostError):
    """A call of the AWS CLI failed."""


class AwsCliMissingError(HostError):
    """The AWS CLI cannot be run."""

    code = 4


class UnverifiedError(HostError):
    """A program or file from the deployment bucket cannot be verified, and was not used.

    For example, the content does not match the SHA-256 in the name of the object.
    """

    code = 12
