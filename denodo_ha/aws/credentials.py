"""Credentials of the AWS clients, got within a limited time.

A profile may get its credentials from STS in a region that does not answer, or from a program that
does not end; botocore waits for both for minutes. The time in which the first credentials are got
does not count for the deadlines of AWS calls, because nothing can be read without credentials, and
because a person may have to type an MFA code.
"""

import getpass
import os
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

from denodo_ha.aws import deadline
from denodo_ha.aws.concurrency import call_in_time
from denodo_ha.cli.errors import ExpiredCredentials

Result = TypeVar("Result")

SOURCE_S: Final = 15.0
"""Project default: seconds in which the source of the credentials must answer."""
_CALL_S: Final = 5
"""Project default: seconds to connect to, and to read from, a service that issues credentials."""


class BoundCredentials:
    """Wraps credentials of botocore: limits the time in which they are renewed.

    Args:
        credentials: the credentials that botocore has found.
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def get_frozen_credentials(self) -> Any:
        """Return access key id, secret access key and session token, which sign a call.

        Raises:
            ExpiredCredentials: The source of the credentials does not answer in time.
        """
        return _in_time(self._credentials.get_frozen_credentials)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._credentials, name)


def sign_in(session: Any) -> None:
    """Get the credentials of a session, and limit the time in which they are renewed.

    Without credentials, the first call raises botocore's error.

    Args:
        session: the session of botocore.

    Raises:
        ExpiredCredentials: The source of the credentials does not answer in time.
        BotoCoreError: The source refuses to issue credentials.
    """
    from botocore.config import Config  # noqa: PLC0415 - imported only by commands that call AWS

    # These settings apply to the calls that botocore itself makes to get credentials.
    retries = {"mode": "standard", "total_max_attempts": 2}
    session.set_default_client_config(
        Config(connect_timeout=_CALL_S, read_timeout=_CALL_S, retries=retries)
    )
    with deadline.paused():
        if _asks_for_code(session):
            # The prompt has no time limit: a person types the code, also when the credentials are
            # renewed.
            provider = session.get_component("credential_provider").get_provider("assume-role")
            provider._prompter = _prompt  # noqa: SLF001 - there is no public setter
            credentials = session.get_credentials()
        else:
            credentials = _in_time(session.get_credentials)
            if credentials is not None:
                credentials = BoundCredentials(credentials)
                session._credentials = credentials  # noqa: SLF001 - there is no public setter
        if credentials is not None:
            credentials.get_frozen_credentials()


def _asks_for_code(session: Any) -> bool:
    """Return whether the profile, or its `source_profile`, asks for an MFA code."""
    profiles = session.full_config.get("profiles", {})
    name, seen = session.get_config_variable("profile") or "default", set[str]()
    while name in profiles and name not in seen:
        seen.add(name)
        if "mfa_serial" in profiles[name]:
            return True
        name = profiles[name].get("source_profile", "")
    return False


def _prompt(text: str) -> str:
    """Ask for an MFA code on the terminal.

    Raises:
        EOFError: There is no terminal.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        if sys.stdin is None or not sys.stdin.isatty():
            raise EOFError from None
    # botocore also prompts for a code when it renews credentials during a call: typing must not use
    # up the deadline.
    with deadline.paused():
        return getpass.getpass(text)


def _in_time(function: Callable[[], Result]) -> Result:
    try:
        return call_in_time(function, SOURCE_S)
    except TimeoutError:
        message = (
            f"the source of the AWS credentials did not answer within {SOURCE_S:.0f} s; the source "
            "is, for example, STS in the profile's region, or the program that the profile names; "
            "name another region with AWS_REGION, or another profile with --profile"
        )
        raise ExpiredCredentials(message) from None
