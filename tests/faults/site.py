"""Environment in two regions behind a fault proxy, and its true state.

    with deployed_site(folder) as site:        # tests.faults.deployment
        site.proxy.add(Rule(Fault.LOST, operation="DeregisterTargets"))
        done = site.run("drain", "node1", "--cluster", "active")
        assert site.state().of("active", "node1").out

`state` reads the local AWS directly, not through the proxy.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from denodo_ha.deployed.node_pins import pin_of
from denodo_ha.deployed.stack import resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.pins import Pin, pins_file
from denodo_ha.rollout import pins_file as pins_text
from tests.faults.agents import Agents
from tests.support import local_aws_server, pinned_template
from tests.support.assembly import ROOT, Template
from tests.support.servers.fault_proxy import FaultProxy
from tools.local_aws.credentials import Access

PRIMARY, SECONDARY = "active", "passive"
NAME: Final = "denodo70"
LOST, KEPT = "eu-west-1", "eu-central-1"
"""Regions of the primary and the secondary; tests make the primary's region fail."""
TIMEOUT_S: Final = 300
_WAIT_S: Final = 120
_TAG: Final = "denodo:drained"
_ARC: Final = "arc-zonal-shift"


def _pause(cluster: str) -> str:
    return f"/denodo/{NAME}/{cluster}/.pause"


@dataclass(frozen=True)
class NodeState:
    """True state of a node.

    Attributes:
        groups: shared target groups in which the node is registered, by service.
        missing: shared target groups in which the node is not registered, by service.
        tag: the node's drain tag.
    """

    groups: frozenset[str]
    missing: frozenset[str]
    tag: str | None

    @property
    def out(self) -> bool:
        """Return whether the node is out of every shared target group."""
        return not self.groups


@dataclass(frozen=True)
class State:
    """True state of an environment: its nodes and locks.

    Attributes:
        nodes: the nodes by cluster and name.
        locks: the lock's holder by cluster; clusters without a lock are missing.
        facts: what else commands change, by name: what nodes run, deployed machines, zonal shifts.
    """

    nodes: Mapping[tuple[str, str], NodeState]
    locks: Mapping[str, str]
    facts: Mapping[str, str]

    def of(self, cluster: str, node: str) -> NodeState:
        """Return the true state of a node."""
        return self.nodes[cluster, node]


