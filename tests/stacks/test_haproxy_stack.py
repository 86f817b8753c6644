"""HAProxy in stacks: names that must not change, user data that must not change, SSM documents."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from denodo_ha.environment.derived.topology import haproxy_front_listeners
from denodo_ha.environment.loading.loader import load
from hosts.haproxy.desired_state import DesiredState
from hosts.haproxy.host import PROGRAM_FOLDER
from stacks.nodes.first_boot import HAPROXY, HAPROXY_PROGRAM_FOLDER, first_boot_script
from tests.environment.rule_cases.haproxy import deployed
from tests.support.assembly import ROOT, Assembly, synthesise
from tests.support.configurations import Data, changed, loaded

FLEET = "AWS::AutoScaling::AutoScalingGroup"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
AssemblyOf = Callable[[str], Assembly]


def template(folder: Path, data: Data) -> dict[str, Any]:
    folder.mkdir()
    made = synthesise(loaded(folder, data), folder / "out").templates["test-main"]
    resources: dict[str, Any] = made["Resources"]
    return resources


def test_a_change_of_its_file_replaces_no_machine(tmp_path: Path) -> None:
    before = template(tmp_path / "before", deployed("7.0"))
    more = {"services/odbc": 9996, "clusters/main/balancer/haproxy/maxconn": 1000}
    after = template(tmp_path / "after", changed(deployed("7.0"), more))
    kinds = ("AWS::EC2::LaunchTemplate", "AWS::EC2::Instance")
    for id_, one in before.items():
        if one["Type"] in kinds:
            assert after[id_]["Properties"] == one["Properties"]
    (parameter,) = (id_ for id_ in before if id_.startswith("HaproxyStateParameter"))
    assert before[parameter]["Properties"]["Value"] != after[parameter]["Properties"]["Value"]


def test_a_host_reads_its_parameter_with_and_without_certificates(
    assembly_of: AssemblyOf, tmp_path: Path
) -> None:
    given = assembly_of("haproxy").templates["denodo70ha-active"]["Resources"]
    bare = template(tmp_path / "bare", deployed("7.0"))
    found = []
    for resources in (given, bare):
        (id_,) = (
            resource for resource in resources if resource.startswith("HaproxyStateParameter")
        )
        value = resources[id_]["Properties"]["Value"]
        if isinstance(value, dict):
            parts = value["Fn::Join"][1]
            value = "".join(part if isinstance(part, str) else "x" for part in parts)
        found.append(DesiredState.parse(value))
    assert [bool(one.certificate and one.authority) for one in found] == [True, False]
    assert all(one.file.endswith(".cfg") and one.health_port == 9192 for one in found)


def test_a_cluster_that_gets_haproxy_keeps_its_balancer_and_listeners(tmp_path: Path) -> None:
    direct = changed(deployed("7.0"), {"clusters/main/balancer": {**NLB}})
    before, after = template(tmp_path / "a", direct), template(tmp_path / "b", deployed("7.0"))
    kinds = {
        "AWS::ElasticLoadBalancingV2::LoadBalancer": True,
        LISTENER: True,
        "AWS::ElasticLoadBalancingV2::TargetGroup": False,
    }
    for kind, same in kinds.items():
        ids = [{id_ for id_, one in of.items() if one["Type"] == kind} for of in (before, after)]
        assert ids[0]
        assert (ids[0] == ids[1]) if same else not ids[0] & ids[1]


NLB = {"kind": "nlb", "clients": ["10.0.0.0/8"], "deletion_protection": True}


def test_first_boot_hands_over_to_the_program() -> None:
    assert Path(HAPROXY_PROGRAM_FOLDER) == PROGRAM_FOLDER
    text = first_boot_script(
        parameter="/denodo/a/b/haproxy/state", region="eu-west-1", kind=HAPROXY
    )
    done = subprocess.run(
        ["sh", "-n"], input=text, text=True, timeout=120, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "@" not in text.replace('"$@"', "")


def document(assembly_of: AssemblyOf, prefix: str) -> dict[str, Any]:
    documents = assembly_of("haproxy").resources("denodo70ha-active", "AWS::SSM::Document")
    (content,) = (
        document["Content"] for id_, document in documents.items() if id_.startswith(prefix)
    )
    result: dict[str, Any] = content
    return result


def test_the_document_runs_what_it_is_asked_and_takes_nothing_else(
    assembly_of: AssemblyOf, tmp_path: Path
) -> None:
    content = document(assembly_of, "HaproxyOperations")
    (step,) = content["mainSteps"]
    for action, more, wanted in (
        ("drain", {"Wait": "no", "Force": "yes"}, "drain node1 --timeout 60 --no-wait --force"),
        ("drain", {}, "drain node1 --timeout 60"),
        ("enable", {}, "enable node1 --timeout 60"),
        ("status", {}, "status --format json"),
        ("save", {}, "save"),
    ):
        given = {"Action": action, "Node": "node1", "Seconds": "60", "Wait": "yes", "Force": "no"}
        text = "\n".join(step["inputs"]["runCommand"])
        for name, value in {**given, **more}.items():
            assert name in content["parameters"]
            text = text.replace(f"{{{{ {name} }}}}", value)
        text = text.replace(f"{HAPROXY_PROGRAM_FOLDER}/current", str(tmp_path))
        text = text.replace("export PATH", 'python3() { shift 2; echo "$@"; }')
        done = subprocess.run(
            ["sh"],
            input=text.replace("exec ", ""),
            text=True,
            timeout=120,
            check=False,
            capture_output=True,
        )
        assert (done.stdout.strip(), done.stderr) == (wanted, "")
    assert set(content["parameters"]["Action"]["allowedValues"]) >= {"apply", "drain", "enable"}
    assert all(
        "allowedValues" in one or "allowedPattern" in one for one in content["parameters"].values()
    )


def test_the_solution_managers_document_can_do_less_and_the_same_way(
    assembly_of: AssemblyOf,
) -> None:
    every, some = (document(assembly_of, one) for one in ("HaproxyOperations", "HaproxyRotation"))
    assert some["parameters"]["Action"]["allowedValues"] == ["drain", "enable", "status"]
    scripts = [set(one["mainSteps"][0]["inputs"]["runCommand"]) for one in (every, some)]
    assert scripts[1] < scripts[0]
    assert not any("apply" in line or "reload" in line for line in scripts[1])
    rest = [{**one["parameters"], "Action": None} for one in (every, some)]
    assert rest[0] == rest[1]


def test_every_port_in_front_is_one_that_haproxy_listens_on() -> None:
    environment = load(ROOT / "config/examples/haproxy.yaml").environment
    for cluster in environment.clusters.values():
        for one in haproxy_front_listeners(environment, cluster):
            assert (one.target_port, one.nodes) == (one.port, ())
            path = f"/health/{one.key}" if one.service else "/health"
            assert (one.health.port, one.health.path) == (9192, path)
