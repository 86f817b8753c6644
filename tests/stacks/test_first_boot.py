"""User data of machines, and the bucket's objects whose hashes user data and programs verify."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.facts.limits import USER_DATA_BYTES
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.pins import NEWEST_FIRST_BOOT
from hosts.denodo import program_update
from stacks.nodes.first_boot import HAPROXY, NODE, NODE_PROGRAM_FOLDER, first_boot_script
from stacks.nodes.first_boot_original import original_script
from tests.support.assembly import ROOT, Template, synthesise

PARAMETER, REGION = "/denodo/prod/main/node1", "eu-west-1"
EXAMPLE = ROOT / "config/examples/active-active.yaml"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_texts_have_the_bytes_that_deployed_machines_have() -> None:
    """A changed byte restarts every node and replaces every HAProxy instance.

    So a changed first-boot text gets a new version number, which new pins contain; the texts of
    earlier versions remain in the code.
    """
    original = original_script(parameter=PARAMETER, region=REGION)
    node, haproxy = (
        first_boot_script(parameter=PARAMETER, region=REGION, kind=kind) for kind in (NODE, HAPROXY)
    )
    assert {"original": _sha256(original), "node": _sha256(node), "haproxy": _sha256(haproxy)} == {
        "original": "8c03dc1817bf9700779fbc62dff0762f8e405a7b7d96290afb0d1e39833c6d91",
        "node": "e29bda2b5112567b7ecaa57d03241088c27bdf32c572ee7cee4510c71686d974",
        "haproxy": "b2b7918df1c881e2dd6ceaf4b63ddadcff2f667b859231b9c55b8c375de40c9b",
    }
    assert NEWEST_FIRST_BOOT == 2, "the pins name the version"


@pytest.mark.parametrize("kind", [NODE, HAPROXY], ids=lambda kind: kind.package)
def test_a_text_is_a_script_below_the_limit(kind: Any) -> None:
    # A parameter's name has at most 1011 characters (AWS, PutParameter).
    text = first_boot_script(parameter=f"/{'p' * 1010}", region="ap-southeast-1", kind=kind)
    assert len(text.encode()) < USER_DATA_BYTES.value
    done = subprocess.run(
        ["sh", "-n"], input=text, text=True, timeout=120, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "@" not in text.replace('"$@"', "")
    assert ":/snap/bin\n" in text, "Ubuntu installs the AWS CLI as a snap"


def test_the_program_is_where_the_program_looks_for_it() -> None:
    assert Path(NODE_PROGRAM_FOLDER) == program_update.PROGRAM_FOLDER


def _user_data(template: Template) -> dict[str, str]:
    texts = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::EC2::Instance":
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            texts[tags["denodo:node"]] = resource["Properties"]["UserData"]["Fn::Base64"]
    return texts


def test_a_node_keeps_the_text_that_its_pin_names(tmp_path: Path) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text(EXAMPLE.read_text())
    machine = {"image": "ami-0123456789abcdef0", "type": "m5.xlarge", "disk_gib": 100}
    pins = {"main": {"node1": machine, "node2": {**machine, "first_boot": 2}}}
    (tmp_path / "environment.pins.yaml").write_text(json.dumps(pins))
    texts = _user_data(synthesise(load(file), tmp_path / "out").templates["denodo80-main"])
    for node, text in texts.items():
        script = original_script if node == "node1" else first_boot_script
        assert text == script(parameter=f"/denodo/denodo80/main/{node}", region=REGION)
    assert sorted(texts) == ["node1", "node2", "node3"], "node3 has no pin, and is new"


def test_the_key_of_a_file_is_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    """Machines compare a file's key with the SHA-256 of its bytes.

    The name that the CDK gives an asset by default is not this hash, but a hash of hashes.
    """
    out = tmp_path / "out"
    template = synthesise(load(ROOT / "config/examples/haproxy.yaml"), out).templates
    named = json.dumps(template["denodo70ha-active"])
    keys = set()
    for asset in json.loads((out / "denodo70ha-active.assets.json").read_text())["files"].values():
        file = out / asset["source"]["path"]
        (key,) = {destination["objectKey"] for destination in asset["destinations"].values()}
        if file.suffix in {".zip", ".cfg"}:
            assert key == hashlib.sha256(file.read_bytes()).hexdigest() + file.suffix
            assert asset["source"]["packaging"] == "file", "the CDK must not pack it again"
            assert f"/{key}" in named
            keys.add(file.suffix)
    assert keys == {".zip", ".cfg"}
