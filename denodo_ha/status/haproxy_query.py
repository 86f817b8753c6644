"""Query of HAProxy instances through Systems Manager."""

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
from denodo_ha.deployed.rotation.haproxy_fleet import failure_reason
from denodo_ha.environment.haproxy.routes import AUXILIARY, SCHEDULER_SUFFIX
from denodo_ha.environment.loading.bounded_document import parse_json_answer
from denodo_ha.status.model import Proxy, Server
from denodo_ha.status.node_query import PATIENCE_S


@dataclass(frozen=True)
class HaproxyAnswer:
    """The HAProxy instances of a cluster.

    Attributes:
        proxies: the running HAProxy instances, each with its answer.
        problem: why the cluster has no running HAProxy instance; empty if it has one.
        unasked: why the instances are not known; empty if they are known.
    """

    proxies: tuple[Proxy, ...] = ()
    problem: str = ""
    unasked: str = ""


Answers = Mapping[str, HaproxyAnswer]
"""Answers by cluster, without clusters that were not queried."""

NO_INSTANCES: Final = HaproxyAnswer()


def query_haproxy(aws: Aws, clusters: Sequence[Cluster], *, clock: Clock) -> Answers:
    """Query all HAProxy instances of the given clusters, in parallel.

    Each instance gets its own command, so that an unreachable instance does not affect the answers
    of the other instances.

    Args:
        aws: the credentials.
        clusters: the clusters.
        clock: the clock.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    answers: dict[str, HaproxyAnswer] = {}
    pairs: list[tuple[HaproxyInstances, str]] = []
    for cluster in clusters:
        if has_haproxy(cluster):
            instances = HaproxyInstances(aws, cluster, clock)
            try:
                pairs += [(instances, id_) for id_ in instances.ids()]
            except (NoCredentials, ExpiredCredentials):
                raise
            except Failed as error:
                answers[cluster.name] = HaproxyAnswer(problem=str(error))
            except AwsError as error:
                answers[cluster.name] = HaproxyAnswer(unasked=str(error))
    proxies = map_concurrently(lambda pair: _query(*pair), pairs)
    for (instances, _), proxy in zip(pairs, proxies, strict=True):
        name = instances.cluster.name
        others = answers.get(name, NO_INSTANCES).proxies
        answers[name] = HaproxyAnswer((*others, proxy))
    return answers


def _query(instances: HaproxyInstances, id_: str) -> Proxy:
    try:
        result = instances.run([id_], "status", patience=PATIENCE_S)[id_]
    except (NoCredentials, ExpiredCredentials):
        raise
    except (Failed, AwsError) as error:
        return Proxy(id_, unasked=str(error))
    return parse_answer(id_, result)


def parse_answer(id_: str, result: CommandResult) -> Proxy:
    """Return an HAProxy instance from the status that it reports (`hosts.haproxy.inspection`)."""
    if result.code == -1:
        return Proxy(id_, unasked=failure_reason(result))
    if result.code not in {exit_codes.DONE, exit_codes.NO, exit_codes.DOWN}:
        return Proxy(id_, problem=failure_reason(result))
    try:
        status = parse_json_answer(result.output)
        return Proxy(
            id_,
            servers=tuple(_server(server) for server in status["servers"]),
            old_workers=len(status["workers"]["old"]),
            failed_reloads=int(status["workers"]["failed"]),
        )
    except (ValueError, KeyError, TypeError):
        # Systems Manager returns only the first 24,000 characters, so a long status is incomplete.
        length = len(result.output)
        return Proxy(id_, unasked=f"the reported status cannot be read ({length} characters)")


def _server(status: Mapping[str, Any]) -> Server:
    backend = str(status["backend"])
    auxiliary = backend.startswith(AUXILIARY)
    name, separator, _ = backend.removeprefix(AUXILIARY).partition(SCHEDULER_SUFFIX)
    scheduler = " (scheduler)" if auxiliary and separator else ""
    return Server(
        node=str(status["node"]),
        service=f"{name}{scheduler}" if auxiliary else backend,
        kind="auxiliary" if auxiliary else "service",
        state=str(status["state"]),
        usable=bool(status["usable"]),
        sessions=int(status["sessions"]),
        check=str(status["check"]),
    )
