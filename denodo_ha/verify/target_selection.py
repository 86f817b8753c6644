"""Target selection: the part of an environment that `--through` names, and its address."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.cli.errors import AwsError, NotFound, UsageError
from denodo_ha.deployed import instances
from denodo_ha.deployed.environment_locator import (
    EnvironmentLocation,
    StackLocation,
    locate_configured,
)
from denodo_ha.deployed.stack import read_outputs
from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.findings import StepLog
from denodo_ha.verify.site import Site, resolve

_ATTEMPTS = 2
"""Project default: attempts of each AWS call; few attempts, so that a lost region does not delay
the command for long."""


@dataclass(frozen=True)
class Selection:
    """The clusters or the node to verify.

    Attributes:
        clusters: the clusters to which the name may resolve.
        node: the node to connect to directly; empty for a load balancer.
        by_failover: True to verify the failover name.
    """

    clusters: tuple[str, ...]
    node: str = ""
    by_failover: bool = False

    def __str__(self) -> str:
        """Return `failover`, `active` or `active/node1`."""
        if self.by_failover:
            return names.FAILOVER
        return f"{self.clusters[0]}/{self.node}" if self.node else " or ".join(self.clusters)


def select(environment: Environment, through: str | None, host: str | None) -> Selection:
    """Return the selection for `--through`; without it, the failover name, else the only cluster.

    Raises:
        UsageError: The environment has no such cluster, node or failover name.
    """
    clusters = tuple(sorted(environment.clusters))
    pair = tuple(name for name, _ in failover_plan.cluster_pair(environment))
    if through is None:
        if pair:
            return Selection(pair, by_failover=host is None)
        if len(clusters) == 1 or host is not None:
            return Selection(clusters)
        problem = "there is no failover name, and there are several clusters"
        raise UsageError(_instead(environment, problem))
    if through == names.FAILOVER:
        if not pair:
            raise UsageError(_instead(environment, "there is no failover name"))
        return Selection(pair, by_failover=True)
    cluster, slash, node = through.partition("/")
    if cluster not in clusters:
        hint = _near(cluster, clusters)
        raise UsageError(_instead(environment, f"there is no cluster {cluster!r}{hint}"))
    nodes = environment.clusters[cluster].nodes
    if slash and node not in nodes:
        hint = _near(node, nodes)
        raise UsageError(_instead(environment, f"{cluster} has no node {node!r}{hint}"))
    return Selection((cluster,), node)


def parse_balancers(environment: Environment, values: Sequence[str]) -> dict[str, str]:
    """Return the load balancers' names by cluster, from values of `--balancer CLUSTER=NAME`.

    Raises:
        UsageError: A value does not have this form, or the environment has no such cluster.
    """
    balancers = {}
    for value in values:
        cluster, _, name = value.partition("=")
        if cluster not in environment.clusters or not name:
            known = ", ".join(sorted(environment.clusters))
            message = (
                f"--balancer: {value!r} is not CLUSTER=NAME with the name of a cluster; the "
                f"clusters are {known}"
            )
            raise UsageError(message)
        balancers[cluster] = name
    return balancers


def locate(
    loaded: Loaded,
    selection: Selection,
    *,
    host: str | None,
    given: Mapping[str, str],
    deployed: "DeployedNames",
    log: StepLog,
) -> Site:
    """Return the DNS name or address of the selection, and the load balancers' names.

    Args:
        loaded: the configuration.
        selection: the clusters or the node to verify.
        host: a name or address to connect to instead of the selection's; AWS is then not called.
        given: load balancers' names by cluster; the command does not read these names from AWS.
        deployed: reads names from AWS.
        log: receives a note for each load balancer whose name could not be read.

    Raises:
        AwsError: A required name could not be read.
        UsageError: A cluster is in a different account from that of the credentials.
    """
    environment, balancers = loaded.environment, dict(given)
    failover = environment.failover
    endpoint = failover_plan.dns_name(failover) if failover is not None else ""
    target: str | None = host
    lacking = [cluster for cluster in selection.clusters if cluster not in balancers]
    if host is None and selection.by_failover:
        target = endpoint
        with log.step("balancers' names") as step:
            unknown = []
            with deadline.limited(deadline.LOOK_S):
                answers = map_concurrently(deployed.attempt_balancer, lacking)
            for cluster, answer in zip(lacking, answers, strict=True):
                if isinstance(answer, str):
                    balancers[cluster] = answer
                else:
                    # Not an error: the site can be verified without this load balancer's name.
                    unknown.append(f"{cluster}: {answer}")
            known = [f"{cluster} is {name}" for cluster, name in sorted(balancers.items())]
            step.seen = ", ".join(known)
            if unknown:
                step.note("balancers-unknown", "; ".join([*known, *unknown]))
    elif host is None:
        (cluster,) = selection.clusters
        with deadline.limited(deadline.LOOK_S):
            balancers |= {name: deployed.balancer(name) for name in lacking}
            target = (
                deployed.node(cluster, selection.node) if selection.node else balancers[cluster]
            )
    assert target is not None
    return Site(
        environment,
        target,
        selection.clusters,
        selection.node,
        endpoint,
        balancers,
        resolve,
    )


class DeployedNames:
    """Names and addresses of deployed load balancers and nodes; AWS is called only on demand.

    Attributes:
        loaded: the configuration.
        profile: name of the profile.
    """

    def __init__(self, loaded: Loaded, profile: str | None) -> None:
        self.loaded, self.profile = loaded, profile
        self._outputs: dict[str, dict[str, str]] = {}
        self._aws: Aws | None = None
        self._located: EnvironmentLocation | None = None
        # Several threads read clusters at the same time, but the stacks are located only once.
        self._locating = threading.Lock()

    def balancer(self, cluster: str) -> str:
        """Return a load balancer's name; for a node without a load balancer, its address.

        Raises:
            AwsError: AWS did not answer, or the cluster is not deployed.
        """
        outputs = self._outputs_of(cluster)
        name = outputs.get(names.BALANCER_DNS_NAME) or outputs.get(names.NODE_ADDRESS)
        if not name:
            message = f"the stack of {cluster} has no output {names.BALANCER_DNS_NAME}"
            raise NotFound(message)
        return name

    def attempt_balancer(self, cluster: str) -> str | AwsError | UsageError:
        """Return a load balancer's name, or the error if the name cannot be read."""
        try:
            return self.balancer(cluster)
        except (AwsError, UsageError) as error:
            return error

    def node(self, cluster: str, node: str) -> str:
        """Return a node's private address.

        Raises:
            AwsError: AWS did not answer, or the node has no running instance.
        """
        id_ = self._outputs_of(cluster).get(names.node_id_output(node), "")
        aws, location = self._locate(cluster)
        instance = instances.read_instances(aws, location.region, [id_]).get(id_)
        if instance is None or instance.state != "running":
            state = instance.state if instance else "gone"
            seen = f"{id_} is {state}" if id_ else "the stack has no instance of this node"
            message = f"{cluster}/{node} has no running instance ({seen})"
            raise NotFound(message)
        return instance.address

    def _locate(self, cluster: str) -> tuple[Aws, StackLocation]:
        with self._locating:
            self._aws = self._aws or Aws(profile=self.profile, attempts=_ATTEMPTS)
            self._located = self._located or locate_configured(self._aws, self.loaded)
        location = self._located.cluster(cluster)
        if location.unreachable:
            message = f"{location.stack}: {location.unreachable}, or give --balancer or --host"
            raise UsageError(message)
        return self._aws, location

    def _outputs_of(self, cluster: str) -> dict[str, str]:
        if cluster not in self._outputs:
            self._outputs[cluster] = read_outputs(*self._locate(cluster))
        return self._outputs[cluster]


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _instead(environment: Environment, problem: str) -> str:
    choices = [names.FAILOVER] if environment.failover else []
    for cluster, configured in sorted(environment.clusters.items()):
        choices += [cluster, *(f"{cluster}/{node}" for node in sorted(configured.nodes))]
    return f"--through: {problem}; write one of {', '.join(choices)}"
