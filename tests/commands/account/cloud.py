"""An account with a deployed environment, for tests of commands.

    def test_drains(cloud: Cloud, denodo_ha: Run) -> None:
        done = denodo_ha("drain", "node1", "--cluster", "active")
        assert done.exit_code == exits.DONE
        assert cloud.registered("active", "jdbc") == {"node2"}

moto simulates AWS, with the resources that `template_resources` creates in moto from the real
templates. Hooks in botocore add the following to every client that is created afterwards:

- `cloud.stacks`: CloudFormation's responses, which a test may change (`cloud.stack("active").status
  = "UPDATE_IN_PROGRESS"`). STS returns `cloud.caller` as the account.
- `cloud.targets`: targets become healthy, or drain, as time passes on `cloud.clock`, a
  `VirtualClock`; give that clock to the code under test. `cloud.become("active", "node1",
  UNHEALTHY)` sets the result of a node's health checks, in all target groups or one;
  `cloud.targets.lag` makes AWS eventually consistent.
- `cloud.calls`: the calls of the code under test. `cloud.faults`: faults that these calls encounter
  (`tests.commands.account.calls`).

`cloud.client("ec2", region)` is the test's own client: its calls are not recorded and encounter no
faults.
"""

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import boto3
import botocore.handlers
import pytest
from botocore.config import Config
from moto import mock_aws

from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment.model.environment import Environment
from tests.commands.account.calls import OURS, Answer, Call, Calls, Faults, answer
from tests.commands.account.cloudformation import Deployed, Stacks
from tests.commands.account.targets import State, Targets
from tests.commands.account.template_resources import Making, nodes
from tests.commands.account.virtual_clock import VirtualClock
from tests.support.assembly import Template

if TYPE_CHECKING:
    from datetime import datetime


