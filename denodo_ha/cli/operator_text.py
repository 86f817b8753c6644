"""The operator's name, and texts of an operator as tags and documents accept them."""

import getpass
import re
import socket

_REFUSED = re.compile(r"[^A-Za-z0-9 .,:;@/_+=-]")
"""Characters that the nodes' SSM document refuses in who and why, as a shell might read them."""
_LONGEST = 150


def operator_name() -> str:
    """Return who runs this command, as user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def accepted_text(text: str) -> str:
    """Return a text on one line, cut to 150 characters, with refused characters replaced by -."""
    return _REFUSED.sub("-", " ".join(text.split()))[:_LONGEST]


def accepted_name(name: str) -> str:
    """Return a name with refused characters and spaces replaced by -."""
    return _REFUSED.sub("-", name).replace(" ", "-")
