"""Simulated CDK CLI that needs no Node.js: applies changed pins to the template and the cloud."""

import json
from collections.abc import Callable
from pathlib import Path

from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Failed
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import load
from tests.commands.account.agents import Agents
from tests.commands.account.cloud import Cloud
from tests.support import pinned_template
from tests.support.assembly import Template

Hook = Callable[[], object]


class FakeCdk:
    """Synthesises the pins into a template, and deploys it to a cloud.

    Attributes:
        fails: reason why each deploy fails and is rolled back; empty if deploys succeed.
        before: function that is called when a deploy begins.
        after: function that is called when a deploy has ended, before the CDK CLI ends.
        deploys: the nodes that each deploy has changed.
        confirmed: True if the metadata of a new machine is confirmed at once.
    """

    def __init__(self, cloud: Cloud, agents: Agents) -> None:
        self.cloud, self.agents = cloud, agents
        self.fails = ""
        self.before: Hook = lambda: None
        self.after: Hook = lambda: None
        self.deploys: list[list[str]] = []
        self.confirmed = True

    def synth(self, config: Path, out: Path) -> None:
        """Write a cloud assembly: the deployed template with the machines of the pins."""
        stack = self.cloud.stack(self.agents.cluster)
        template = self.template(config)
        out.mkdir()
        (out / "stack.json").write_text(json.dumps(template))
        artifact = {
            "type": "aws:cloudformation:stack",
            "properties": {"stackName": stack.name, "templateFile": "stack.json"},
        }
        (out / "manifest.json").write_text(json.dumps({"artifacts": {stack.name: artifact}}))

    def template(self, config: Path) -> Template:
        """Return the template of the cluster for a configuration and its pins."""
        cluster, environment = self.agents.cluster, self.cloud.environment
        return pinned_template.with_pins(
            self.cloud.stack(cluster).template,
            load(config).pins.root.get(cluster, {}),
            environment=environment.name,
            cluster=cluster,
            region=environment.clusters[cluster].region,
        )

    def user_data(self, node: str, version: int) -> dict[str, str]:
        """Return the property `UserData` of a node, with a version of the first-boot text."""
        cluster = self.agents.cluster
        parameter = names.node_parameter(self.cloud.environment.name, cluster, node)
        region = self.cloud.environment.clusters[cluster].region
        return pinned_template.user_data(parameter, region, version)

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        """Replace or restart changed nodes, and roll back if the deploy is to fail."""
        self.before()
        deployed = self.cloud.stack(self.agents.cluster)
        assert stack == deployed.name
        new = json.loads((out / "stack.json").read_text())
        old_nodes, new_nodes = (
            pinned_template.node_properties(deployed.template),
            pinned_template.node_properties(new),
        )
        old_ids, new_ids = (
            pinned_template.logical_ids(deployed.template),
            pinned_template.logical_ids(new),
        )
        changed = [
            node
            for node in new_nodes
            if old_nodes[node] != new_nodes[node] or old_ids[node] != new_ids[node]
        ]
        self.deploys.append(changed)
        clock.sleep(300)
        if self.fails:
            deployed.status = "UPDATE_ROLLBACK_COMPLETE"
            raise Failed(self.fails)
        for node in changed:
            self.agents.nodes[node].running = True
            other_image = old_nodes[node]["ImageId"] != new_nodes[node]["ImageId"]
            if other_image or old_ids[node] != new_ids[node]:
                self._replace(node, new_ids[node])
        deployed.template = new
        deployed.status = "UPDATE_COMPLETE"
        self.after()

    def _replace(self, node: str, logical_id: str) -> None:
        """Replace an instance; the new instance is registered at once, as CloudFormation does."""
        cluster = self.agents.cluster
        stack = self.cloud.stack(cluster)
        client = self.cloud.client("ec2", stack.region)
        old = self.cloud.nodes(cluster)[node]
        (made,) = client.run_instances(ImageId="ami-0", MinCount=1, MaxCount=1)["Instances"]
        logical = next(key for key, id_ in stack.physical_ids.items() if id_ == old)
        del stack.physical_ids[logical]
        stack.physical_ids[logical_id] = made["InstanceId"]
        output = next(key for key, id_ in stack.outputs.items() if id_ == old)
        stack.outputs[output] = made["InstanceId"]
        elb = self.cloud.client("elbv2", stack.region)
        for arn in self.cloud.groups(cluster).values():
            elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": made["InstanceId"]}])
            if old in self.cloud.targets.registered(arn):
                elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": old}])
        client.terminate_instances(InstanceIds=[old])
        self.agents.nodes[node].confirmed = self.confirmed
