"""A change of one key changes only the resources of this key, and updates shared ones in place."""

import copy
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from denodo_ha.environment.loading.loader import load
from hosts import archive
from tests.support.assembly import ROOT, SharedAssemblies, Template, synthesise

GROUP_OF_RULES = "AWS::EC2::SecurityGroup"
Data = dict[str, Any]
Synth = Callable[[Data], dict[str, Template]]


@pytest.fixture
def synth(tmp_path: Path, assemblies: SharedAssemblies) -> Synth:
    """Return a function that synthesises a configuration, given as plain data, once for all tests.

    Most tests change one of two examples.
    """
    file = tmp_path / "environment.yaml"

    def of(data: Data) -> dict[str, Template]:
        file.write_text(json.dumps(data))
        return assemblies.of(file).templates

    return of


@pytest.fixture
def article() -> Data:
    return _example("active-passive")


@pytest.fixture
def created() -> Data:
    return _example("active-active")


def _example(name: str) -> Data:
    text = (ROOT / "config/examples" / f"{name}.yaml").read_text()
    return dict(YAML(typ="safe").load(text))


class Change:
    """The difference between two templates."""

    def __init__(self, before: Template, after: Template) -> None:
        old, new = before["Resources"], after["Resources"]
        self.added = {id_: new[id_] for id_ in new.keys() - old.keys()}
        self.removed = {id_: old[id_] for id_ in old.keys() - new.keys()}
        self.changed = {
            id_: {
                key
                for key in {*_settings(old[id_]), *_settings(new[id_])}
                if _settings(old[id_]).get(key) != _settings(new[id_]).get(key)
            }
            for id_ in old.keys() & new.keys()
            if old[id_] != new[id_]
        }
        self._after = new

    def path(self, id_: str) -> str:
        """Return the construct path of a changed resource."""
        return str(self._after[id_]["Metadata"]["aws:cdk:path"])