class Cloud:
    """An account with a deployed environment; see the module's docstring.

    Attributes:
        environment: the configuration.
        caller: account of the credentials.
        clock: the virtual clock.
        targets: targets of all target groups.
        stacks: the deployed stacks.
        calls: recorded calls of the code under test.
        faults: simulated faults of these calls.
    """

    def __init__(self, environment: Environment, templates: Mapping[str, Template]) -> None:
        self.environment = environment
        self.caller = next(iter(environment.clusters.values())).account
        self.clock = VirtualClock()
        self.targets = Targets(self.clock)
        self.stacks = Stacks()
        self.calls, self.faults = Calls(), Faults()
        self._templates = templates
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._written: dict[tuple[str, str], datetime] = {}

    @property
    def state(self) -> tuple[VirtualClock, Targets, Stacks, dict[tuple[str, str], "datetime"]]:
        """State that moto does not keep: clock, targets, stacks, and dates of parameters."""
        return self.clock, self.targets, self.stacks, self._written

    @state.setter
    def state(
        self, state: tuple[VirtualClock, Targets, Stacks, dict[tuple[str, str], "datetime"]]
    ) -> None:
        self.clock, self.targets, self.stacks, self._written = state

    def deploy(self, only: str | None = None) -> None:
        """Deploy each stack of the environment in the caller's account, or one cluster's stack."""
        name = self.environment.name
        for cluster, cluster_settings in sorted(self.environment.clusters.items()):
            if only not in {None, cluster}:
                continue
            tags = {"denodo:environment": name, "denodo:cluster": cluster}
            self._deploy(
                f"{name}-{cluster}", cluster_settings.account, cluster_settings.region, tags
            )
        if self.environment.failover is not None and only is None:
            failover = self.environment.failover
            clusters = self.environment.clusters
            account = failover.account or clusters[failover.primary].account
            region = failover.region or clusters[failover.secondary].region
            self._deploy(f"{name}-failover", account, region, {"denodo:environment": name})

    def _deploy(self, name: str, account: str, region: str, tags: dict[str, str]) -> None:
        if account != self.caller:
            return
        # Copy the template, since tests may change it.
        template = copy.deepcopy(self._templates[name])
        stack = Deployed(name, account, region, template, tags)
        self.stacks.all.append(stack)
        Making(stack, self.client, self.targets, self._output).make()

    def _output(self, stack: str, name: str) -> str:
        (deployed,) = [one for one in self.stacks.all if one.name == stack]
        return deployed.outputs[name]

    def client(self, service: str, region: str) -> Any:
        """Return a client of the tests, whose calls are not recorded and have no faults."""
        if (service, region) not in self._clients:
            # Create the session only here, after `install`: a session has the hooks of the time
            # when it was created.
            self._session = self._session or boto3.Session()
            self._clients[service, region] = self._session.client(
                service, region_name=region, config=Config(user_agent_extra=OURS)
            )
        return self._clients[service, region]

    def stack(self, cluster: str) -> Deployed:
        """Return the stack of a cluster, or of the failover."""
        name = f"{self.environment.name}-{cluster}"
        (deployed,) = [stack for stack in self.stacks.all if stack.name == name]
        return deployed

    def nodes(self, cluster: str) -> dict[str, str]:
        """Return the instance ids by node."""
        return dict(nodes(self.stack(cluster)))

    def groups(self, cluster: str) -> dict[str, str]:
        """Return the ARNs of target groups by service, or by node for auxiliary ports."""
        stack, arns = self.stack(cluster), {}
        for id_, resource in stack.template["Resources"].items():
            if resource["Type"] == "AWS::ElasticLoadBalancingV2::TargetGroup":
                tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
                key = tags.get("denodo:service") or tags.get("denodo:node") or id_
                arns[key] = stack.physical_ids[id_]
        return arns

    def registered(self, cluster: str, group: str) -> set[str]:
        """Return the names of the nodes that are registered in a target group and not draining."""
        names = {id_: name for name, id_ in self.nodes(cluster).items()}
        ids = self.targets.registered(self.groups(cluster)[group])
        return {names.get(id_, id_) for id_ in ids}

    def mark(self, cluster: str, node: str) -> DrainTag | None:
        """Return the drain tag of a node's instance."""
        client = self.client("ec2", self.stack(cluster).region)
        id_ = self.nodes(cluster)[node]
        tags = client.describe_tags(Filters=[{"Name": "resource-id", "Values": [id_]}])["Tags"]
        return DrainTag.from_tags({tag["Key"]: tag["Value"] for tag in tags})

    def become(self, cluster: str, node: str, state: State, *groups: str) -> None:
        """Set the state of a node as a target, in all target groups or in the given ones."""
        for key, arn in self.groups(cluster).items():
            if not groups or key in groups:
                self.targets.states[arn, self.nodes(cluster)[node]] = state

    def take_out(self, cluster: str, node: str, *groups: str) -> None:
        """Deregister a node directly, not by a command, from all or the given target groups."""
        self._each(cluster, node, groups, "deregister_targets")

    def put_in(self, cluster: str, node: str, *groups: str) -> None:
        """Register a node directly, not by a command, in all or the given target groups."""
        self._each(cluster, node, groups, "register_targets")

    def _each(self, cluster: str, node: str, groups: Iterable[str], act: str) -> None:
        client = self.client("elbv2", self.stack(cluster).region)
        id_ = self.nodes(cluster)[node]
        arns = self.groups(cluster)
        for key in groups or [key for key in arns if key == node or key not in self.nodes(cluster)]:
            getattr(client, act)(TargetGroupArn=arns[key], Targets=[{"Id": id_}])

    def stop(self, cluster: str, node: str) -> None:
        """Stop a node's instance."""
        id_ = self.nodes(cluster)[node]
        self.client("ec2", self.stack(cluster).region).stop_instances(InstanceIds=[id_])
        self.targets.running[id_] = False

    def terminate(self, cluster: str, node: str) -> None:
        """Terminate a node's instance, which is then deregistered."""
        id_ = self.nodes(cluster)[node]
        self.client("ec2", self.stack(cluster).region).terminate_instances(InstanceIds=[id_])
        self.targets.running[id_] = False
        for arn in self.groups(cluster).values():
            self.targets.deregister(arn, [{"Id": id_}])

    def delete_group(self, cluster: str, group: str) -> None:
        """Delete a target group, which remains in the stack's template."""
        client, arn = self.client("elbv2", self.stack(cluster).region), self.groups(cluster)[group]
        for id_, resource in self.stack(cluster).template["Resources"].items():
            if resource["Type"] == "AWS::ElasticLoadBalancingV2::Listener":
                listener = self.stack(cluster).physical_ids[id_]
                (described,) = client.describe_listeners(ListenerArns=[listener])["Listeners"]
                if described["DefaultActions"][0]["TargetGroupArn"] == arn:
                    client.delete_listener(ListenerArn=listener)
        client.delete_target_group(TargetGroupArn=arn)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make every client that is created from now on use this cloud."""
        hooks = [
            ("before-parameter-build", self._prepare),
            ("before-call", self._before),
            ("after-call", self._after),
        ]
        handlers = [*botocore.handlers.BUILTIN_HANDLERS, *hooks]
        monkeypatch.setattr(botocore.handlers, "BUILTIN_HANDLERS", handlers)

    def _prepare(self, params: Any, model: Any, context: dict[str, Any], **_: object) -> None:
        context["call"] = Call(
            model.service_model.service_name, model.name, dict(params), context["client_region"]
        )

    def _before(self, context: dict[str, Any], **_: object) -> Answer | None:
        call: Call = context["call"]
        if not _is_ours(context):
            self.calls.made.append(call)
            if (met := self.faults.meet(call, after=False)) is not None:
                return met
        if call.service == "cloudformation":
            return self.stacks.answer(call.operation, call.parameters, call.region)
        if (call.service, call.operation) == ("sts", "GetCallerIdentity"):
            arn = f"arn:aws:sts::{self.caller}:assumed-role/ops/me"
            return answer({"Account": self.caller, "Arn": arn, "UserId": "AROAEXAMPLE:me"})
        return None

    def _after(
        self, http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: object
    ) -> None:
        call: Call = context["call"]
        if http_response.status_code < 300 and call.service == "elbv2":
            self._follow(call, parsed)
        if http_response.status_code < 300 and call.service == "ssm":
            self._date(call, parsed)
        if not _is_ours(context):
            self.faults.meet(call, after=True)

    def _date(self, call: Call, parsed: dict[str, Any]) -> None:
        """Set the dates of a parameter and of its response from the virtual clock."""
        name = call.region, str(call.parameters.get("Name"))
        if call.operation == "PutParameter":
            self._written[name] = self.clock.now()
        if call.operation == "GetParameter" and name in self._written:
            parsed["Parameter"]["LastModifiedDate"] = self._written[name]
            date = format_datetime(self.clock.now(), usegmt=True)
            parsed["ResponseMetadata"]["HTTPHeaders"] = {"date": date}

    def _follow(self, call: Call, parsed: dict[str, Any]) -> None:
        """Register, deregister and describe targets as a real load balancer does."""
        arn, targets = call.parameters.get("TargetGroupArn", ""), call.parameters.get("Targets", ())
        match call.operation:
            case "DescribeTargetHealth":
                parsed["TargetHealthDescriptions"] = self.targets.describe(arn, targets)
            case "RegisterTargets" if self.targets.knows(arn):
                self.targets.register(arn, targets)
            case "DeregisterTargets":
                self.targets.deregister(arn, targets)


def _is_ours(context: Mapping[str, Any]) -> bool:
    return bool(context["client_config"].user_agent_extra == OURS)


@contextmanager
def deployed_cloud(environment: Environment, templates: Mapping[str, Template]) -> Iterator[Cloud]:
    """Deploy an environment to an account that the tests of a module share.

    Args:
        environment: the environment.
        templates: the template of each stack, by the stack's name.
    """
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(key)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        cloud = Cloud(environment, templates)
        cloud.install(patch)
        cloud.deploy()
        yield cloud
