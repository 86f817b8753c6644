"""`denodo-ha cost`: its output, and updates of the prices from files and from a server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.cli import configuration_choice, exit_codes
from denodo_ha.cli.main import build_program
from denodo_ha.review.cost import price_list
from tests.review.price_lists import disk, instance, offer, product, written
from tests.review.stacks_with_costs import node, resource

GP3: Final = ("eu-central-1", "ebs gp3")


class Server:
    """Server of price list files, which stores the paths of all requests."""

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
        """Run the server until the `with` block ends; yield the server's address."""
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
        """Folder with `config/` and an assembly for Frankfurt, with a disk of unknown price."""
        (tmp_path / "config").mkdir()
        monkeypatch.setattr(configuration_choice, "configuration_root", lambda: tmp_path)
        known = {key: price for key, price in price_list.shipped_prices().items() if key != GP3}
        monkeypatch.setattr(price_list, "shipped_prices", lambda: known)
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
        # Sum: instance 0.2415 x 730 h, load balancer 0.027 x 730 h, hosted zone 0.5, with prices of
        # eu-central-1. The disk is left out, since its price is unknown.
        assert lines[0] == "passive, eu-central-1: at least 196.51 USD a month"
        assert "EC2 instance m7i.xlarge, Linux on demand 1 0.2415 a hour 176.30" in lines
        assert "EBS disk gp3, GB 100 unknown unknown" in lines
        assert (
            "DNS queries by use per million; queries for alias records of AWS resources are free"
            in lines
        )
        assert "Total: at least 196.51 USD a month of 730 hours, on demand" in lines
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
        # Sum in USD: instance 0.25 x 730 h, disk 100 GB x 0.0952, load balancer 0.03 x 730 h,
        # hosted zone 0.5.
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
        assert "The prices were not changed" in done.stderr
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
        # The command requests only files of services and regions that the stacks use.
        assert server.paths == list(paths)
        # Sum in USD: instance 0.3 x 730 h, disk 100 GB x 0.0952, load balancer 0.03 x 730 h, hosted
        # zone 0.6.
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
            (["a", "b"], "give only one configuration, or folders"),
            (["cdk.out", "--online", "--price-list", "http://x"], "is not an address with https"),
            (["--update", "none.json"], "none.json is not a file"),
            (["none.json"], "none.json"),
            (["-c", "none"], "none"),
            (["wrong.yaml"], "wrong.yaml:1:1: nmae: "),
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
        (folder / "wrong.yaml").write_text("nmae: prod\n")
        done = self.run(*arguments)
        assert done.exit_code == exit_codes.USAGE
        assert message in done.stderr
        assert "Traceback" not in done.output
