"""Templates and cloud assemblies are read as data; error messages name file and position."""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.aws.cloud_assembly import read_stacks, read_templates
from denodo_ha.aws.template_document import (
    parse_template,
    read_template_file,
)
from denodo_ha.cli.errors import Failed, UsageError

TEMPLATE = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}


def write_manifest(folder: Path, artifacts: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps({"version": "1", "artifacts": artifacts}))


def stack(file: str, **settings: Any) -> dict[str, Any]:
    return {
        "type": "aws:cloudformation:stack",
        "environment": "aws://111122223333/eu-west-1",
        "properties": {"templateFile": file, **settings},
    }


def test_stacks_of_an_assembly_and_of_nested_assemblies_are_read(tmp_path: Path) -> None:
    inner = tmp_path / "assembly-Stage"
    inner.mkdir()
    (inner / "a.template.json").write_text(json.dumps(TEMPLATE))
    write_manifest(inner, {"Stage-a": stack("a.template.json", stackName="prod-a")})
    (tmp_path / "b.template.json").write_text(json.dumps(TEMPLATE))
    unknown = {**stack("b.template.json"), "environment": "aws://unknown-account/unknown-region"}
    nested = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Stage"}}
    assets = {"type": "cdk:asset-manifest", "properties": {"file": "b.assets.json"}}
    write_manifest(tmp_path, {"assembly-Stage": nested, "b": unknown, "b.assets": assets})
    first, second = read_stacks([tmp_path])
    assert (first.name, first.region, first.account) == ("prod-a", "eu-west-1", "111122223333")
    assert (second.name, second.region, second.account) == ("b", "b", "")
    assert read_templates(tmp_path) == {"prod-a": TEMPLATE, "b": TEMPLATE}


def test_a_file_is_a_stack_whose_region_its_zones_tell(tmp_path: Path) -> None:
    subnet = {"Type": "AWS::EC2::Subnet", "Properties": {"AvailabilityZone": "eu-west-1a"}}
    file = tmp_path / "prod.template.json"
    file.write_text(json.dumps({"Resources": {"Net": subnet, "Note": "not a resource"}}))
    (of_file,) = read_stacks([file])
    assert (of_file.name, of_file.region, [*of_file.resources]) == ("prod", "eu-west-1", ["Net"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{\n x", "a.json:2:2: Expecting property name enclosed in double quotes; the f"),
        ("a.json", "[]", "has no Resources"),
        ("a.yaml", "Resources: [", r"a.yaml:1:13: .*; the file must be JSON or YAML"),
        ("a.yaml", "a: b", "has no Resources, so the file is not a template"),
        ("a.yaml", "Resources: []", "has no Resources"),
        ("a.yaml", "", "has no Resources"),
        ("a.yaml", "\x00", "the file must be JSON or YAML"),
        ("a.yaml", b"\xff\xfe", "byte 0 is not UTF-8"),
    ],
)
def test_a_file_that_is_not_a_template_is_refused(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=message):
        read_template_file(file)


def test_text_that_is_not_a_deployed_template_fails() -> None:
    for text in ("Resources: [", "\x00", "- a"):
        with pytest.raises(Failed, match="the deployed template cannot be read: "):
            parse_template(text)
    assert parse_template(TEMPLATE) == TEMPLATE
    flow = "{Resources: {A: {Type: T, Properties: {X: !GetAtt A.B.C}}}}"
    resource = parse_template(flow)["Resources"]["A"]
    assert resource["Properties"]["X"] == {"Fn::GetAtt": ["A", "B.C"]}


def test_paths_that_are_no_cloud_assemblies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"is not the output of cdk synth; write the folder with `npx"
    ):
        read_templates(tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        read_stacks([tmp_path / "none.json"])
    file = tmp_path / "a.json"
    file.write_text(json.dumps(TEMPLATE))
    with pytest.raises(UsageError, match="a: two of the given stacks have this name"):
        read_stacks([file, file])
    write_manifest(tmp_path, {"a": {"type": 1}})
    with pytest.raises(UsageError, match="the given paths contain no stack"):
        read_stacks([tmp_path])
    for manifest in ("[]", "{"):
        (tmp_path / "manifest.json").write_text(manifest)
        with pytest.raises(UsageError, match="is not the output of cdk synth"):
            read_stacks([tmp_path])


@pytest.mark.parametrize("resource", [{}, [], {"Type": ["T"]}])
def test_a_resource_that_cdk_does_not_write_is_refused(tmp_path: Path, resource: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"Resources": {"A": resource}}))
    write_manifest(tmp_path, {"a": stack("a.json")})
    message = r"a\.json: is not the output of cdk synth, because A of Resources has no Type"
    with pytest.raises(UsageError, match=message):
        read_templates(tmp_path)


def test_a_loop_among_the_resources_is_kept_and_is_not_a_resource(tmp_path: Path) -> None:
    template = {"Resources": {**TEMPLATE["Resources"], "Fn::ForEach::X": ["a", ["b"], {}]}}
    (tmp_path / "a.json").write_text(json.dumps(template))
    write_manifest(tmp_path, {"a": stack("a.json")})
    assert read_templates(tmp_path) == {"a": template}


def test_an_assembly_that_contains_itself_is_refused(tmp_path: Path) -> None:
    nested = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "."}}
    write_manifest(tmp_path, {"a": nested})
    with pytest.raises(UsageError, match="the folder names itself as a part of itself"):
        read_templates(tmp_path)


def test_a_manifest_beyond_the_limits_is_refused_with_a_position(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[" * 10_000)
    with pytest.raises(UsageError, match=r"manifest\.json:1:101: is not the output of cdk synth"):
        read_templates(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '{"Resources": ' + "[" * 10_000, r"a\.json:1:114: maps or lists are nested too"),
        ("a.json", '{"Resources": ' + "1" * 5001 + "}", r"a\.json:1:15: a number has more than"),
        ("a.json", '{"Resources":\n"\\ud800"}', r"a\.json:2:1: .* is half a character"),
        ("a.yaml", "%YAML 1.3\n---\nResources: {}", r"a\.yaml:1:1: the version of %YAML"),
        ("a.yaml", "Resources:\n  A: !!bool maybe", r"a\.yaml:2:6: a value can't be read as bool"),
        ("a.yaml", "Resources:\n  A: !!int x", r"a\.yaml:2:6: a value can't be read as int"),
        ("a.yaml", "#" * (4 * 2**20 + 1), "a.yaml: the file has more than 4194304 bytes"),
    ],
)
def test_a_template_beyond_the_limits_is_refused_with_a_position(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_template_file(file)
