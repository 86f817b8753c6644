"""Environment in two regions behind a fault proxy, and its true state.

    with deployed_site(folder) as site:
        site.proxy.add(Rule(Fault.LOST, operation="DeregisterTargets"))
        done = site.run("drain", "node1", "--cluster", "active")
        assert site.state().of("active", "node1").out

`state` reads the local AWS directly, not through the proxy.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from denodo_ha.deployed.node_pins import pin_of
from denodo_ha.deployed.stack import resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.model.pins import Pin, pins_file
from denodo_ha.rollout import pins_file as pins_text
from tests.support import local_aws_server
from tests.support.assembly import ROOT, synthesise
from tests.support.servers.fault_proxy import FaultProxy
from tools.local_aws import deployment
from tools.local_aws.credentials import Access

PRIMARY, SECONDARY = "active", "passive"
NAME: Final = "denodo70"
LOST, KEPT = "eu-west-1", "eu-central-1"
"""Regions of the primary and the secondary; tests make the primary's region fail."""
TIMEOUT_S: Final = 300
_WAIT_S: Final = 120
_ACCOUNT = re.compile(r"\b111122223333\b")
_TAG: Final = "denodo:drained"
_BOOTSTRAP: Final = "/cdk-bootstrap/hnb659fds/version"
"""The version of the bootstrap stack (AWS CDK, Bootstrapping)."""


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
        paused: the clusters with a pause.
    """

    nodes: Mapping[tuple[str, str], NodeState]
    locks: Mapping[str, str]
    paused: frozenset[str] = frozenset()

    def of(self, cluster: str, node: str) -> NodeState:
        """Return the state of a node."""
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
    """

    proxy: FaultProxy
    loaded: Loaded
    file: Path
    account: str
    assembly: Path
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    _groups_by_service: dict[str, dict[str, str]] = field(default_factory=dict)
    _restored: State | None = None
    """The state after `restore`, as long as only the proxy's calls can have changed it."""

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
            except BaseException:
                process.kill()
                raise
        return Done(process.returncode, stdout, stderr, time.monotonic() - begin)

    def state(self) -> State:
        """Return the true state of the environment."""
        if self._restored is not None and not self._is_changed():
            return self._restored
        nodes, locks = {}, {}
        for cluster in (PRIMARY, SECONDARY):
            groups = self._groups(cluster)
            tags = self._tags(cluster)
            for node, id_ in self.instances(cluster).items():
                inside = frozenset(key for key, ids in groups.items() if id_ in ids)
                shared = frozenset(groups)
                nodes[cluster, node] = NodeState(inside, shared - inside, tags.get(id_))
            if (holder := self._lock(cluster)) is not None:
                locks[cluster] = holder
        paused = frozenset(
            cluster
            for cluster in (PRIMARY, SECONDARY)
            if self.client("ssm", cluster).get_parameters(Names=[_pause(cluster)])["Parameters"]
        )
        return State(nodes, locks, paused)

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

    def _is_changed(self) -> bool:
        """Return whether a call that may change resources has arrived since `restore`."""
        return any(call.changes for call in self.proxy.arrived)

    def restore(self) -> None:
        """Restore the deployed state without using the proxy: nodes, locks and switch."""
        self.proxy.settle()
        if self._restored is not None and not self._is_changed():
            self.proxy.heal()
            return
        self._restored = None
        was_put = any(call.operation == "PutMetricData" for call in self.proxy.arrived)
        self.proxy.heal()
        state = self.state()
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
            if cluster in state.paused:
                self.client("ssm", cluster).delete_parameter(Name=_pause(cluster))
            if cluster in state.locks:
                self.client("ssm", cluster).delete_parameter(Name=f"/denodo/{NAME}/{cluster}/.lock")
        self._wait_until_healthy()
        if was_put:
            self._wait_until_switched_back()
        self._restored = self.state()

    def take_out(self, cluster: str, node: str) -> None:
        """Drain a node without using the proxy."""
        self._restored = None
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
            # Repeated, because the alarm follows the highest datapoint of each period.
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

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _WAIT_S
        for cluster in (PRIMARY, SECONDARY):
            client = self.client("elbv2", cluster)
            for arn in self.shared_groups(cluster).values():
                while time.monotonic() < deadline:
                    states = {
                        target["TargetHealth"]["State"]
                        for target in client.describe_target_health(TargetGroupArn=arn)[
                            "TargetHealthDescriptions"
                        ]
                    }
                    if states == {"healthy"}:
                        break
                    time.sleep(0.02)
                else:
                    message = f"the targets of {arn} are {states}"
                    raise TimeoutError(message)


@contextmanager
def deployed_site(folder: Path) -> Iterator[Site]:
    """Deploy the example with two regions, with a fault proxy in front of the local AWS."""
    account = local_aws_server.new_account()
    text = _ACCOUNT.sub(account, (ROOT / "config/examples/active-passive.yaml").read_text())
    data = dict(YAML(typ="safe").load(text))
    for cluster in data["clusters"].values():
        # TCP checks, as no server answers readiness checks here; a drain takes 60 s of the local
        # AWS's clock.
        cluster["balancer"] |= {"health": {"protocol": "tcp"}, "deregistration_delay": 60}
    file = folder / "environment.yaml"
    file.write_text(json.dumps(data))
    loaded, endpoint = load(file), local_aws_server.endpoint()
    deployment.make_prerequisites(endpoint, loaded)
    assembly = synthesise(loaded, folder / "cdk.out")
    for name in (f"{NAME}-{PRIMARY}", f"{NAME}-{SECONDARY}", f"{NAME}-failover"):
        region = LOST if name.endswith(PRIMARY) else KEPT
        _create(Access(endpoint, account, region), name, assembly.templates[name])
    _write_pins(file, assembly.templates.values())
    with FaultProxy(endpoint) as proxy:
        yield Site(proxy, loaded, file, account, folder / "cdk.out")


def _upload(access: Access, name: str, template: dict[str, Any]) -> str:
    """Return the URL of a template, which may be larger than a request's limit."""
    bucket = f"{name}-{access.account}"
    client = access.client("s3")
    client.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": access.region}
    )
    client.put_object(Bucket=bucket, Key=name, Body=json.dumps(template).encode())
    return f"{access.endpoint}/{bucket}/{name}"


def _write_pins(file: Path, templates: Iterable[Mapping[str, Any]]) -> None:
    """Write what the nodes run, without which `rollout` and `replace` make no call for a node."""
    pins: dict[str, dict[str, Pin]] = {}
    for template in templates:
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::EC2::Instance":
                node = str(resource_tag(properties, names.NODE_TAG))
                cluster = str(resource_tag(properties, names.CLUSTER_TAG))
                pins.setdefault(cluster, {})[node] = pin_of(node, properties)
    pins_text.write(pins_file(file), pins_text.changed("", pins))


def _create(access: Access, name: str, template: dict[str, Any]) -> None:
    access.client("ssm").put_parameter(Name=_BOOTSTRAP, Value="99", Type="String", Overwrite=True)
    client = access.client("cloudformation")
    tags = {"denodo:environment": NAME}
    if not name.endswith("-failover"):
        tags["denodo:cluster"] = name.removeprefix(f"{NAME}-")
    client.create_stack(
        StackName=name,
        TemplateURL=_upload(access, name, template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.05)
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    message = f"{name} is {stack['StackStatus']}: " + "; ".join(
        str(event.get("ResourceStatusReason")) for event in events
    )
    raise RuntimeError(message)