def _settings(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource's properties, with `DependsOn` as an additional property."""
    return {**resource.get("Properties", {}), "DependsOn": resource.get("DependsOn")}


def _ports(resource: dict[str, Any]) -> tuple[int, int]:
    return resource["Properties"]["FromPort"], resource["Properties"]["ToPort"]


def _split(resources: dict[str, Any]) -> tuple[set[str], set[tuple[int, int]]]:
    """Return the construct paths of resources, and the ports of security group rules."""
    paths, ports = set(), set()
    for one in resources.values():
        if one["Type"].startswith("AWS::EC2::SecurityGroup"):
            ports.add(_ports(one))
        else:
            paths.add("/".join(one["Metadata"]["aws:cdk:path"].split("/")[1:3]))
    return paths, ports


def _alarms_of_service(name: str) -> set[str]:
    """Return the construct paths of the alarms on a service's target group."""
    return {f"Alarms/healthy-service-{name}", f"Alarms/unhealthy-service-{name}"}


def _changed_parts(change: "Change") -> set[str]:
    """Return the changed constructs of the stack, by the first part of their path."""
    return {change.path(id_).split("/")[1] for id_ in change.changed}


def _changed_instances(change: "Change") -> dict[str, set[str]]:
    """Return the changed properties of instances by logical id."""
    return {
        id_: keys
        for id_, keys in change.changed.items()
        if "/Instance/Resource" in change.path(id_)
    }


def test_a_new_service_touches_nothing_else(synth: Synth, article: Data) -> None:
    after = copy.deepcopy(article)
    # Insert the new service first: if ids depended on a service's position, all ids would change.
    after["services"] = {"batch": 8181, **after["services"]}
    one, two = synth(article), synth(after)
    for stack in ("denodo70-active", "denodo70-passive"):
        change = Change(one[stack], two[stack])
        paths = {"Balancer/service-batch", *_alarms_of_service("batch")}
        assert _split(change.added) == (paths, {(8181, 8181)})
        assert change.removed == {}
        assert _changed_parts(change) == {"Alarms", "state-node1", "state-node2"}
        assert set.union(*change.changed.values()) == {"AlarmRule", "Value"}
    assert one["denodo70-failover"] == two["denodo70-failover"]


def test_cookies_touch_no_other_service(synth: Synth, created: Data) -> None:
    """The first service with cookies adds the Application Load Balancer, others only a listener."""
    first, second = copy.deepcopy(created), copy.deepcopy(created)
    first["services"]["app"] = {"port": 8181, "sticky": "cookie"}
    second["services"] = {"api": {"port": 8182, "sticky": "cookie"}, **first["services"]}
    zero, one, two = (synth(data)["denodo80-main"] for data in (created, first, second))
    change = Change(zero, one)
    group = {id_: of for id_, of in change.added.items() if of["Type"] == GROUP_OF_RULES}
    rest = {id_: of for id_, of in change.added.items() if id_ not in group}
    assert len(group) == 1
    paths = {"Balancer/Cookies", "Balancer/service-app", *_alarms_of_service("app")}
    paths.add("Alarms/SilentAlb")
    assert _split(rest) == (paths, {(8181, 8181), (9191, 9191)})
    assert change.removed == {}
    in_place = {("AlarmRule",), ("Value",)}
    assert {tuple(keys) for keys in change.changed.values()} == in_place
    change = Change(one, two)
    assert _split(change.added) == (
        {"Balancer/Cookies", "Balancer/service-api", *_alarms_of_service("api")},
        {(8182, 8182)},
    )
    assert sum("api" not in id_ and "8182" not in id_ for id_ in change.added) == 0
    assert change.removed == {}
    # The alarm for a load balancer without metrics (`SilentAlb`) uses the first target group.
    changed = {change.path(id_): keys for id_, keys in change.changed.items()}
    assert changed.pop("denodo80-main/Alarms/SilentAlb") == {"Dimensions"}
    assert {tuple(keys) for keys in changed.values()} == in_place
    back = Change(two, zero)
    assert back.added == {}
    assert {tuple(keys) for keys in back.changed.values()} == in_place


def test_cookies_instead_of_addresses_keep_the_listener(synth: Synth, created: Data) -> None:
    """The listener forwards to a new target group, and the service's alarms watch this group."""
    after = copy.deepcopy(created)
    after["services"]["web"]["sticky"] = "cookie"
    change = Change(synth(created)["denodo80-main"], synth(after)["denodo80-main"])
    changed = {id_: keys for id_, keys in change.changed.items() if keys != {"Value"}}
    assert {change.path(id_): keys for id_, keys in changed.items()} == {
        "denodo80-main/Balancer/service-web/Listener/Resource": {"DefaultActions"},
        "denodo80-main/Alarms/healthy-service-web": {"Dimensions", "Namespace"},
        "denodo80-main/Alarms/unhealthy-service-web": {"Dimensions", "Namespace"},
    }
    kinds = sorted(one["Type"].rpartition("::")[2] for one in change.removed.values())
    assert kinds == ["SecurityGroupEgress", "SecurityGroupIngress", "TargetGroup"]


def test_a_new_node_joins_the_shared_groups_in_place(synth: Synth, article: Data) -> None:
    after = copy.deepcopy(article)
    nodes = after["clusters"]["active"]["nodes"]
    after["clusters"]["active"]["nodes"] = {
        "aaa": {"zone": "eu-west-1b", "auxiliary_port": 39997},
        **nodes,
    }
    one, two = synth(article), synth(after)
    change = Change(one["denodo70-active"], two["denodo70-active"])
    assert _split(change.added) == (
        {
            *("node-aaa/Role", "node-aaa/Instance", "Balancer/auxiliary-aaa"),
            *("state-aaa/Parameter", "Names/node-aaa"),
            *("Alarms/machine-aaa", "Alarms/unhealthy-auxiliary-aaa", "Alarms/OneNodeLeft"),
        },
        {(39997, 39997)},
    )
    assert change.removed == {}
    targets = {id_ for id_, keys in change.changed.items() if keys == {"Targets"}}
    assert {id_.split("Group")[0] for id_ in targets} == {
        "Balancerservicejdbc",
        "Balancerserviceodbc",
        "Balancerserviceweb",
    }
    # If one of three nodes is lost, more than one remains. So the alarms MachineLost and NodeOut
    # are no longer urgent, and another alarm, for the last node, is added.
    texts = {"AlarmActions", "AlarmDescription", "OKActions"}
    assert {
        change.path(id_): keys for id_, keys in change.changed.items() if id_ not in targets
    } == {
        "denodo70-active/Alarms/MachineLost": texts | {"AlarmRule"},
        "denodo70-active/Alarms/NodeOut": texts | {"AlarmRule"},
    }
    assert one["denodo70-passive"] == two["denodo70-passive"]
    assert one["denodo70-failover"] == two["denodo70-failover"]
    # Removing the node changes the same resources as adding it.
    back = Change(two["denodo70-active"], one["denodo70-active"])
    assert back.removed.keys() == change.added.keys()
    assert back.changed == change.changed


def test_a_new_zone_moves_no_other(synth: Synth, created: Data) -> None:
    before, after = copy.deepcopy(created), copy.deepcopy(created)
    cluster = before["clusters"]["main"]
    cluster["network"]["zones"] = ["eu-west-1b", "eu-west-1c"]
    cluster["nodes"] = {"node2": {"zone": "eu-west-1b"}, "node3": {"zone": "eu-west-1c"}}
    after["clusters"]["main"]["nodes"] = copy.deepcopy(cluster["nodes"])
    change = Change(synth(before)["denodo80-main"], synth(after)["denodo80-main"])
    paths, ports = _split(change.added)
    assert paths == {"Network/public-eu-west-1a", "Network/private-eu-west-1a"}
    assert ports == set()
    assert change.removed == {}
    assert {tuple(keys) for keys in change.changed.values()} == {("Subnets",), ("RouteTableIds",)}


@pytest.mark.parametrize("name", ["active-passive", "active-active"])
def test_order_never_matters(synth: Synth, name: str) -> None:
    data = _example(name)
    assert synth(data) == synth(_reversed(data))


def _reversed(value: Any) -> Any:
    """Return maps and lists in reverse order, which has no meaning in a configuration."""
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return [_reversed(item) for item in reversed(value)]
    return value


def test_a_port_change_replaces_the_group_and_not_the_listener(synth: Synth, article: Data) -> None:
    after = copy.deepcopy(article)
    after["services"]["odbc"]["port"] = 9986
    change = Change(synth(article)["denodo70-active"], synth(after)["denodo70-active"])
    assert _split(change.added) == (set(), {(9986, 9986)})
    assert _split(change.removed) == (set(), {(9996, 9996)})
    assert {tuple(sorted(keys)) for keys in change.changed.values()} == {
        ("Port", "Targets"),
        ("Port",),
        ("Value",),
    }


def test_an_instance_change_touches_no_pinned_node(tmp_path: Path, article: Data) -> None:
    pin = {"image": "ami-0123456789abcdef0", "type": "m5.xlarge", "disk_gib": 100}
    file = tmp_path / "environment.yaml"
    file.write_text(json.dumps(article))
    (tmp_path / "environment.pins.yaml").write_text(json.dumps({"active": {"node1": pin}}))
    before = synthesise(load(file), tmp_path / "one").templates["denodo70-active"]
    article["clusters"]["active"]["instance"]["image"] = "ami-0aaaaaaaaaaaaaaaa"
    file.write_text(json.dumps(article))
    loaded = load(file)
    after = synthesise(loaded, tmp_path / "two").templates["denodo70-active"]
    change = Change(before, after)
    assert _changed_parts(change) == {"node-node2"}
    assert set.union(*change.changed.values()) == {"ImageId"}
    (note,) = [finding for finding in loaded.findings if finding.rule == "waiting-for-rollout"]
    assert note.path == ("clusters", "active", "nodes", "node1")
    assert "ami-0123456789abcdef0 -> ami-0aaaaaaaaaaaaaaaa" in note.sentence


def test_a_changed_alarm_is_a_new_alarm(synth: Synth, article: Data) -> None:
    """Another threshold replaces the alarm: a health check reads its alarm's settings only once.

    The alarm that detects missing data does not depend on the threshold, and remains.
    """
    after = copy.deepcopy(article)
    after["failover"]["threshold"] = 2
    change = Change(synth(article)["denodo70-active"], synth(after)["denodo70-active"])
    for alarms in (change.added, change.removed):
        assert [(of["Type"], of["Properties"]["TreatMissingData"]) for of in alarms.values()] == [
            ("AWS::CloudWatch::Alarm", "missing")
        ]
    assert list(change.changed.values()) == [{"HealthCheckConfig"}]


def test_another_port_on_the_nodes_leaves_the_balancer_s_own_check(
    synth: Synth, article: Data
) -> None:
    """Only the health check of the nodes changes; it keeps its status until its new alarm has data.

    The load balancer's own check does not change.
    """
    after = copy.deepcopy(article)
    after["services"]["jdbc"] = 9989
    change = Change(synth(article)["denodo70-active"], synth(after)["denodo70-active"])
    metrics = [
        [
            one["Properties"]["MetricName"]
            for one in of.values()
            if "MetricName" in one["Properties"]
        ]
        for of in (change.added, change.removed)
    ]
    assert metrics == [["HealthyHostCount"], ["HealthyHostCount"]]
    checks = [id_ for id_, keys in change.changed.items() if "HealthCheckConfig" in keys]
    assert [change.path(id_).split("/")[-2] for id_ in checks] == ["Check"]


def test_a_replaced_balancer_changes_its_record(synth: Synth, article: Data) -> None:
    """A new load balancer changes the comment of its record, which contains a hash of the settings.

    Otherwise the template would be unchanged: the CDK CLI would skip the failover stack, and the
    record would keep the old load balancer's name.
    """
    after = copy.deepcopy(article)
    after["clusters"]["passive"]["network"]["vpc"] = "vpc-0aaaaaaaaaaaaaaaa"
    change = Change(synth(article)["denodo70-failover"], synth(after)["denodo70-failover"])
    assert [*change.changed] == [id_ for id_ in change.changed if id_.startswith("Secondary")]
    assert list(change.changed.values()) == [{"Comment"}]


def test_who_controls_is_changed_in_place(synth: Synth, article: Data) -> None:
    """With `control: operator`, only the calculated check is removed; records and switch remain."""
    after = copy.deepcopy(article)
    after["failover"]["control"] = "operator"
    change = Change(synth(article)["denodo70-failover"], synth(after)["denodo70-failover"])
    assert change.added == {}
    (removed,) = change.removed.values()
    assert removed["Properties"]["HealthCheckConfig"]["Type"] == "CALCULATED"
    by_kind = {id_.rstrip("0123456789ABCDEF"): keys for id_, keys in change.changed.items()}
    assert by_kind == {"Primary": {"HealthCheckId"}, "OperatorsPolicy": {"PolicyDocument"}}


def test_clusters_that_swap_roles_keep_the_switch(synth: Synth, article: Data) -> None:
    after = copy.deepcopy(article)
    failover = after["failover"]
    failover["primary"], failover["secondary"] = failover["secondary"], failover["primary"]
    # Set the region of the switch: by default it is the secondary's region, which changes.
    for data in (article, after):
        data["failover"]["region"] = "eu-central-1"
    change = Change(synth(article)["denodo70-failover"], synth(after)["denodo70-failover"])
    assert (change.added, change.removed) == ({}, {})
    assert not [id_ for id_ in change.changed if id_.startswith("Switch")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("heap_gib", 6),
        ("jvm", {"web": "-Xmx1g"}),
        ("servers", ["vdp", "diagnostic-monitoring"]),
        ("user", "dbadmin"),
        ("stop_limit", 60),
        ("metadata", {"source": "export", "uri": "s3://bucket/key.vql", "login": {}}),
    ],
)
def test_what_runs_on_a_node_is_changed_by_its_parameter(
    synth: Synth, created: Data, key: str, value: Any
) -> None:
    """A change of the key changes the node's parameter, and restarts or replaces no instance."""
    if key == "metadata":
        value["login"] = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:login-AbCdEf"
    after = copy.deepcopy(created)
    after["denodo"][key] = value
    change = Change(synth(created)["denodo80-main"], synth(after)["denodo80-main"])
    assert (change.added, change.removed) == ({}, {})
    assert _changed_instances(change) == {}
    changed = {tuple(keys) for keys in change.changed.values()}
    assert ("Value",) in changed
    assert changed <= {("Value",), ("PolicyDocument",)}


