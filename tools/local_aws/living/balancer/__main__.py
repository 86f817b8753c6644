"""The process of all load balancers of a local AWS.

    python -m tools.local_aws.living.balancer http://127.0.0.1:4566

The process applies each version of the server's forwarding table, and reports counts of flows to
the server.
"""

import asyncio
import http.client
import json
import logging
import resource
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

from tools.local_aws.living import parent
from tools.local_aws.living.balancer import configuration
from tools.local_aws.living.balancer.forwarder import Forwarder

_TIMEOUT_S = 60.0
"""Project default: time-out of calls to the server; longer than the server waits for a change of
the table."""
_RETRY_S = 0.5
_REPORT_AWS_S = 5.0
"""Project default: AWS seconds between reports of counts, so that each period of a metric has
several reports."""
_log = logging.getLogger("balancers")
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _call(endpoint: str, path: str, body: Any = None) -> dict[str, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - the endpoint begins with http://127.0.0.1
        f"{endpoint}/_local/{path}", data=content, method="GET" if body is None else "POST"
    )
    with _opener.open(request, timeout=_TIMEOUT_S) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


async def _follow(endpoint: str, forwarder: Forwarder) -> None:
    """Apply each new version of the forwarding table.

    The request for the next version also reports to the server which version is applied.
    """
    version = ""
    while True:
        try:
            document = await asyncio.to_thread(_call, endpoint, f"forwarding?after={version}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            _log.warning("the server of the local AWS does not answer: %s", error)
            await asyncio.sleep(_RETRY_S)
            continue
        if document["version"] != version:
            version = document["version"]
            await forwarder.apply(configuration.read(document))


async def _report(endpoint: str, forwarder: Forwarder) -> None:
    while True:
        await forwarder.counts.changed.wait()
        await asyncio.sleep(_REPORT_AWS_S / forwarder.table.pace)
        report = forwarder.counts.take(forwarder.flows)
        try:
            await asyncio.to_thread(_call, endpoint, "flows", report)
        except (OSError, http.client.HTTPException, ValueError) as error:
            _log.warning(
                "counts of flows could not be sent to the local AWS, and are lost: %s", error
            )


def _allow_many_connections() -> None:
    """Raise the limit of open files: each flow has two connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS refuses an unlimited number.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _main(endpoint: str) -> None:
    forwarder = Forwarder()
    await asyncio.gather(_follow(endpoint, forwarder), _report(endpoint, forwarder))


if __name__ == "__main__":
    parent.end_with_parent()
    _allow_many_connections()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    asyncio.run(_main(sys.argv[1]))
