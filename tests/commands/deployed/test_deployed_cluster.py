"""Clusters that are read from deployed stacks match their configuration."""

import io
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.template_document import parse_template
from denodo_ha.cli.errors import AwsError, Failed, NotFound, UsageError
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import environment_locator, stack
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.environment.derived import topology
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Clouds


def read(config: str, cluster: str) -> Cluster:
    aws = Aws()
    return found.read_cluster(
        aws,
        environment_locator.locate_environment(
            aws, config=config, environment=None, regions=None
        ).cluster(cluster),
    )


@pytest.mark.parametrize(
    ("config", "cluster"),
    [("active-passive", "passive"), ("internet-facing", "east"), ("adopted", "main")],
)
def test_is_what_the_configuration_says(clouds: Clouds, config: str, cluster: str) -> None:
    cloud = clouds(config)
    deployed = read(config, cluster)
    configured = cloud.environment.clusters[cluster]
    listeners = topology.listeners(cloud.environment, configured)

    assert [node.name for node in deployed.nodes] == sorted(configured.nodes)
    assert {node.name for node in deployed.nodes if node.logical_id is None} == {
        name for name, node in configured.nodes.items() if node.instance_id
    }
    assert [
        (group.key, group.port, tuple(target.node for target in group.targets), group.health)
        for group in deployed.groups
        if group.alb is None
    ] == [
        (listener.key, listener.target_port, listener.nodes, listener.health)
        for listener in listeners
    ]
    assert [group.service for group in deployed.service_groups] == sorted(
        cloud.environment.services
    )
    assert {group.arn for group in deployed.groups} == set(cloud.groups(cluster).values())
    assert {group.region for group in deployed.groups} == {configured.region}

    balancer = deployed.balancer
    assert balancer is not None
    assert balancer.dns_name == cloud.stack(cluster).outputs["BalancerDnsName"]
    assert [listener.port for listener in balancer.listeners] == sorted(
        listener.port for listener in listeners
    )
    behind = [deployed.group_behind(listener) for listener in balancer.listeners]
    assert {group.arn for group in behind if group} == {
        group.arn for group in deployed.groups if group.alb is None
    }


def test_nodes_with_cookies_are_behind_the_second_balancer(clouds: Clouds) -> None:
    """No node is in the target group `web's balancer`, whose only target is a load balancer."""
    cloud = clouds("web-cookies")
    deployed = read("web-cookies", "main")
    services = ["jdbc", "odbc", "web"]
    assert [group.key for group in deployed.groups] == [*services, "web's balancer"]
    assert [group.service for group in deployed.service_groups] == services
    assert [group.key for group in deployed.groups_of("node1")] == services
    assert {group.key: group.protocol for group in deployed.service_groups} == {
        "jdbc": "TCP",
        "odbc": "TCP",
        "web": "HTTP",
    }
    assert {group.type for group in deployed.service_groups} == {"instance"}
    front = deployed.groups[-1]
    (target,) = front.targets
    assert (front.type, front.service, front.node, target.node) == ("alb", None, None, None)
    balancer = deployed.balancer
    assert balancer is not None
    assert balancer.dns_name == cloud.stack("main").outputs["BalancerDnsName"]
    ports = {listener.port: listener for listener in balancer.listeners}
    assert set(ports) == {443, 9996, 9999}
    for port, service in ((9999, "jdbc"), (443, "web")):
        behind = deployed.group_behind(ports[port])
        assert behind is not None
        assert (behind.service, len(behind.targets)) == (service, 2)
    unknown = replace(ports[443], group="arn:…")
    assert deployed.group_behind(unknown) is None


def test_a_single_node_without_balancer(clouds: Clouds) -> None:
    cloud = clouds("standalone-failover")
    deployed = read("standalone-failover", "first")
    assert (deployed.balancer, deployed.groups) == (None, ())
    assert [node.instance_id for node in deployed.nodes] == [cloud.nodes("first")["node1"]]


@pytest.mark.usefixtures("cloud")
def test_a_node_and_its_groups() -> None:
    deployed = read("active-passive", "active")
    node = deployed.node("node1")
    assert [group.key for group in deployed.groups_of("node1")] == ["jdbc", "odbc", "web", "node1"]
    (own,) = deployed.auxiliary_groups("node1")
    target = own.target("node1")
    assert target is not None
    assert (target.id, target.port) == (node.instance_id, 19997)
    assert own.target("node2") is None
    assert deployed.auxiliary_groups("node3") == ()
    with pytest.raises(UsageError, match=r"did you mean node1\?"):
        deployed.node("nod1")


@pytest.mark.usefixtures("cloud")
def test_pages_are_read_to_the_end() -> None:
    aws = Aws()
    place = environment_locator.locate_environment(
        aws, config="active-passive", environment=None, regions=None
    ).clusters[0]
    deployed = stack.read_stack(aws, place)
    assert deployed.physical_ids.keys() == deployed.template["Resources"].keys()


