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
    "AWS::ElasticLoadBalancing::LoadBalancer": "is a Classic Load Balancer, which is not read",
    "AWS::CloudFormation::StackSet": "is a stack set",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct": "is a product of Service Catalog",
    "AWS::GlobalAccelerator::EndpointGroup": "sends clients by Global Accelerator",
    "AWS::EC2::EC2Fleet": "is a fleet of instances",
    "AWS::EC2::SpotFleet": "is a fleet of instances",
    "AWS::ElasticBeanstalk::Environment": "makes balancers and instances of its own",
    "AWS::RDS::DBCluster": "is a DB cluster, which is not read",
}
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
            notes.hidden(key, "has no Type that is a text")
        elif kind in _HIDING_TYPES:
            notes.hidden(key, f"{_HIDING_TYPES[kind]} ({kind})")
        elif kind.endswith("::MODULE") or not kind.startswith(_PROVIDERS):
            notes.hidden(key, f"the type {kind} is not of AWS, so its resources are not read")


def _transforms(template: Mapping[str, Any]) -> Iterator[str]:
    for section in ("Transform", "Fn::Transform"):
        value = template.get(section)
        for transform in value if isinstance(value, list) else [value]:
            if transform is not None:
                yield str(as_mapping(transform).get("Name", transform))
