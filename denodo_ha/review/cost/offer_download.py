"""Download of AWS's price list files, which need no account and no keys.

A file has the address `/offers/v1.0/aws/SERVICE/current/REGION/index.json` of AWS's price list
server, without REGION if the prices are the same for all regions (AWS, AWS Billing User Guide,
"Getting price list files manually").
"""

import http.client
import time
from collections.abc import Callable
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from denodo_ha.cli.errors import Failed, NotFound, Unreachable, UsageError
from denodo_ha.environment.full_command import full_command
from denodo_ha.review.cost.offer_file import (
    GLOBAL_SERVICES,
    Offer,
    OfferFileError,
    Readable,
    read_offer,
)
from denodo_ha.review.cost.price_list import Source

PRICE_LIST: Final = "https://pricing.us-east-1.amazonaws.com"
"""AWS's price list server."""

_ANSWER_S: Final = 30.0
"""Project default: seconds within which the server must send the next part of a file."""
_FILE_S: Final = 1800.0
"""Project default: seconds for one file; EC2's has 0.4 GB."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Clock = Callable[[], float]


def checked_server(url: str) -> str:
    """Return the address of a price list server without a slash at its end.

    Raises:
        UsageError: The address is neither HTTPS nor an address of this machine.
    """
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or is_local):
        message = (
            f"--price-list {url} is not an address with https://; prices from a connection "
            f"without TLS can be forged. AWS's server is {PRICE_LIST}"
        )
        raise UsageError(message)
    return url.rstrip("/")


def offer_url(server: str, service: str, region: str) -> str:
    """Return the address of the price list file of a service in a region."""
    place = "" if service in GLOBAL_SERVICES else f"{region}/"
    return f"{server}/offers/v1.0/aws/{service}/current/{place}index.json"


def download_offer(url: str, clock: Clock = time.monotonic) -> Offer:
    """Return the prices of a price list file that a server has.

    Raises:
        Unreachable: The server does not answer, or not in time.
        NotFound: The server does not have the file.
        Failed: The file is damaged, incomplete, or of another kind.
    """
    opener = build_opener(_NoRedirect())
    try:
        with opener.open(url, timeout=_ANSWER_S) as answer:
            return read_offer(_Limited(answer, clock))
    except HTTPError as error:
        error.close()
        message = f"{url}: the server answers with status {error.code}: check the region's name"
        raise NotFound(message) from None
    except OfferFileError as error:
        message = f"{url}: {error}. The prices were not changed"
        raise Failed(message) from None
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        update = full_command("cost", "--update", "FILE")
        message = (
            f"{url}: no answer ({reason}). The prices were not changed; if this machine has no "
            f"access to the internet, download the file on another machine and run `{update}`"
        )
        raise Unreachable(message) from None


def offer_source(offer: Offer, url: str, region: str) -> Source:
    """Return the source of the prices of a price list file."""
    return Source(f"AWS Price List, {offer.service}, {region}", url, offer.published)


class _NoRedirect(HTTPRedirectHandler):
    """Handler that refuses redirects: AWS's server sends none, and a redirect could leave TLS."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return no request, so that the redirect becomes an error."""


class _Limited:
    """A stream whose reads raise an error after a deadline."""

    def __init__(self, stream: Readable, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._end = clock() + _FILE_S

    def read(self, size: int, /) -> bytes:
        """Return the next bytes.

        Raises:
            TimeoutError: The time for the file is over.
        """
        if self._clock() > self._end:
            message = f"the file did not arrive within {_FILE_S:g} s"
            raise TimeoutError(message)
        return self._stream.read(size)
