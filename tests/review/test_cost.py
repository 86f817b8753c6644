"""Items of stacks that AWS charges for, their sums, and the documented cost of the examples."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.review.cost import price_list
from denodo_ha.review.cost.cost_items import charged_items
from denodo_ha.review.cost.monthly_cost import monthly_cost
from denodo_ha.review.cost.price_list import HOURS, Price, Source
from tests.review.stacks_with_costs import node, resource, stack
from tests.support.assembly import EXAMPLES, ROOT, Assembly, SharedAssemblies
from tools.reference_pages import cost_table

SOURCE: Final = Source("a page", "https://example.com", "2026-09-25")


def amounts(*resources: dict[str, Any]) -> dict[str, int]:
    """Return the amount of each item that has a price, by the name of the price."""
    items = charged_items([stack(*resources)])
    return {item.price[1]: int(item.amount) for item in items if item.price}


class TestItems:
    def test_every_resource_of_every_example_is_known(
        self, example: str, assembly_of: Callable[[str], Assembly]
    ) -> None:
        stacks = [
            SynthesisedStack(name, "eu-west-1", "", template)
            for name, template in assembly_of(example).templates.items()
        ]
        cost = monthly_cost(stacks, price_list.shipped_prices())
        assert [line.item for line in cost.lines if line.is_unknown] == []
        assert cost.month.is_complete
        assert cost.month.usd > 0

    def test_a_type_that_is_not_known_has_no_price(self) -> None:
        cost = monthly_cost([stack(resource("New::Service"))], price_list.known_prices())
        assert str(cost.month) == "unknown"
        assert [line.item.name for line in cost.lines] == ["AWS::New::Service"]

    def test_instances_and_their_disks(self) -> None:
        assert amounts(node(), node(), node("m7i.4xlarge")) == {
            "ec2 m7i.xlarge": 2,
            "ec2 m7i.4xlarge": 1,
            "ebs gp3": 300,
        }
        assert amounts(node(BlockDeviceMappings=[]))["ebs of the image"] == 1

    @pytest.mark.parametrize(
        ("performance", "item"),
        [
            ({"Iops": 3000, "Throughput": 125}, "ebs gp3"),
            ({"Iops": 3001}, "ebs gp3 with additional charges"),
            ({"Throughput": 126}, "ebs gp3 with additional charges"),
            ({"VolumeSize": {"Ref": "Size"}}, "ebs of unknown size"),
        ],
    )
    def test_disks_beyond_the_baseline(self, performance: dict[str, Any], item: str) -> None:
        disk_ = {"VolumeSize": 100, "VolumeType": "gp3"} | performance
        found = amounts(node(BlockDeviceMappings=[{"Ebs": disk_}]))
        assert item in found
        assert found["ec2 m7i.xlarge"] == 1

    def test_instances_of_a_scaling_group(self) -> None:
        data = node("c7i.large")["Properties"]
        template = resource("EC2::LaunchTemplate", LaunchTemplateData=data)
        launch = {"LaunchTemplateId": {"Ref": "R1"}}
        for size, count in (({"DesiredCapacity": "3", "MinSize": "2"}, 3), ({"MinSize": "2"}, 2)):
            group = resource("AutoScaling::AutoScalingGroup", LaunchTemplate=launch, **size)
            assert amounts(group, template) == {"ec2 c7i.large": count, "ebs gp3": count * 100}

    def test_what_is_charged_by_zone_and_what_is_free(self) -> None:
        endpoint = {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b", "c"]}
        assert amounts(
            resource("EC2::VPCEndpoint", **endpoint),
            resource("EC2::VPCEndpoint", VpcEndpointType="Gateway"),
            resource("EC2::EIP"),
            resource("EC2::EIP"),
            resource("EC2::NatGateway"),
            resource("IAM::Role"),
            resource("EC2::Subnet"),
        ) == {"vpc-endpoint": 3, "public-ipv4": 2, "nat-gateway": 1}

    def test_places_that_no_node_uses(self) -> None:
        def reserved(count: int, zone: str = "eu-west-1a") -> dict[str, int]:
            settings = {"AvailabilityZone": zone, "InstanceType": "m7i.xlarge"}
            place = resource("EC2::CapacityReservation", InstanceCount=count, **settings)
            return amounts(node(), node(), place)

        # Places of a Capacity Reservation are charged only if no running node uses them.
        assert reserved(2)["ec2 m7i.xlarge"] == 2
        assert [
            int(item.amount)
            for item in charged_items(
                [
                    stack(
                        node(),
                        resource(
                            "EC2::CapacityReservation",
                            InstanceCount=2,
                            AvailabilityZone="eu-west-1a",
                            InstanceType="m7i.xlarge",
                        ),
                    )
                ]
            )
            if "no node uses" in item.name
        ] == [1]
        items = charged_items(
            [
                stack(
                    node(),
                    resource(
                        "EC2::CapacityReservation",
                        InstanceCount=3,
                        AvailabilityZone="eu-west-1b",
                        InstanceType="m7i.xlarge",
                    ),
                )
            ]
        )
        unused = [item for item in items if "no node uses" in item.name]
        assert [(item.price, item.amount) for item in unused] == [
            (("eu-west-1", "ec2 m7i.xlarge"), Decimal(3))
        ]

    @pytest.mark.parametrize(
        ("properties", "addresses"),
        [
            ({"Scheme": "internal", "Subnets": ["a", "b"]}, 0),
            ({"Scheme": "internet-facing", "Subnets": ["a", "b"]}, 2),
            ({"Scheme": "internet-facing", "SubnetMappings": [{"AllocationId": "eipalloc-1"}]}, 1),
            (
                {
                    "Scheme": "internet-facing",
                    "SubnetMappings": [{"AllocationId": {"Fn::GetAtt": ["A", "AllocationId"]}}],
                },
                0,
            ),
        ],
    )
    def test_public_addresses_of_load_balancers(
        self, properties: dict[str, Any], addresses: int
    ) -> None:
        balancer = resource("ElasticLoadBalancingV2::LoadBalancer", Type="network", **properties)
        assert amounts(balancer) == {"elb network": 1} | (
            {"public-ipv4": addresses} if addresses else {}
        )

    def test_alarms_are_charged_by_metric(self) -> None:
        queries = [
            {"MetricStat": {"Period": 60}},
            {"MetricStat": {"Period": 10}},
            {"Expression": "m"},
        ]
        assert amounts(
            resource("CloudWatch::Alarm", Period=60), resource("CloudWatch::Alarm", Metrics=queries)
        ) == {"alarm": 2, "high-resolution-alarm": 1}

    def test_health_checks(self) -> None:
        fast = {"Type": "HTTPS_STR_MATCH", "RequestInterval": 10, "MeasureLatency": True}
        for config, options in (
            (fast, {"route53-check-option": 4}),
            ({"Type": "TCP", "RequestInterval": 10}, {"route53-check-option": 1}),
            ({"Type": "TCP", "RequestInterval": 30}, {}),
            ({"Type": "CLOUDWATCH_METRIC"}, {}),
        ):
            assert amounts(resource("Route53::HealthCheck", HealthCheckConfig=config)) == options

    def test_a_database(self) -> None:
        settings = {"DBInstanceClass": "db.t4g.medium", "Engine": "postgres", "StorageType": "gp3"}
        single = resource("RDS::DBInstance", AllocatedStorage="20", **settings)
        double = resource("RDS::DBInstance", AllocatedStorage="20", MultiAZ=True, **settings)
        assert amounts(double) == {
            "rds-multi-az db.t4g.medium": 1,
            "rds-multi-az-storage gp3": 20,
        }
        assert "rds-single-az db.t4g.medium" in amounts(single)

    def test_values_that_are_no_numbers(self) -> None:
        strange = {"Ref": "Parameter"}
        assert amounts(
            node(strange, BlockDeviceMappings=[{"Ebs": {"VolumeSize": strange}}, "x"]),
            resource("RDS::DBInstance", AllocatedStorage=strange),
            resource("CloudWatch::Alarm", Metrics=strange, Period=strange),
            resource("AutoScaling::AutoScalingGroup", DesiredCapacity=strange),
            resource("ElasticLoadBalancingV2::LoadBalancer", SubnetMappings=strange),
            resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=strange),
        )


class TestSums:
    PRICES: Final = {
        ("eu-west-1", "ec2 m7i.xlarge"): Price(Decimal("0.2"), SOURCE),
        ("eu-west-1", "ebs gp3"): Price(Decimal("0.1"), SOURCE),
    }

    def test_a_month_has_730_hours(self) -> None:
        cost = monthly_cost([stack(node(), node())], self.PRICES)
        assert cost.month.usd == 2 * HOURS * Decimal("0.2") + 2 * 100 * Decimal("0.1")
        assert str(cost.month) == "312.00"
        assert cost.sources == (SOURCE,)

    def test_an_unknown_price_is_never_zero(self) -> None:
        cost = monthly_cost([stack(node(), node("x9.large"))], self.PRICES)
        assert str(cost.month) == "at least 166.00"
        (line,) = (line for line in cost.lines if line.is_unknown)
        assert (line.item.name, line.usd, line.month) == (
            "EC2 instance x9.large, Linux on demand",
            None,
            None,
        )

    def test_stacks_of_a_cluster_are_one_scope(self) -> None:
        tags = [{"Key": "denodo:cluster", "Value": "active"}]
        stacks = [stack(node(Tags=tags), name="one"), stack(node(Tags=tags), name="two")]
        (scope,) = monthly_cost([*stacks], self.PRICES).scopes
        assert (scope.name, scope.region) == ("active", "eu-west-1")
        assert [line.item.amount for line in scope.lines if not line.is_by_use] == [2, 200]


class TestPages:
    """The documentation has the cost of each example, as `make snapshots` writes it."""

    def test_the_table_is_current(self, assemblies: SharedAssemblies) -> None:
        examples = {file.stem: _stacks(assemblies, file) for file in EXAMPLES}
        page = cost_table.PAGE.read_text(encoding="utf-8")
        assert cost_table.page_with(cost_table.table(examples), page) == page

    def test_numbers_in_readme_are_those_of_the_table(self) -> None:
        rows = re.findall(r"^\| `(\S+)` \| ([^|]+) \|", cost_table.PAGE.read_text(), re.MULTILINE)
        text = " ".join((ROOT / "README.md").read_text().split())
        named = re.findall(r"`(\S+?)`(?: costs)? ((?:at least )?[\d,.]+) USD", text)
        assert len(named) == 3
        assert {*named} <= {*rows}


def _stacks(assemblies: SharedAssemblies, file: Path) -> list[SynthesisedStack]:
    """Return the stacks of an example, each with the region of its nodes."""
    return [
        SynthesisedStack(name, _region(json.dumps(template)), "", template)
        for name, template in assemblies.of(file).templates.items()
    ]


def _region(template: str) -> str:
    """Return the region of a template, from its nodes' zones.

    A stack without nodes has only prices that are equal in all regions.
    """
    match = re.search(r'"AvailabilityZone": "([a-z]+-[a-z]+-[0-9])[a-z]"', template)
    return match.group(1) if match else "eu-west-1"
