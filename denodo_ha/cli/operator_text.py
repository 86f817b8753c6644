"""Operator's name and reason, reduced to the characters that tags and SSM documents accept."""

import getpass
import re
import socket

_REFUSED = re.compile(r"[^A-Za-z0-9 .,:;@/_+=-]")
"""Characters that the SSM document rejects in parameters, because a shell might interpret them."""
_LONGEST = 150


def operator_name() -> str:
    """Return the user and host that run this command, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def accepted_text(text: str) -> str:
    """Return a text as a line of at most 150 characters; "-" replaces what SSM documents reject."""
    return _REFUSED.sub("-", " ".join(text.split()))[:_LONGEST]


def accepted_name(name: str) -> str:
    """Return a name with "-" in place of spaces and of characters that SSM documents reject."""
    return _REFUSED.sub("-", name).replace(" ", "-")
