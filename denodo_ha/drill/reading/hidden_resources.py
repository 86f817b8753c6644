"""Notes on parts of templates that the drill cannot read, and that may contain resources."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.notes import ReadingNotes
from denodo_ha.drill.reading.values import as_mapping

_HARMLESS_TRANSFORMS: Final = (
    "AWS::LanguageExtensions",
    "AWS::Serverless-",
    "AWS::SecretsManager-",
    "AWS::CodeDeployBlueGreen",
)
"""Beginnings of names of transforms that hide nothing: they add no resource of a type that the
drill reads, or the drill expands them itself."""

_HIDING_TYPES: Final = {
    "AWS::ElasticLoadBalancing::LoadBalancer": "Classic Load Balancers",
    "AWS::CloudFormation::StackSet": "stack sets",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct": "products of Service Catalog",
    "AWS::GlobalAccelerator::EndpointGroup": "endpoint groups of Global Accelerator",
    "AWS::EC2::EC2Fleet": "fleets of instances",
    "AWS::EC2::SpotFleet": "fleets of instances",
    "AWS::ElasticBeanstalk::Environment": "environments of Elastic Beanstalk",
    "AWS::RDS::DBCluster": "DB clusters",
}
"""Resource types that may contain or replace a balancer, node, record or database, and that the
drill does not read."""
_PROVIDERS: Final = ("AWS::", "Custom::", "Alexa::")


def note_hidden_resources(stack: SynthesisedStack, notes: ReadingNotes) -> None:
    """Add a note for each part of a template that may hide a balancer, node, record or check."""
    for transform in _transforms(stack.template):
        if not transform.startswith(_HARMLESS_TRANSFORMS):
            notes.hidden(stack.name, f"the macro {transform} changes this template")
    for id_, resource in as_mapping(stack.template.get("Resources")).items():
        kind = as_mapping(resource).get("Type")
        key = f"{stack.name}/{id_}"
        if str(id_) == "Fn::Transform" or "Fn::Transform" in as_mapping(resource):
            notes.hidden(key, "a macro writes this part of the template")
        elif not isinstance(kind, str):
            notes.hidden(key, "the Type of this resource is not a text")
        elif kind in _HIDING_TYPES:
            notes.hidden(key, f"the drill does not read {_HIDING_TYPES[kind]} ({kind})")
        elif kind.endswith("::MODULE") or not kind.startswith(_PROVIDERS):
            notes.hidden(key, f"the drill does not read the type {kind}, which is not AWS's")


def _transforms(template: Mapping[str, Any]) -> Iterator[str]:
    for section in ("Transform", "Fn::Transform"):
        value = template.get(section)
        for transform in value if isinstance(value, list) else [value]:
            if transform is not None:
                yield str(as_mapping(transform).get("Name", transform))
