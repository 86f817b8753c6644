"""`make -s local-resolve NAME=…`: print the addresses of a name, for programs that take addresses.

libc and Java ask DNS servers on port 53 only, and the DNS server of the local AWS has another port.
`psql` takes addresses as `hostaddr`, and `curl` as `--resolve`:

psql "hostaddr=$(make -s local-resolve NAME=denodo.example.com) port=9996"
curl --resolve denodo.example.com:9090:$(make -s local-resolve NAME=denodo.example.com) …
"""

from collections.abc import Iterator
from typing import Any

from denodo_ha.environment.full_command import make_command
from tools.local_aws import control, server_process
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import Paths

OUTSIDE = "outside"
_PLAIN_PORT = 53


def resolve(name: str, paths: Paths) -> dict[str, Any]:
    """Return the local AWS's answer for a name: `addresses`, `names`, `ttl` and `endpoints`.

    Raises:
        LocalAwsError: the name has no address, or the local AWS is not running.
    """
    if not name.strip("."):
        message = "NAME is missing: write `make -s local-resolve NAME=denodo.example.com`"
        raise LocalAwsError(message)
    server = server_process.running(paths)
    if server is None:
        message = f"the local AWS is not running: start it with `{make_command('local')}`"
        raise LocalAwsError(message)
    answer = control.call(server.endpoint, f"names/{name}")
    if not answer["addresses"]:
        message = (
            f"{name} has no address: the DNS server of the local AWS answers {answer['code']}"
            f"{' after the names ' + ', '.join(answer['names']) if answer['names'] else ''}. The "
            "server only knows names of the hosted zones and load balancers that are deployed to "
            "this local AWS"
        )
        raise LocalAwsError(message)
    return answer


def usage(name: str, answer: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each port of a name that has another port number on this machine."""
    for port, endpoints in answer["endpoints"].items():
        shifted = {actual for _, actual in endpoints if actual != int(port)}
        if shifted:
            there = ", ".join(f"{address}:{actual}" for address, actual in endpoints)
            yield f"for port {port} of {name}, connect to {there} on this machine"


def servers(endpoint: str) -> Iterator[str]:
    """Yield a line for each view of the DNS server, with a command that asks the server."""
    for view, (address, port) in control.call(endpoint, "names").items():
        option = "" if port == _PLAIN_PORT else f" -p {port}"
        where = "clients outside of VPCs" if view == OUTSIDE else f"clients in {view}"
        yield f"dig{option} @{address} NAME   # {where}"
