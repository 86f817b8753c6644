"""An environment that the real CDK CLI deploys to the local AWS, from a cloud assembly."""

import copy
import itertools
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from denodo_ha.environment.loading.loader import Loaded, load
from tests.e2e.topology import Topology
from tests.support import local_aws_server
from tests.support.assembly import ROOT, synthesise
from tests.support.stack_updates import (
    bootstrap_through_api,
    deploy_through_api,
    update_stack,
)
from tools.local_aws import bootstrap, deployment
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access

Data = dict[str, Any]
Change = Callable[[Data], None]
_TIMEOUT_S = 600
_ACCOUNT = re.compile(r"\b111122223333\b")


class Deployment:
    """One environment, in accounts that no other test uses.

    Attributes:
        data: the current configuration.
        loaded: the validated configuration.
        out: folder of the configuration's cloud assembly.
    """

    def __init__(self, data: Data, folder: Path) -> None:
        self._folder, self._rounds = folder, itertools.count()
        self.data, self.loaded, self.out = data, self._load(data), folder
        self.synthesise()

    @classmethod
    def of_example(cls, name: str, folder: Path, *changes: Change) -> "Deployment":
        """Return an example with changes, in an account that no other test uses."""
        text = (ROOT / "config/examples" / f"{name}.yaml").read_text()
        text = _ACCOUNT.sub(local_aws_server.new_account(), text)
        data = dict(YAML(typ="safe").load(text))
        for change in changes:
            change(data)
        return cls(data, folder)

    def _load(self, data: Data) -> Loaded:
        file = self._folder / "environment.yaml"
        file.write_text(json.dumps(data))
        return load(file)

    def synthesise(self) -> None:
        """Synthesise the configuration."""
        self.out = self._folder / f"out{next(self._rounds)}"
        synthesise(self.loaded, self.out)

    def change(self, *changes: Change) -> None:
        """Change the configuration and synthesise it."""
        data = copy.deepcopy(self.data)
        for change in changes:
            change(data)
        self.loaded = self._load(data)
        self.data = data
        self.synthesise()

    @contextmanager
    def tried(self, change: Change) -> Iterator[None]:
        """Change the configuration until the block ends."""
        before = self.data, self.loaded, self.out
        self.change(change)
        yield
        self.data, self.loaded, self.out = before

    @property
    def access(self) -> Access:
        """Access to the account and region that the CDK CLI deploys from."""
        where = bootstrap.home_location(self.loaded.environment)
        return Access(local_aws_server.endpoint(), *where)

    def prepare(self) -> None:
        """Create what the configuration expects to exist, and bootstrap accounts and regions."""
        endpoint, environment = local_aws_server.endpoint(), self.loaded.environment
        deployment.make_prerequisites(endpoint, self.loaded)
        where = bootstrap.not_bootstrapped(endpoint, environment)
        if len({account for account, _ in where}) > 1:
            bootstrap.bootstrap(endpoint, local_aws_server.paths(), environment, where)
        else:
            bootstrap_through_api(endpoint, where)
        assert bootstrap.not_bootstrapped(endpoint, environment) == []

    def cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the CDK CLI on the cloud assembly."""
        cdk = Cdk(self.access, local_aws_server.paths(), self._folder)
        return cdk.captured(*arguments, "--app", str(self.out), timeout=_TIMEOUT_S)

    def deploy(self) -> str:
        """Deploy all stacks and return the CLI's output."""
        done = self.try_to_deploy()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def update(self, stack: str) -> None:
        """Update a stack without the CDK CLI, if the change adds no asset."""
        template = json.loads((self.out / f"{stack}.template.json").read_text())
        update_stack(self.access, stack, template)

    def try_to_deploy(self) -> subprocess.CompletedProcess[str]:
        """Deploy all stacks; return the CLI's result, also if the deploy fails."""
        progress = ("--require-approval", "never", "--progress", "events")
        return self.cdk("deploy", "--all", *progress)

    def deploy_through_api(self) -> None:
        """Deploy all stacks through CloudFormation's API, for tests of what comes after a deploy.

        Each run of the CDK CLI takes 1.2 s of CPU time. The programs that the CLI would upload are
        missing in the bucket; nodes of these tests run the working tree's program, or none.
        """
        deploy_through_api(local_aws_server.endpoint(), self.out)

    def diff(self) -> tuple[bool, str]:
        """Return whether `cdk diff --fail` shows a difference, and its output."""
        done = self.cdk("diff", "--all", "--fail")
        output = done.stdout + done.stderr
        assert done.returncode in (0, 1), output
        return done.returncode == 1, output

    def destroy(self) -> None:
        """Destroy all stacks."""
        done = self.cdk("destroy", "--all", "--force")
        assert done.returncode == 0, done.stdout + done.stderr

    def unprotect(self) -> None:
        """Disable deletion protection of the databases, as an operator must before a destroy."""
        for where in bootstrap.locations(self.loaded.environment):
            client = Access(local_aws_server.endpoint(), *where).client("rds")
            for item in client.describe_db_instances()["DBInstances"]:
                name = item["DBInstanceIdentifier"]
                client.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False)

    def topology(self) -> Topology:
        """Return the deployed environment as the APIs show it."""
        return Topology(local_aws_server.endpoint(), self.loaded.environment)

    def left(self) -> dict[str, Any]:
        """Return the resources that remain in every account and region of the environment."""
        result: dict[str, Any] = {}
        for where in bootstrap.locations(self.loaded.environment):
            access = Access(local_aws_server.endpoint(), *where)
            result.update({f"{where} {key}": ids for key, ids in _ours(access).items() if ids})
        return result


