"""Interface of templates, as text for snapshots: a change of it affects deployed resources.

The interface: logical ids and types, properties that replace or restart a resource, health checks,
rules of security groups, policy documents, and outputs. `tests.stacks.topology` has rules for the
other properties.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tests.support import cfn_lint
from tests.support.assembly import Template

ALL = frozenset({"*"})

FURTHER_PROPERTIES: dict[str, frozenset[str]] = {
    "AWS::EC2::LaunchTemplate": frozenset({"LaunchTemplateData"}),
    "AWS::EC2::SecurityGroupEgress": ALL,
    "AWS::EC2::SecurityGroupIngress": ALL,
    "AWS::RDS::DBInstance": frozenset({"DBInstanceClass", "EngineVersion"}),
    "AWS::Route53::HealthCheck": frozenset({"HealthCheckConfig"}),
}
"""Properties in the snapshot, by resource type. Properties whose change replaces the resource, and
those in `PREFIXES`, are in the snapshot anyway."""

PREFIXES = ("HealthCheckE", "HealthCheckI", "HealthCheckP", "HealthCheckT", "Healthy", "Unhealthy")
"""Beginnings of the properties of a target group's health check."""

POLICIES = ("AssumeRolePolicyDocument", "PolicyDocument")
REMOVAL = ("DeletionPolicy", "UpdateReplacePolicy")


class TextSnapshot(SingleFileSnapshotExtension):
    """A snapshot in a text file."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def interface_of(templates: dict[str, Template]) -> str:
    """Return the interface of templates: a line for each output, resource and policy statement."""
    return "".join(f"{line}\n" for stack in sorted(templates) for line in _stack(stack, templates))


def _stack(stack: str, templates: dict[str, Template]) -> Iterator[str]:
    template = templates[stack]
    yield f"stack {stack}"
    for name, output in sorted(template.get("Outputs", {}).items()):
        yield f"output {name} = {_text(output['Value'])}"
    for id_, resource in sorted(template.get("Resources", {}).items()):
        yield from _resource(id_, resource)


def _resource(id_: str, resource: dict[str, Any]) -> Iterator[str]:
    kind, properties = resource["Type"], resource.get("Properties", {})
    kept = {name: properties[name] for name in sorted(_kept(kind, properties))}
    kept |= {name: resource[name] for name in REMOVAL if resource.get(name, "Delete") != "Delete"}
    values = (f"{name}={_text(value)}" for name, value in kept.items())
    yield " ".join((id_, kind.removeprefix("AWS::"), *values))
    for name in POLICIES:
        statements = (
            _text(statement) for statement in properties.get(name, {}).get("Statement", ())
        )
        yield from (f"    {statement}" for statement in sorted(statements))


def _kept(kind: str, properties: dict[str, Any]) -> set[str]:
    """Return the names of a resource's properties that belong in the snapshot."""
    further = FURTHER_PROPERTIES.get(kind, frozenset())
    schema = cfn_lint.schema(kind)
    paths = (
        *schema.get("createOnlyProperties", ()),
        *schema.get("conditionalCreateOnlyProperties", ()),
    )
    replacing = {path.split("/")[2] for path in paths}
    return {
        name
        for name in properties
        if name in replacing | further
        or further == ALL
        or (kind.endswith("::TargetGroup") and name.startswith(PREFIXES))
    }


def _text(value: Any) -> str:
    """Return a value in one line, with `${ID}` for references and a hash for a script.

    The hashes of published programs are left out, since they change with each line of a program.
    """
    text = _resolved(value)
    line = text if isinstance(text, str) else json.dumps(text, sort_keys=True)
    return re.sub(r"\b[0-9a-f]{64}\b", "HASH", line)


def _resolved(value: Any) -> Any:
    if isinstance(value, list):
        # Sort again: the CDK's order of a statement's resources depends on hashes of programs.
        return sorted((_resolved(item) for item in value), key=_text)
    return _reference(value) if isinstance(value, dict) else value


def _reference(value: dict[str, Any]) -> Any:
    match value:
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Join": ["", parts]}:
            return "".join(str(_resolved(part)) for part in parts)
        case {"Fn::Base64": script}:
            return f"script {hashlib.sha256(_text(script).encode()).hexdigest()[:16]}"
    return {key: _resolved(item) for key, item in value.items()}
