"""Asking HAProxies how they find their nodes, through Systems Manager."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops import exits
from ops.agent import Ended
from ops.aws import Aws
from ops.clock import Clock
from ops.errors import AwsError, Expired, Failed, NoCredentials
from ops.found import Cluster
from ops.haproxies import why
from ops.haproxy.servers import AUXILIARY
from ops.proxies import Proxies, has_proxies
from ops.status_ask import PATIENCE_S
from ops.status_model import Proxy, Server
from ops.together import together


@dataclass(frozen=True)
class Fleet:
    """The HAProxies of a cluster.

    Attributes:
        proxies: each of those that run.
        problem: why there is none.
        unasked: why it is not known which there are.
    """

    proxies: tuple[Proxy, ...] = ()
    problem: str = ""
    unasked: str = ""


Answers = Mapping[str, Fleet]
"""What HAProxies say, by cluster; nothing of a cluster that was not asked."""

NOBODY: Final = Fleet()


def ask(aws: Aws, clusters: Sequence[Cluster], *, clock: Clock) -> Answers:
    """Ask every HAProxy of clusters that have some, several at once.

    Each is asked by a command of its own: one that cannot be reached hides no other.

    Args:
        aws: the credentials.
        clusters: the clusters.
        clock: the time.

    Raises:
        NoCredentials: there are none.
        Expired: they are no longer valid.
    """
    fleets: dict[str, Fleet] = {}
    pairs: list[tuple[Proxies, str]] = []
    for cluster in clusters:
        if has_proxies(cluster):
            proxies = Proxies(aws, cluster, clock)
            try:
                pairs += [(proxies, id_) for id_ in proxies.ids()]
            except (NoCredentials, Expired):
                raise
            except Failed as error:
                fleets[cluster.name] = Fleet(problem=str(error))
            except AwsError as error:
                fleets[cluster.name] = Fleet(unasked=str(error))
    answers = together(lambda pair: _ask(*pair), pairs)
    for (proxies, _), one in zip(pairs, answers, strict=True):
        name = proxies.cluster.name
        fleets[name] = Fleet((*fleets.get(name, NOBODY).proxies, one))
    return fleets


def _ask(proxies: Proxies, id_: str) -> Proxy:
    try:
        ended = proxies.run([id_], "status", patience=PATIENCE_S)[id_]
    except (NoCredentials, Expired):
        raise
    except (Failed, AwsError) as error:
        return Proxy(id_, unasked=str(error))
    return of(id_, ended)


def of(id_: str, ended: Ended) -> Proxy:
    """What a HAProxy said of itself (`ops.haproxy.looking`)."""
    if ended.code == -1:
        return Proxy(id_, unasked=why(ended))
    if ended.code not in {exits.DONE, exits.NO, exits.DOWN}:
        return Proxy(id_, problem=why(ended))
    try:
        said = json.loads(ended.output)
        return Proxy(
            id_,
            servers=tuple(_server(one) for one in said["servers"]),
            old_workers=len(said["workers"]["old"]),
            failed_reloads=int(said["workers"]["failed"]),
        )
    except (ValueError, KeyError, TypeError):
        # Systems Manager gives the first 24,000 characters.
        return Proxy(id_, unasked=f"its answer cannot be read ({len(ended.output)} characters)")


def _server(said: Mapping[str, Any]) -> Server:
    backend = str(said["backend"])
    return Server(
        node=str(said["node"]),
        service=backend.removeprefix(AUXILIARY),
        kind="auxiliary" if backend.startswith(AUXILIARY) else "service",
        state=str(said["state"]),
        usable=bool(said["usable"]),
        sessions=int(said["sessions"]),
        check=str(said["check"]),
    )