def _ours(access: Access) -> dict[str, list[str]]:
    """Return resources with this project's tags, or of types that only this project creates."""
    ec2, elb = access.client("ec2"), access.client("elbv2")
    instances = [
        item
        for of in ec2.describe_instances()["Reservations"]
        for item in of["Instances"]
        if item["State"]["Name"] != "terminated"
    ]
    tagged = [{"Name": "tag-key", "Values": ["denodo:environment"]}]
    return {
        "stacks": [
            item["StackName"]
            for item in access.client("cloudformation").describe_stacks()["Stacks"]
            if item["StackName"] != bootstrap.TOOLKIT
        ],
        "instances": [item["InstanceId"] for item in instances if _is_ours(item)],
        "groups": [
            item["GroupId"]
            for item in ec2.describe_security_groups(Filters=tagged)["SecurityGroups"]
        ],
        "vpcs": [item["VpcId"] for item in ec2.describe_vpcs(Filters=tagged)["Vpcs"]],
        "subnets": [item["SubnetId"] for item in ec2.describe_subnets(Filters=tagged)["Subnets"]],
        "addresses": [
            item["AllocationId"] for item in ec2.describe_addresses()["Addresses"] if _is_ours(item)
        ],
        "balancers": [
            item["LoadBalancerArn"] for item in elb.describe_load_balancers()["LoadBalancers"]
        ],
        "target groups": [
            item["TargetGroupArn"] for item in elb.describe_target_groups()["TargetGroups"]
        ],
        "alarms": [
            item["AlarmName"]
            for item in access.client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
        "checks": [
            item["Id"] for item in access.client("route53").list_health_checks()["HealthChecks"]
        ],
        "records": [
            item["Name"]
            for zone in access.client("route53").list_hosted_zones()["HostedZones"]
            for item in access.client("route53").list_resource_record_sets(HostedZoneId=zone["Id"])[
                "ResourceRecordSets"
            ]
            if item["Type"] not in ("NS", "SOA")
        ],
        "databases": [
            item["DBInstanceIdentifier"]
            for item in access.client("rds").describe_db_instances()["DBInstances"]
        ],
        "secrets": [
            item["Name"]
            for item in access.client("secretsmanager").list_secrets()["SecretList"]
            if item["Name"].startswith("rds!") or _is_ours(item)
        ],
        "profiles": [
            item["InstanceProfileName"]
            for item in access.client("iam").list_instance_profiles()["InstanceProfiles"]
        ],
    }


def _is_ours(resource: dict[str, Any]) -> bool:
    return any(tag["Key"] == "denodo:environment" for tag in resource.get("Tags", []))