class TestNames:
    """Node names are read exactly, although names of outputs have only letters and digits."""

    def name(self, clouds: Clouds, template: dict[str, Any]) -> list[str]:
        """Return the node names that are read after a change of the adopted example's template."""
        cloud = clouds("adopted")
        deployed = cloud.stack("main")
        deployed.template = {**deployed.template, **template}
        return [node.name for node in read("adopted", "main").nodes]

    def test_is_written_in_the_template(self, clouds: Clouds) -> None:
        written = {"NodeIdvdpnode01": "vdp-node01", "NodeIdvdpnode03": "v.d.p-node03"}
        told = {"Metadata": {"Denodo": {"Nodes": written}}}
        assert self.name(clouds, told) == ["v.d.p-node03", "vdp-node01", "vdp.node02"]

    def test_else_it_is_a_tag(self, clouds: Clouds) -> None:
        assert self.name(clouds, {"Metadata": {}}) == ["vdp.node01", "vdp.node02", "vdp.node03"]

    def test_else_it_is_what_the_output_has(self, clouds: Clouds) -> None:
        outputs = {"NodeIdalone": {"Value": "i-0cccccccccccccccc"}}
        assert self.name(clouds, {"Metadata": {}, "Outputs": outputs}) == ["alone"]


class TestWhileDeploying:
    """Read a cluster during a deploy."""

    def test_ids_are_those_of_now(self, cloud: Cloud) -> None:
        deployed = cloud.stack("active")
        node = next(id_ for id_ in deployed.physical_ids if id_.startswith("nodenode1Instance9"))
        deployed.physical_ids[node] = "i-0fffffffffffffff0"
        deployed.status = "UPDATE_IN_PROGRESS"
        cluster = read("active-passive", "active")
        assert cluster.stack.changing
        assert cluster.node("node1").instance_id == "i-0fffffffffffffff0"
        assert {group.key for group in cluster.groups_of("node1")} == {
            "jdbc",
            "odbc",
            "web",
            "node1",
        }

    def test_what_is_not_made_yet(self, cloud: Cloud) -> None:
        deployed = cloud.stack("active")
        deployed.outputs.clear()
        for id_, resource in deployed.template["Resources"].items():
            if resource["Type"].startswith(("AWS::EC2::Instance", "AWS::Elastic")):
                del deployed.physical_ids[id_]
        cluster = read("active-passive", "active")
        assert [node.instance_id for node in cluster.nodes] == ["", ""]
        assert (cluster.balancer, cluster.groups) == (None, ())


class TestNotThere:
    """Stacks that do not exist or cannot be read."""

    def test_nothing_is_deployed(self, cloud: Cloud) -> None:
        cloud.stacks.all.clear()
        with pytest.raises(NotFound, match="denodo70-active does not exist"):
            read("active-passive", "active")

    def test_a_lost_region_hides_no_other(self, cloud: Cloud) -> None:
        cloud.faults.lose("eu-west-1")
        aws = Aws(attempts=1)
        site = environment_locator.locate_environment(
            aws, config="active-passive", environment=None, regions=None
        )
        active, passive = found.read_clusters(aws, site.clusters)
        assert isinstance(active, AwsError)
        assert isinstance(passive, Cluster)

    @pytest.mark.parametrize("body", ["just text", "{", "a: [", ""])
    def test_a_template_that_is_none(self, body: str) -> None:
        with pytest.raises(Failed, match="cannot be read"):
            parse_template(body)


class TestTemplate:
    """Read each form in which CloudFormation returns a template."""

    def test_the_cdk_sends_yaml(self, cloud: Cloud) -> None:
        before = read("active-passive", "active")
        deployed, text = cloud.stack("active"), io.StringIO()
        yaml = YAML()
        # As the CDK CLI does, quote texts that YAML 1.1 would read as booleans.
        yaml.version = (1, 1)
        yaml.dump(deployed.template, text)
        deployed.body = text.getvalue()
        assert read("active-passive", "active") == before

    def test_short_forms_become_long_ones(self) -> None:
        body = """
            AWSTemplateFormatVersion: 2010-09-09
            Resources:
              Group:
                Condition: !Condition Wanted
                Properties:
                  Id: !Ref Node
                  Name: !GetAtt Nlb.DNSName
                  Also: !GetAtt [Nlb, DNSName]
                  Text: !Sub "${A}-b"
                  List: !Join [",", [a, !Ref B]]
                  Map: !Transform {Name: x}
        """
        parsed = parse_template(body)
        assert parsed["AWSTemplateFormatVersion"] == "2010-09-09"
        assert parsed["Resources"]["Group"] == {
            "Condition": {"Condition": "Wanted"},
            "Properties": {
                "Id": {"Ref": "Node"},
                "Name": {"Fn::GetAtt": ["Nlb", "DNSName"]},
                "Also": {"Fn::GetAtt": ["Nlb", "DNSName"]},
                "Text": {"Fn::Sub": "${A}-b"},
                "List": {"Fn::Join": [",", ["a", {"Ref": "B"}]]},
                "Map": {"Fn::Transform": {"Name": "x"}},
            },
        }
