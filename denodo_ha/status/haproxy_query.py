"""Asking HAProxies how they find their nodes, through Systems Manager."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.polling import Clock
from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, Failed, NoCredentials
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.haproxy_instances import HaproxyInstances, has_haproxy
from denodo_ha.deployed.rotation.haproxy_fleet import why
from denodo_ha.status.model import Proxy, Server
from denodo_ha.status.node_query import PATIENCE_S
from hosts.haproxy.servers import AUXILIARY


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
    pairs: list[tuple[HaproxyInstances, str]] = []
    for cluster in clusters:
        if has_haproxy(cluster):
            proxies = HaproxyInstances(aws, cluster, clock)
            try:
                pairs += [(proxies, id_) for id_ in proxies.ids()]
            except (NoCredentials, ExpiredCredentials):
                raise
            except Failed as error:
                fleets[cluster.name] = Fleet(problem=str(error))
            except AwsError as error:
                fleets[cluster.name] = Fleet(unasked=str(error))
    answers = map_concurrently(lambda pair: _ask(*pair), pairs)
    for (proxies, _), one in zip(pairs, answers, strict=True):
        name = proxies.cluster.name
        fleets[name] = Fleet((*fleets.get(name, NOBODY).proxies, one))
    return fleets


def _ask(proxies: HaproxyInstances, id_: str) -> Proxy:
    try:
        ended = proxies.run([id_], "status", patience=PATIENCE_S)[id_]
    except (NoCredentials, ExpiredCredentials):
        raise
    except (Failed, AwsError) as error:
        return Proxy(id_, unasked=str(error))
    return of(id_, ended)


def of(id_: str, ended: CommandResult) -> Proxy:
    """What a HAProxy said of itself (`hosts.haproxy.inspection`)."""
    if ended.code == -1:
        return Proxy(id_, unasked=why(ended))
    if ended.code not in {exit_codes.DONE, exit_codes.NO, exit_codes.DOWN}:
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
