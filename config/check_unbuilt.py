"""What the configuration describes and this version does not deploy yet.

Each is an error and not a warning: a deploy that leaves out what a file asks for is worse
than none.
"""

from collections.abc import Iterator

from config.cluster import Cluster
from config.model import Environment
from config.problem import Path, Problem


def unbuilt(environment: Environment) -> Iterator[Problem]:
    """Values of the design that no stack exists for yet."""
    for name, cluster in environment.clusters.items():
        yield from _of_cluster(("clusters", name), cluster)


def _of_cluster(path: Path, cluster: Cluster) -> Iterator[Problem]:
    if cluster.balancer.kind == "haproxy":
        yield _not_yet((*path, "balancer", "kind"), cluster.balancer.kind, "write kind: nlb")


def _not_yet(path: Path, value: str, instead: str) -> Problem:
    return Problem(
        path,
        "is not deployed by this version",
        "no stack exists for it yet",
        instead,
        value=value,
    )


RULES = (unbuilt,)