def test_ports_change_parameters_and_groups_and_no_instance(synth: Synth, created: Data) -> None:
    after = copy.deepcopy(created)
    after["services"] = {"jdbc": 19999, "odbc": 9996, "web": {"port": 9090, "sticky": True}}
    change = Change(synth(created)["denodo80-main"], synth(after)["denodo80-main"])
    assert _changed_instances(change) == {}


def test_a_changed_byte_of_the_program_touches_no_instance(
    created: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text(json.dumps(created))
    before = synthesise(load(file), tmp_path / "one").templates["denodo80-main"]
    changed = tmp_path / "hosts"
    shutil.copytree(archive.SOURCES, changed)
    with (changed / "denodo/log.py").open("a") as module:
        module.write("\n")
    monkeypatch.setattr(archive, "SOURCES", changed)
    after = synthesise(load(file), tmp_path / "two").templates["denodo80-main"]
    change = Change(before, after)
    assert (change.added, change.removed) == ({}, {})
    assert {tuple(keys) for keys in change.changed.values()} == {("Value",), ("PolicyDocument",)}
    assert _changed_instances(change) == {}


def test_bytecode_is_no_part_of_the_program(created: Data, tmp_path: Path) -> None:
    """The archive of the node program has no bytecode, which differs between machines."""
    file = tmp_path / "environment.yaml"
    file.write_text(json.dumps(created))
    synthesise(load(file), tmp_path / "out")
    (packed,) = (tmp_path / "out").glob("asset.*.zip")
    with zipfile.ZipFile(packed) as program:
        names = program.namelist()
    assert "hosts/denodo/systemd/denodo-node.service" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
