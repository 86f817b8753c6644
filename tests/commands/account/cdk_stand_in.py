"""Simulated CDK CLI that needs no Node.js: applies changed pins to the template and the cloud."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Failed
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import load
from stacks.nodes.first_boot import node_script
from tests.commands.account.agents import Agents
from tests.commands.account.cloud import Cloud
from tests.support.assembly import Template

_INSTANCE = "AWS::EC2::Instance"
Hook = Callable[[], object]


class FakeCdk:
    """Synthesises the pins into a template, and deploys it to a cloud.

    Attributes:
        fails: reason why a deploy fails and is rolled back; empty: it succeeds.
        before: called when a deploy begins.
        after: called when a deploy has ended, before the CLI ends.
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
        """Return the template for a configuration and its pins."""
        pins = load(config).pins
        template = copy.deepcopy(self.cloud.stack(self.agents.cluster).template)
        for node in _nodes(template):
            pin = pins.of(self.agents.cluster, node)
            if pin is not None:
                template = _of_generation(template, node, pin.generation)
        for node, properties in _nodes(template).items():
            pin = pins.of(self.agents.cluster, node)
            if pin is not None:
                properties["ImageId"], properties["InstanceType"] = pin.image, pin.type
                properties["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] = pin.disk_gib
                properties["UserData"] = self.user_data(node, pin.first_boot)
        return template

    def user_data(self, node: str, version: int) -> dict[str, str]:
        """Return the property `UserData` of a node, with a version of the first-boot text."""
        cluster = self.agents.cluster
        parameter = names.node_parameter(self.cloud.environment.name, cluster, node)
        region = self.cloud.environment.clusters[cluster].region
        return {"Fn::Base64": node_script(parameter=parameter, region=region, version=version)}

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        """Replace or restart changed nodes, and roll back if the deploy is to fail."""
        self.before()
        deployed = self.cloud.stack(self.agents.cluster)
        assert stack == deployed.name
        new = json.loads((out / "stack.json").read_text())
        old_nodes, new_nodes = _nodes(deployed.template), _nodes(new)
        old_ids, new_ids = _logical_ids(deployed.template), _logical_ids(new)
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


def _of_generation(template: Template, node: str, generation: int) -> Template:
    """Return a template with the instance of a node in a generation."""
    old = _logical_ids(template)[node]
    first = re.sub(r"G[0-9]+$", "", old)
    new = names.instance_of_generation(first, generation)
    text = json.dumps(template).replace(f'"{old}"', f'"{new}"')
    renamed: Template = json.loads(text)
    return renamed


def _logical_ids(template: Template) -> dict[str, str]:
    """Return the logical ids of the instances by node."""
    ids = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == _INSTANCE:
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            ids[tags["denodo:node"]] = logical_id
    return ids


def _nodes(template: Template) -> dict[str, dict[str, Any]]:
    """Return the properties of the instances by node."""
    properties_by_node = {}
    for resource in template["Resources"].values():
        if resource["Type"] == _INSTANCE:
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            properties_by_node[tags["denodo:node"]] = resource["Properties"]
    return properties_by_node
