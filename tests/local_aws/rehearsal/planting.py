"""Planting flaws in deployed stacks: the templates change in the assembly and on the local AWS."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from tests.local_aws.cloud import Cloud, Stack
from tests.local_aws.rehearsal.flaws import Templates
from tools.local_aws.paths import Paths

Plant = Callable[[Templates], None]
Template = dict[str, Any]


class Site:
    """The stacks of an environment, which get one flaw after the other.

    Args:
        environment: name of the environment.
    """

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._sound: dict[str, SynthesisedStack] = {}
        self._deployed: Templates = {}

    def planting(self, plant: Plant) -> Callable[[str, Paths], None]:
        """Return a function that updates the deployed stacks to templates with only one flaw."""

        def prepare(endpoint: str, paths: Paths) -> None:
            if not self._sound:
                stacks = read_stacks([paths.assemblies / self._environment])
                self._sound = {stack.name: stack for stack in stacks}
                self._deployed = self._templates()
            templates = self._templates()
            plant(templates)
            for name, template in templates.items():
                if template != self._deployed[name]:
                    self._update(endpoint, name, template)
            self._deployed = templates

        return prepare

    def _templates(self) -> Templates:
        return {name: copy.deepcopy(dict(stack.template)) for name, stack in self._sound.items()}

    def _update(self, endpoint: str, name: str, template: Template) -> None:
        stack = self._sound[name]
        assert isinstance(stack.file, Path)
        stack.file.write_text(json.dumps(template))
        cloud = Cloud(endpoint, stack.account, stack.region)
        steps = [without_changed_records(self._deployed[name], template), template]
        for content in steps if steps[0] != self._deployed[name] else steps[1:]:
            # CloudFormation reads the template from a bucket, because it is too long for the body
            # of a request (AWS, AWS CloudFormation quotas).
            bucket = f"cdk-hnb659fds-assets-{stack.account}-{stack.region}"
            cloud.client("s3").put_object(Bucket=bucket, Key=name, Body=json.dumps(content))
            cloud.client("cloudformation").update_stack(
                StackName=name,
                TemplateURL=f"https://s3.{stack.region}.amazonaws.com/{bucket}/{name}",
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            Stack(cloud, name).wait()


def without_changed_records(before: Template, after: Template) -> Template:
    """Return the earlier template without the records whose type changes.

    Route 53 has no CNAME record beside another record of the same name, so that the earlier record
    must be deleted before the new record is made.
    """
    kept = {
        id_: resource
        for id_, resource in before["Resources"].items()
        if _record_type(resource) == _record_type(after["Resources"][id_])
    }
    return {**before, "Resources": kept}


def _record_type(resource: Template) -> str:
    is_record = resource["Type"] == "AWS::Route53::RecordSet"
    return str(resource["Properties"]["Type"]) if is_record else ""