@dataclass(frozen=True)
class Done:
    """Result of a command."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        """Return everything that the command has printed."""
        return self.stdout + self.stderr


@dataclass
class Site:
    """A deployed environment behind a fault proxy; see the module's docstring.

    Attributes:
        proxy: the proxy in front of the local AWS.
        loaded: the configuration.
        file: the configuration file.
        account: the account of the environment.
        assembly: folder of the cloud assembly.
        templates: the deployed templates by stack.
        deploys: number of deploys of machines.
        agents: the node programs.
    """

    proxy: FaultProxy
    loaded: Loaded
    file: Path
    account: str
    assembly: Path
    templates: dict[str, Template]
    deploys: int = 0
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    _groups_by_service: dict[str, dict[str, str]] = field(default_factory=dict)
    _restored: State | None = None
    """State that `restore` has read last. It is still valid for clusters that no call has changed.
    """
    _touched: set[str] = field(default_factory=set)
    """Clusters that were changed since `restore` without using the proxy."""

    def __post_init__(self) -> None:
        self.text, self.pins = self.file.read_text(), pins_file(self.file).read_text()
        self.agents = Agents(self)

    def client(self, service: str, cluster: str) -> Any:
        """Return a boto3 client that does not use the proxy."""
        if (service, cluster) not in self._clients:
            region = self.loaded.environment.clusters[cluster].region
            access = Access(local_aws_server.endpoint(), self.account, region)
            self._clients[service, cluster] = access.client(service)
        return self._clients[service, cluster]

    def environment(self) -> dict[str, str]:
        """Return the environment variables of a command."""
        access = Access(self.proxy.endpoint, self.account, KEPT)
        return {
            **access.environment(local_aws_server.paths()),
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "*",
        }

    def start(self, *arguments: str, program: Path = ROOT) -> subprocess.Popen[str]:
        """Start a command as an operator does.

        Args:
            arguments: the command's arguments, without the configuration.
            program: folder that contains the program's packages, for example of another revision.
        """
        command = [sys.executable, "-m", "denodo_ha", *arguments, "-c", str(self.file)]
        return subprocess.Popen(
            command,
            cwd=program,
            env={**self.environment(), "PYTHONPATH": str(program)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, program: Path = ROOT) -> Done:
        """Run a command as an operator does, and return its result."""
        begin = time.monotonic()
        with self.start(*arguments, program=program) as process:
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT_S)
            except BaseException:  # `BaseException` includes Ctrl-C and a time-out of the test
                process.kill()
                raise
        return Done(process.returncode, stdout, stderr, time.monotonic() - begin)

    def state(self) -> State:
        """Return the true state of the environment."""
        nodes: dict[tuple[str, str], NodeState] = {}
        locks: dict[str, str] = {}
        for cluster in (PRIMARY, SECONDARY):
            restored = self._restored if not self._is_changed(cluster) else None
            if restored is not None:
                nodes |= {key: node for key, node in restored.nodes.items() if key[0] == cluster}
                continue
            groups = self._groups(cluster)
            tags = self._tags(cluster)
            for node, id_ in self.instances(cluster).items():
                inside = frozenset(key for key, ids in groups.items() if id_ in ids)
                shared = frozenset(groups)
                nodes[cluster, node] = NodeState(inside, shared - inside, tags.get(id_))
            if (holder := self._lock(cluster)) is not None:
                locks[cluster] = holder
        return State(nodes, locks, self._facts())

    def _facts(self) -> dict[str, str]:
        facts = {"deploys of machines": str(self.deploys), **self.agents.facts()}
        pauses = self.client("ssm", PRIMARY).get_parameters(Names=[_pause(PRIMARY)])["Parameters"]
        facts["pause"] = "written" if pauses else ""
        facts["pins"] = pins_file(self.file).read_text()
        if self._restored is None or self._is_changed(PRIMARY):
            facts["shifts"] = ", ".join(sorted(shift["awayFrom"] for shift in self.shifts()))
        else:
            facts["shifts"] = self._restored.facts["shifts"]
        return facts

    def shifts(self) -> list[dict[str, Any]]:
        """Return the active zonal shifts of the primary cluster."""
        answer = self.client(_ARC, PRIMARY).list_zonal_shifts(status="ACTIVE")
        shifts: list[dict[str, Any]] = answer["items"]
        return shifts

    def shift(self, zone: str) -> None:
        """Start a zonal shift of the primary cluster without using the proxy."""
        self.touch()
        (balancer,) = self.client("elbv2", PRIMARY).describe_load_balancers()["LoadBalancers"]
        zones = self.client("ec2", PRIMARY).describe_availability_zones()["AvailabilityZones"]
        self.client(_ARC, PRIMARY).start_zonal_shift(
            resourceIdentifier=balancer["LoadBalancerArn"],
            awayFrom=next(each["ZoneId"] for each in zones if each["ZoneName"] == zone),
            expiresIn="8h",
            comment="a shift of before",
        )

    def touch(self) -> None:
        """Record that the primary was changed without the proxy, so that `state` reads it again."""
        self._touched.add(PRIMARY)

    def instances(self, cluster: str) -> dict[str, str]:
        """Return the instances of a cluster's nodes, by node."""
        outputs = self.outputs(cluster)
        return {
            key.removeprefix("NodeId").lower(): value
            for key, value in outputs.items()
            if key.startswith("NodeId")
        }

    def outputs(self, cluster: str) -> dict[str, str]:
        """Return the outputs of a cluster's stack, which no test changes."""
        if cluster not in self._outputs:
            self._outputs[cluster] = self._read_outputs(cluster)
        return self._outputs[cluster]

    def _read_outputs(self, cluster: str) -> dict[str, str]:
        client = self.client("cloudformation", cluster)
        (stack,) = client.describe_stacks(StackName=f"{NAME}-{cluster}")["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def shared_groups(self, cluster: str) -> dict[str, str]:
        """Return the ARNs of the shared target groups of a cluster, by service."""
        if cluster not in self._groups_by_service:
            self._groups_by_service[cluster] = self._read_shared_groups(cluster)
        return self._groups_by_service[cluster]

    def _read_shared_groups(self, cluster: str) -> dict[str, str]:
        client = self.client("elbv2", cluster)
        arns = [
            group["TargetGroupArn"] for group in client.describe_target_groups()["TargetGroups"]
        ]
        described = client.describe_tags(ResourceArns=arns)["TagDescriptions"]
        services = {
            item["ResourceArn"]: {tag["Key"]: tag["Value"] for tag in item["Tags"]}.get(
                "denodo:service"
            )
            for item in described
        }
        return {service: arn for arn, service in services.items() if service}

    def _groups(self, cluster: str) -> dict[str, set[str]]:
        client = self.client("elbv2", cluster)
        return {
            service: {
                target["Target"]["Id"]
                for target in client.describe_target_health(TargetGroupArn=arn)[
                    "TargetHealthDescriptions"
                ]
                if target["TargetHealth"]["State"] != "draining"
            }
            for service, arn in self.shared_groups(cluster).items()
        }

    def _tags(self, cluster: str) -> dict[str, str]:
        answer = self.client("ec2", cluster).describe_tags(
            Filters=[{"Name": "key", "Values": [_TAG]}]
        )
        return {tag["ResourceId"]: tag["Value"] for tag in answer["Tags"]}

    def _lock(self, cluster: str) -> str | None:
        client = self.client("ssm", cluster)
        name = f"/denodo/{NAME}/{cluster}/.lock"
        for parameter in client.get_parameters(Names=[name])["Parameters"]:
            return str(json.loads(parameter["Value"]).get("what", "?"))
        return None

    def _is_changed(self, cluster: str) -> bool:
        """Return whether a cluster may have changed since `restore`."""
        region = self.loaded.environment.clusters[cluster].region
        arrived = any(call.changes and call.region == region for call in self.proxy.arrived)
        return arrived or cluster in self._touched

    def _restore_machines(self) -> None:
        """Restore the configuration, its pins and the applied desired states; end zonal shifts."""
        self.file.write_text(self.text)
        write_pins(self.file, self.templates.values())
        self.agents.reset()
        for shift in self.shifts():
            self.client(_ARC, PRIMARY).cancel_zonal_shift(zonalShiftId=shift["zonalShiftId"])

    def deployed_anew(self, stack: str, template: Template) -> None:
        """Record a deploy: keep the stack's template, and boot the nodes of the stack's cluster."""
        self.templates[stack], self.deploys = template, self.deploys + 1
        cluster = stack.removeprefix(f"{NAME}-")
        self._outputs.pop(cluster, None)
        self.agents.boot(cluster)
        self.touch()

    def restore(self) -> None:
        """Restore the deployed state without using the proxy: nodes, locks and switch."""
        self.proxy.settle()
        if self._restored is not None and not any(map(self._is_changed, (PRIMARY, SECONDARY))):
            self.proxy.heal()
            return
        was_put = any(call.operation == "PutMetricData" for call in self.proxy.arrived)
        self._restore_machines()
        state = self.state()
        changed = [cluster for cluster in (PRIMARY, SECONDARY) if self._is_changed(cluster)]
        self.proxy.heal()
        for cluster in (PRIMARY, SECONDARY):
            groups, instances = self.shared_groups(cluster), self.instances(cluster)
            for node, id_ in instances.items():
                known = state.of(cluster, node)
                for service in known.missing:
                    self.client("elbv2", cluster).register_targets(
                        TargetGroupArn=groups[service], Targets=[{"Id": id_}]
                    )
                if known.tag is not None:
                    self.client("ec2", cluster).delete_tags(Resources=[id_], Tags=[{"Key": _TAG}])
            self.client("ssm", cluster).delete_parameters(Names=[_pause(cluster)])
            if cluster in state.locks:
                self.client("ssm", cluster).delete_parameter(Name=f"/denodo/{NAME}/{cluster}/.lock")
            if self._restored is None or cluster in changed:
                self._wait_until_healthy(cluster)
        if was_put:
            self._wait_until_switched_back()
        nodes = {
            key: NodeState(node.groups | node.missing, frozenset(), None)
            for key, node in state.nodes.items()
        }
        self._restored = State(nodes, {}, {**self._facts(), "shifts": ""})
        self._touched.clear()

    def take_out(self, cluster: str, node: str) -> None:
        """Drain a node without using the proxy."""
        self.touch()
        id_ = self.instances(cluster)[node]
        self.client("ec2", cluster).create_tags(
            Resources=[id_], Tags=[{"Key": _TAG, "Value": "2026-01-01T00:00:00Z ann@desk disk"}]
        )
        for arn in self.shared_groups(cluster).values():
            self.client("elbv2", cluster).deregister_targets(
                TargetGroupArn=arn, Targets=[{"Id": id_}]
            )

    def throw(self, value: float) -> None:
        """Throw or reset the switch by a datapoint, without using the proxy."""
        self.client("cloudwatch", SECONDARY).put_metric_data(
            Namespace="Denodo/Failover",
            MetricData=[
                {
                    "MetricName": "SecondaryActive",
                    "Dimensions": [{"Name": "Environment", "Value": NAME}],
                    "Value": value,
                }
            ],
        )

    def _wait_until_switched_back(self) -> None:
        """Reset the switch, and wait until every health check passes."""
        client = self.client("route53", SECONDARY)
        checks = [check["Id"] for check in client.list_health_checks()["HealthChecks"]]
        deadline = time.monotonic() + _WAIT_S
        self.throw(0)
        while True:
            failed = [id_ for id_ in checks if not self._passes(client, id_)]
            if not failed:
                return
            if time.monotonic() > deadline:
                message = f"the health checks {failed} do not pass"
                raise TimeoutError(message)
            # The reset is repeated until a later period: the alarm follows the highest datapoint of
            # each period, which is the throw's datapoint in the period of the throw.
            self.throw(0)
            time.sleep(0.1)

    @staticmethod
    def _passes(client: Any, check: str) -> bool:
        """Return whether all checkers of a health check succeed; True for a calculated check."""
        config = client.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
        if config["Type"] == "CALCULATED":
            return True
        status = client.get_health_check_status(HealthCheckId=check)
        return all(
            report["StatusReport"]["Status"].startswith("Success")
            for report in status["HealthCheckObservations"]
        )

    def _wait_until_healthy(self, cluster: str) -> None:
        deadline = time.monotonic() + _WAIT_S
        client = self.client("elbv2", cluster)
        for arn in self.shared_groups(cluster).values():
            while time.monotonic() < deadline:
                answer = client.describe_target_health(TargetGroupArn=arn)
                targets = answer["TargetHealthDescriptions"]
                states = {target["TargetHealth"]["State"] for target in targets}
                if states == {"healthy"}:
                    break
                time.sleep(0.02)
            else:
                message = f"the targets of {arn} are {states}"
                raise TimeoutError(message)


def write_pins(file: Path, templates: Iterable[Template]) -> None:
    """Write pins of what the nodes run: without pins, `rollout` and `replace` make no calls."""
    pins: dict[str, dict[str, Pin]] = {}
    for template in templates:
        ids = pinned_template.logical_ids(template)
        for node, properties in pinned_template.node_properties(template).items():
            cluster = str(resource_tag(properties, names.CLUSTER_TAG))
            generation = names.generation_of_instance(ids[node])
            pin = pin_of(node, properties).model_copy(update={"generation": generation})
            pins.setdefault(cluster, {})[node] = pin
    pins_text.write(pins_file(file), pins_text.changed("", pins))
