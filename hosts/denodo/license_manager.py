"""License Manager: check whether it answers requests of this node.

Running servers continue without the License Manager for days, but a server that was stopped cannot
start (Denodo, License Management, "Failure of a License Manager"). So commands check the License
Manager before they stop a server.
"""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.configuration import settings
from hosts.denodo.errors import OK, LicenseManagerError

if TYPE_CHECKING:
    from hosts.denodo.state import LicenseManager, State

PATH = "/pingLicenseManager"
"""Path of a health check that needs no login (Denodo Solution Manager, "Checking the status of the
servers")."""
SECONDS = 5
"""Time limit in seconds to open a connection, and the same again to receive the answer."""
_SERVER_ERROR = 500


def of(state: State) -> LicenseManager | None:
    """Return the License Manager of a state; None if a local licence file replaces it."""
    if (state.home / settings.STANDALONE_LICENSE).exists():
        return None
    return state.license_manager


def failure(manager: LicenseManager) -> str:
    """Return why a License Manager does not answer; empty if it answers.

    Every status below 500 counts as an answer, because versions without this path answer 404.
    """
    connection = (
        # Do not verify the certificate: Denodo's servers verify it, with their own trusted
        # certificates.
        http.client.HTTPSConnection(
            manager.host, manager.port, timeout=SECONDS, context=_unverified()
        )
        if manager.tls
        else http.client.HTTPConnection(manager.host, manager.port, timeout=SECONDS)
    )
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return f"GET {PATH} returns status {status}" if status >= _SERVER_ERROR else ""


def report(state: State) -> int:
    """Report whether the License Manager of a state answers; return the exit code.

    Raises:
        LicenseManagerError: The License Manager does not answer.
    """
    manager = of(state)
    if manager is None:
        log.info("the servers of this node do not use a License Manager")
        return OK
    where = f"the License Manager {manager.host}:{manager.port}"
    if reason := failure(manager):
        message = f"{where} does not answer: {reason}"
        raise LicenseManagerError(message)
    log.info(f"{where} answers")
    return OK


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
