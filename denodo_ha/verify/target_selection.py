"""Which part of an environment `--through` means, and where that is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, NotFound, UsageError
from denodo_ha.deployed import environment_locator, instances
from denodo_ha.environment import names
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.findings import StepLog
from denodo_ha.verify.site import Site, resolve

_ATTEMPTS = 2
"""Ours: the site is what is asked for, and AWS only for names; a lost region must not keep us."""


@dataclass(frozen=True)
class Goal:
    """What is verified.

    Attributes:
        clusters: the clusters that may answer.
        node: the node that is asked directly; empty for a balancer.
        by_failover: whether the failover name is what is asked.
    """

    clusters: tuple[str, ...]
    node: str = ""
    by_failover: bool = False

    def __str__(self) -> str:
        """`failover`, `active` or `active/node1`."""
        if self.by_failover:
            return names.FAILOVER
        return f"{self.clusters[0]}/{self.node}" if self.node else " or ".join(self.clusters)


def read(environment: Environment, through: str | None, host: str | None) -> Goal:
    """What `--through` means; default: the failover name, else the only cluster.

    Raises:
        UsageError: it means nothing here.
    """
    clusters = tuple(sorted(environment.clusters))
    pair = tuple(name for name, _ in failover_plan.cluster_pair(environment))
    if through is None:
        if pair:
            return Goal(pair, by_failover=host is None)
        if len(clusters) == 1 or host is not None:
            return Goal(clusters)
        raise UsageError(_instead(environment, "which one? There is no failover name"))
    if through == names.FAILOVER:
        if not pair:
            raise UsageError(_instead(environment, "there is no failover name"))
        return Goal(pair, by_failover=True)
    cluster, slash, node = through.partition("/")
    if cluster not in clusters:
        guess = _near(cluster, clusters)
        raise UsageError(_instead(environment, f"there is no cluster {cluster!r}{guess}"))
    nodes = environment.clusters[cluster].nodes
    if slash and node not in nodes:
        guess = _near(node, nodes)
        raise UsageError(_instead(environment, f"{cluster} has no node {node!r}{guess}"))
    return Goal((cluster,), node)


def locate(
    loaded: Loaded,
    goal: Goal,
    *,
    host: str | None,
    given: Mapping[str, str],
    aws: "Asked",
    log: StepLog,
) -> Site:
    """The goal's name or address and the balancers' names, as given, or else from AWS.

    Args:
        loaded: the configuration.
        goal: what is verified.
        host: a name or address to ask instead; AWS is then asked nothing.
        given: balancers' names by cluster.
        aws: asks AWS.
        log: gets a note where AWS does not say what would be good to know.

    Raises:
        AwsError: AWS does not say what must be known.
        UsageError: a cluster's account is another than that of the credentials.
    """
    environment, balancers = loaded.environment, dict(given)
    failover = environment.failover
    endpoint = failover_plan.dns_name(failover) if failover is not None else ""
    asked: str | None = host
    lacking = [one for one in goal.clusters if one not in balancers]
    if host is None and goal.by_failover:
        asked = endpoint
        with log.step("balancers' names") as step:
            unknown = []
            for cluster in lacking:
                try:
                    balancers |= aws.balancers([cluster])
                except (AwsError, UsageError) as error:
                    # The site is there without AWS's API, and so is the verification.
                    unknown.append(f"{cluster}: {error}")
            known = [f"{one} is {name}" for one, name in sorted(balancers.items())]
            step.seen = ", ".join(known)
            if unknown:
                step.note("balancers-unknown", "; ".join([*known, *unknown]))
    elif host is None:
        balancers |= aws.balancers(lacking)
        (cluster,) = goal.clusters
        asked = aws.node(cluster, goal.node) if goal.node else balancers[cluster]
    assert asked is not None
    return Site(environment, asked, goal.clusters, goal.node, endpoint, balancers, resolve)


class Asked:
    """Asks AWS, and only when something must be known.

    Attributes:
        config: the configuration's path or name.
        profile: name of the profile.
    """

    def __init__(self, config: str, profile: str | None) -> None:
        self.config, self.profile = config, profile
        self._outputs: dict[str, dict[str, str]] = {}
        self._aws: Aws | None = None
        self._places: environment_locator.EnvironmentLocation | None = None

    def balancers(self, clusters: Iterable[str]) -> dict[str, str]:
        """The balancers' names; of a node without a balancer, its address.

        Raises:
            AwsError: AWS does not answer, or nothing is deployed.
        """
        found = {}
        for cluster in clusters:
            outputs = self._of(cluster)
            name = outputs.get(names.BALANCER_DNS_NAME) or outputs.get(names.NODE_ADDRESS)
            if not name:
                message = f"the stack of {cluster} has no output {names.BALANCER_DNS_NAME}"
                raise NotFound(message)
            found[cluster] = name
        return found

    def node(self, cluster: str, node: str) -> str:
        """A node's private address.

        Raises:
            AwsError: AWS does not answer, or there is no such instance.
        """
        id_ = self._of(cluster).get(names.node_id_output(node), "")
        aws, place = self._place(cluster)
        instance = instances.read_instances(aws, place.region, [id_]).get(id_)
        if instance is None or instance.state != "running":
            seen = f"{id_} is {instance.state if instance else 'gone'}" if id_ else "none deployed"
            message = f"{cluster}/{node} has no running instance ({seen})"
            raise NotFound(message)
        return instance.address

    def _place(self, cluster: str) -> tuple[Aws, environment_locator.StackLocation]:
        self._aws = self._aws or Aws(profile=self.profile, attempts=_ATTEMPTS)
        self._places = self._places or environment_locator.locate_environment(
            self._aws, config=self.config, environment=None, regions=None
        )
        place = self._places.cluster(cluster)
        if place.unreachable:
            message = f"{place.stack}: {place.unreachable}, or give --balancer or --host"
            raise UsageError(message)
        return self._aws, place

    def _of(self, cluster: str) -> dict[str, str]:
        if cluster not in self._outputs:
            aws, place = self._place(cluster)
            with translated_errors():
                (shown,) = aws.client("cloudformation", place.region).describe_stacks(
                    StackName=place.stack
                )["Stacks"]
            self._outputs[cluster] = {
                one["OutputKey"]: one["OutputValue"] for one in shown.get("Outputs", [])
            }
        return self._outputs[cluster]


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _instead(environment: Environment, what: str) -> str:
    choices = [names.FAILOVER] if environment.failover else []
    for cluster, found in sorted(environment.clusters.items()):
        choices += [cluster, *(f"{cluster}/{node}" for node in sorted(found.nodes))]
    return f"--through: {what}; write one of {', '.join(choices)}"
