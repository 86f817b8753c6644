"""`denodo-ha cost`: the items of stacks, their sums, and the command."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli import configuration_choice, exit_codes
from denodo_ha.cli.main import build_program
from denodo_ha.review.cost import price_list
from denodo_ha.review.cost.cost_items import charged_items
from denodo_ha.review.cost.monthly_cost import monthly_cost
from denodo_ha.review.cost.price_list import HOURS, Price, Source
from tests.review.price_lists import disk, instance, offer, product, written
from tests.support.assembly import EXAMPLES, ROOT, Assembly, SharedAssemblies
from tools.reference_pages import cost_table

SOURCE: Final = Source("a page", "https://example.com", "2026-09-25")


def stack(
    *resources: dict[str, Any], name: str = "s", region: str = "eu-west-1"
) -> SynthesisedStack:
    """Return a stack with these resources."""
    numbered = {f"R{number}": each for number, each in enumerate(resources)}
    return SynthesisedStack(name, region, "", {"Resources": numbered})


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def node(type_: object = "m7i.xlarge", **properties: Any) -> dict[str, Any]:
    gp3 = [{"Ebs": {"VolumeSize": 100, "VolumeType": "gp3"}}]
    settings = {"AvailabilityZone": "eu-west-1a", "BlockDeviceMappings": gp3}
    return resource("EC2::Instance", InstanceType=type_, **settings | properties)


def amounts(*resources: dict[str, Any]) -> dict[str, int]:
    """Return the amounts of the items of a stack that are charged by time, by item of the price."""
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
        faster = [{"Ebs": {"VolumeSize": 100, "VolumeType": "gp3", "Iops": 6000}}]
        assert amounts(node(BlockDeviceMappings=faster))["ebs gp3 with additional charges"] == 100

    def test_places_that_no_node_uses(self) -> None:
        def reserved(count: int, zone: str = "eu-west-1a") -> dict[str, int]:
            settings = {"AvailabilityZone": zone, "InstanceType": "m7i.xlarge"}
            place = resource("EC2::CapacityReservation", InstanceCount=count, **settings)
            return amounts(node(), node(), place)

        # Places that running nodes use are not charged a second time.
        assert reserved(2)["ec2 m7i.xlarge"] == 2
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
        checks = (
            resource("Route53::HealthCheck", HealthCheckConfig=config)
            for config in (fast, {"Type": "CLOUDWATCH_METRIC"})
        )
        assert amounts(*checks) == {"route53-check-option": 4}

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

    def test_stacks_of_a_cluster_are_one_place(self) -> None:
        tags = [{"Key": "denodo:cluster", "Value": "active"}]
        stacks = [stack(node(Tags=tags), name="one"), stack(node(Tags=tags), name="two")]
        (place,) = monthly_cost([*stacks], self.PRICES).places
        assert (place.name, place.region) == ("active", "eu-west-1")
        assert [line.item.amount for line in place.lines if not line.is_by_use] == [2, 200]


class Server:
    """A server with price list files; it stores the requested paths."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.paths: list[str] = []
        stored = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stored.paths.append(self.path)
                content = files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run the server until the block ends; yield its address."""
        thread = Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{self.server.server_address[1]}"
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder with `config/` and a cloud assembly `cdk.out` in Frankfurt."""
        (tmp_path / "config").mkdir()
        monkeypatch.setattr(configuration_choice, "configuration_root", lambda: tmp_path)
        out = tmp_path / "cdk.out"
        out.mkdir()
        tags = [{"Key": "denodo:cluster", "Value": "passive"}]
        balancer = resource("ElasticLoadBalancingV2::LoadBalancer", Type="network")
        zone = resource("Route53::HostedZone")
        template = {"Resources": {"N": node(Tags=tags), "B": balancer, "Z": zone}}
        (out / "t.json").write_text(json.dumps(template))
        artifact = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://111122223333/eu-central-1",
            "properties": {"templateFile": "t.json"},
        }
        (out / "manifest.json").write_text(json.dumps({"artifacts": {"s": artifact}}))
        return tmp_path

    @staticmethod
    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(build_program(), ["cost", *map(str, arguments)])

    def report(self, *arguments: str | Path) -> Any:
        done = self.run(*arguments, "--format", "json")
        assert done.exit_code == exit_codes.DONE, done.output
        return json.loads(done.stdout)

    def test_the_table(self, folder: Path) -> None:
        done = self.run(folder / "cdk.out")
        assert done.exit_code == exit_codes.DONE, done.output
        lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
        # 0.2415 x 730 + 0.027 x 730 + 0.5, prices of eu-central-1; the disk's price is unknown.
        assert lines[0] == "passive, eu-central-1: at least 196.51 USD a month"
        assert "EC2 instance m7i.xlarge, Linux on demand 1 0.2415 a hour 176.30" in lines
        assert "EBS disk gp3, GB 100 unknown unknown" in lines
        assert (
            "DNS queries by use per million; those for alias records of AWS resources are free"
            in lines
        )
        assert "All: at least 196.51 USD a month of 730 hours, on demand" in lines
        assert "Elastic Load Balancing Pricing (2025-06-05)" in done.stdout

    def test_json(self, folder: Path) -> None:
        report = self.report(folder / "cdk.out")
        assert (report["month"], report["is_complete"], report["hours"]) == (196.51, False, 730)
        (cluster,) = report["clusters"]
        items = {item["item"]: item for item in cluster["items"]}
        unknown = items["EBS disk gp3, GB"]
        assert (unknown["charged_by"], unknown["usd"], unknown["month"]) == ("unknown", None, None)
        assert items["data transfer"]["charged_by"] == "use"
        assert {source["published"] for source in report["sources"]} > {"2025-06-05"}

    def test_an_update_from_files(self, folder: Path) -> None:
        for name, content in {
            "ec2.json": offer("AmazonEC2", disk("0.0952"), instance("m7i.xlarge", "0.25")),
            "elb.json": offer(
                "AWSELB",
                product("Load Balancer-Network", "0.03", usagetype="EUC1-LoadBalancerUsage"),
            ),
        }.items():
            (folder / name).write_bytes(written(content))
        done = self.run("--update", folder / "ec2.json", "--update", folder / "elb.json")
        assert done.exit_code == exit_codes.DONE, done.output
        assert "2 prices of AWS Price List, AmazonEC2, eu-central-1, 2026-09-25" in done.stderr
        report = self.report(folder / "cdk.out")
        # 0.25 x 730 + 100 x 0.0952 + 0.03 x 730 + 0.5
        assert (report["month"], report["is_complete"]) == (214.42, True)

    @pytest.mark.parametrize("content", [b"", b"{", b"<html>", written(offer("AmazonEC2"))])
    def test_a_file_that_is_refused_changes_nothing(self, folder: Path, content: bytes) -> None:
        file, good = folder / "x.json", folder / "good.json"
        good.write_bytes(written(offer("AmazonEC2", disk())))
        self.run("--update", good)
        before = (folder / "config/prices.json").read_bytes()
        file.write_bytes(content)
        good.write_bytes(written(offer("AmazonEC2", disk("0.5"))))
        done = self.run("--update", good, "--update", file)
        assert done.exit_code == exit_codes.FAILED
        assert "x.json: " in done.stderr
        assert "The prices are as before" in done.stderr
        assert (folder / "config/prices.json").read_bytes() == before

    def test_online(self, folder: Path) -> None:
        files = {
            "AmazonEC2/current/eu-central-1": offer(
                "AmazonEC2", disk(), instance("m7i.xlarge", "0.3")
            ),
            "AWSELB/current/eu-central-1": offer(
                "AWSELB",
                product("Load Balancer-Network", "0.03", usagetype="EUC1-LoadBalancerUsage"),
            ),
            "AmazonRoute53/current": offer(
                "AmazonRoute53", product("DNS Zone", "0.6", usagetype="HostedZone")
            ),
        }
        paths = {f"/offers/v1.0/aws/{key}/index.json": written(each) for key, each in files.items()}
        server = Server(paths)
        with server.running() as url:
            report = self.report(folder / "cdk.out", "--online", "--price-list", f"{url}/")
        # Only the files of the services and regions that these stacks use.
        assert server.paths == list(paths)
        # 0.3 x 730 + 100 x 0.0952 + 0.03 x 730 + 0.6
        assert (report["month"], report["is_complete"]) == (251.02, True)
        assert {source["url"][-11:] for source in report["sources"]} == {"/index.json"}

    def test_online_is_all_or_nothing(self, folder: Path) -> None:
        content = written(offer("AmazonEC2", disk()))
        with Server(
            {"/offers/v1.0/aws/AmazonEC2/current/eu-central-1/index.json": content}
        ).running() as url:
            done = self.run(folder / "cdk.out", "--online", "--price-list", url)
        assert done.exit_code == exit_codes.AWS
        assert (
            "AWSELB/current/eu-central-1/index.json: the server answers with status 404"
            in done.stderr
        )
        assert not (folder / "config/prices.json").exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "nothing to price"),
            (["a", "b"], "give one configuration, or folders"),
            (["cdk.out", "--online", "--price-list", "http://x"], "is not an address with https"),
            (["--update", "none.json"], "none.json: is not a file"),
            (["none.json"], "none.json"),
        ],
    )
    def test_wrong_usage(
        self,
        folder: Path,
        arguments: list[str],
        message: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(folder)
        done = self.run(*arguments)
        assert done.exit_code == exit_codes.USAGE
        assert message in done.stderr


class TestPages:
    """The documentation has the cost of each example; `make snapshots` writes it."""

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
    """Return the stacks of an example, in the regions of their nodes' zones."""
    return [
        SynthesisedStack(name, _region(json.dumps(template)), "", template)
        for name, template in assemblies.of(file).templates.items()
    ]


def _region(template: str) -> str:
    """Return the region of a template; stacks without nodes have prices of all regions only."""
    match = re.search(r'"AvailabilityZone": "([a-z]+-[a-z]+-[0-9])[a-z]"', template)
    return match.group(1) if match else "eu-west-1"
