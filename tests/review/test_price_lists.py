"""Prices: the shipped file, AWS's price list files, and the user's own file."""

import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from denodo_ha.cli import configuration_choice
from denodo_ha.cli.errors import Failed, NotFound, Unreachable, UsageError
from denodo_ha.review.cost import offer_download, offer_file, price_list
from denodo_ha.review.cost.offer_download import checked_server, download_offer, offer_url
from denodo_ha.review.cost.offer_file import OfferFileError, Readable, read_offer
from denodo_ha.review.cost.price_list import Source, read_prices, updated_file
from tests.review.price_lists import dimension, disk, instance, offer, product, written
from tests.support.servers.scripted import scripted

EC2: Final = offer(
    "AmazonEC2",
    instance("m7i.xlarge", "0.2415000000", description="für Server 服务器 🙂 " * 5),
    instance("m7i.xlarge", "0.4255000000", operatingSystem="Windows"),
    instance("m7i.xlarge", "0.2656000000", tenancy="Dedicated"),
    instance("m7i.xlarge", "0.2415000000", capacitystatus="UnusedCapacityReservation"),
    disk("0.0952000000"),
    disk("0.0060000000", usagetype="EUC1-EBS:VolumeP-IOPS.gp3") | {"family": "System Operation"},
    product("NAT Gateway", "0.0520000000", usagetype="EUC1-NatGateway-Hours"),
    product("NAT Gateway", "0.0999000000", usagetype="EUC1-RegionalNatGateway-Hours"),
    product("Storage", "0.1", volumeApiName="gp3", locationType="AWS Local Zone"),
)
EC2_PRICES: Final = {
    "eu-central-1": {"ebs gp3": "0.0952", "ec2 m7i.xlarge": "0.2415", "nat-gateway": "0.052"}
}


@contextmanager
def served(answer: bytes) -> Iterator[str]:
    """Answer each HTTP request with these bytes and close the connection; yield the address."""

    def talk(connection: socket.socket) -> None:
        if connection.recv(65_536):
            connection.sendall(answer)

    with scripted(talk) as port:
        yield f"http://127.0.0.1:{port}/index.json"


class InParts(io.BytesIO):
    """A stream that returns a few bytes at a time, as a network may."""

    def read(self, _size: int | None = -1, /) -> bytes:
        """Return the next seven bytes."""
        return super().read(7)


class TestShippedPrices:
    def test_each_has_a_page_of_aws_and_a_date(self) -> None:
        prices = price_list.shipped_prices()
        sources = {price.source for price in prices.values()}
        for source in sources:
            assert source.title.startswith("AWS"), source
            assert source.url.split("/")[2].endswith(
                ("awsstatic.com", "amazonaws.com", "calculator.aws")
            ), source
            assert date(2025, 1, 1) < date.fromisoformat(source.published), source
            assert date.fromisoformat(source.published) <= datetime.now(UTC).date(), source
            assert "commit " in source.copy, source
        assert prices["eu-west-1", "ec2 m7i.xlarge"].usd == Decimal("0.2247")


class TestOfferFiles:
    @pytest.mark.parametrize("stream", [io.BytesIO, InParts])
    def test_the_documented_form(self, stream: Callable[[bytes], Readable]) -> None:
        for content in (written(EC2), json.dumps(EC2, separators=(",", ":")).encode()):
            read = read_offer(stream(content))
            assert (read.service, read.published) == ("AmazonEC2", "2026-09-25")
            assert read.prices == EC2_PRICES

    @pytest.mark.parametrize(
        ("service", "products", "prices"),
        [
            (
                "AWSELB",
                [
                    product("Load Balancer-Network", "0.027", usagetype="EUC1-LoadBalancerUsage"),
                    product("Load Balancer-Network", "0.006", usagetype="EUC1-LCUUsage"),
                    product(
                        "Load Balancer-Application", "0.006", usagetype="EUC1-TS-LoadBalancerUsage"
                    ),
                    product("Load Balancer-Application", "0.005", usagetype="TS-LoadBalancerUsage"),
                    product("Load Balancer-Gateway", "0.01", usagetype="EUC1-LoadBalancerUsage"),
                ],
                {"elb network": "0.027"},
            ),
            (
                "AmazonRDS",
                [
                    product(
                        "Database Instance",
                        "0.149",
                        usagetype="EUC1-Multi-AZUsage:db.t4g.medium",
                        instanceType="db.t4g.medium",
                        databaseEngine="PostgreSQL",
                        deploymentOption="Multi-AZ",
                    ),
                    *(
                        product(
                            family,
                            "0.9",
                            usagetype=f"EUC1-{usage}:db.t4g.medium",
                            instanceType="db.t4g.medium",
                            databaseEngine=engine,
                            deploymentOption=zones,
                            volumeType="General Purpose-GP3",
                        )
                        for family, usage, engine, zones in (
                            ("Database Instance", "Multi-AZUsage", "MySQL", "Multi-AZ"),
                            ("Database Instance", "InstanceUsage", "PostgreSQL", "Single-AZ"),
                            ("Database Instance", "Multi-AZClusterUsage", "PostgreSQL", "Multi-AZ"),
                            ("Database Storage", "RDS:GP3-Storage", "Any", "Single-AZ"),
                            ("Database Storage", "RDS:Multi-AZ-GP3", "SQL Server", "Multi-AZ"),
                            ("System Operation", "Multi-AZUsage", "PostgreSQL", "Multi-AZ"),
                        )
                    ),
                    product(
                        "Database Storage",
                        "0.274",
                        usagetype="EUC1-RDS:Multi-AZ-GP3-Storage",
                        volumeType="General Purpose-GP3",
                        databaseEngine="Any",
                        deploymentOption="Multi-AZ",
                    ),
                ],
                {"rds-multi-az db.t4g.medium": "0.149", "rds-multi-az-storage gp3": "0.274"},
            ),
            (
                "AmazonCloudWatch",
                [
                    product("Alarm", "0.10", usagetype="EUC1-CW:AlarmMonitorUsage"),
                    product("Alarm", "0.50", usagetype="EUC1-CW:CompositeAlarmMonitorUsage"),
                ],
                {"alarm": "0.1", "composite-alarm": "0.5"},
            ),
            (
                "awskms",
                [product("Encryption Key", "1", usagetype="eu-central-1-KMS-Keys")],
                {"kms-key": "1"},
            ),
        ],
    )
    def test_services(
        self, service: str, products: list[dict[str, Any]], prices: dict[str, str]
    ) -> None:
        read = read_offer(io.BytesIO(written(offer(service, *products))))
        assert read.prices == {"eu-central-1": prices}

    def test_prices_for_all_regions(self) -> None:
        zone = product("DNS Zone", [], usagetype="HostedZone", locationType="Other")
        tiers = [dimension("0.10", "25"), dimension("0.50", "0")]
        content = written(offer("AmazonRoute53", zone | {"dimensions": tiers}))
        assert read_offer(io.BytesIO(content)).prices == {"global": {"route53-zone": "0.5"}}

    def test_a_free_amount_is_no_price_of_zero(self) -> None:
        free = product("", [dimension("0"), dimension("0.005", "750")])
        free["attributes"]["usagetype"] = "EUC1-PublicIPv4:InUseAddress"
        content = written(offer("AmazonVPC", free))
        assert read_offer(io.BytesIO(content)).prices["eu-central-1"] == {"public-ipv4": "0.005"}

    def test_two_prices_of_one_item_are_no_price(self) -> None:
        content = written(offer("AmazonEC2", disk("0.09"), disk("0.08"), instance("t3.large", "1")))
        assert read_offer(io.BytesIO(content)).prices["eu-central-1"] == {"ec2 t3.large": "1"}

    def test_every_truncated_file_is_refused(self) -> None:
        content = written(offer("AmazonEC2", disk()))
        assert read_offer(io.BytesIO(content + b"\n ")).prices
        for end in range(len(content)):
            with pytest.raises(OfferFileError):
                read_offer(io.BytesIO(content[:end]))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"<html>busy</html>", "not a price list file in JSON"),
            (b"\x1f\x8b\x08\x00\xff\xff", "not UTF-8"),
            (b"[]", "not a price list file in JSON"),
            (b"{}", "formatVersion v1.0 or offerCode is missing"),
            (written(offer("AmazonEC2", disk())) + b"{}", "text follows the end"),
            (written(offer("AmazonEC2", disk()) | {"formatVersion": "v9"}), "formatVersion v1.0"),
            (
                written(offer("AmazonSQS", disk())),
                "the prices of AmazonSQS, which this project does not use",
            ),
            (written(offer("AmazonEC2")), "no on-demand price in USD"),
            (
                written(offer("AmazonEC2", disk() | {"dimensions": [dimension("1", "0", "CNY")]})),
                "no on-demand price in USD",
            ),
            (written(offer("AmazonEC2", disk("much"))), "an entry has an unexpected form"),
            (written(offer("AmazonEC2", disk()) | {"products": {"S": []}}), "unexpected form"),
            (written(offer("AmazonEC2", disk()) | {"publicationDate": "now"}), "publicationDate"),
            (b'{"offerCode": ' + b"[" * 100_000, "nested too deeply"),
            (b'{"offerCode": "AmazonEC2" "x": 1}', "not a price list file in JSON"),
        ],
    )
    def test_foreign_and_damaged_files(self, content: bytes, message: str) -> None:
        with pytest.raises(OfferFileError, match=message):
            read_offer(io.BytesIO(content))

    def test_an_entry_has_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        content = written(offer("AmazonEC2", disk(description="a" * 3_000)))
        monkeypatch.setattr(offer_file, "_CHUNK", 100)
        monkeypatch.setattr(offer_file, "_LARGEST_ENTRY", 9_000)
        assert read_offer(io.BytesIO(content)).prices
        monkeypatch.setattr(offer_file, "_LARGEST_ENTRY", 2_000)
        with pytest.raises(OfferFileError, match="not a price list file in JSON: the error is at"):
            read_offer(io.BytesIO(content))

    @pytest.mark.parametrize("endless", [b" ", b'"' + b"a" * 99])
    def test_a_huge_file(self, endless: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(offer_file, "LARGEST", 10_000)
        monkeypatch.setattr(offer_file, "_CHUNK", 1_000)

        class Endless:
            read_bytes = 0

            def read(self, size: int, /) -> bytes:
                self.read_bytes += size
                return (endless * size)[:size]

        stream = Endless()
        with pytest.raises(OfferFileError):
            read_offer(stream)
        assert stream.read_bytes <= 11_000


class TestUsersFile:
    SOURCE: Final = Source("AWS Price List, AmazonEC2, eu-west-1", "https://x", "2026-09-25")

    @pytest.fixture
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "config").mkdir()
        monkeypatch.setattr(configuration_choice, "configuration_root", lambda: tmp_path)
        return tmp_path / "config/prices.json"

    def test_it_takes_precedence_and_each_source_is_replaced(self, file: Path) -> None:
        key = ("eu-west-1", "ec2 m7i.xlarge")
        shipped = price_list.known_prices()[key]
        for usd in ("0.3", "0.4"):
            updated_file(file, [(self.SOURCE, {key[0]: {key[1]: usd}})])
            assert price_list.known_prices()[key] == price_list.Price(Decimal(usd), self.SOURCE)
        other = Source("AWS Price List, AWSELB, eu-west-1", "https://y", "2026-09-25")
        updated_file(file, [(other, {"eu-west-1": {"elb network": "1"}})])
        assert price_list.known_prices()[key].usd == Decimal("0.4")
        assert price_list.known_prices()["us-west-2", key[1]].source == shipped.source
        assert [each.name for each in file.parent.iterdir()] == ["prices.json"]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "prices.json"),
            ("[]", "the value of `format` is not 1"),
            ('{"format": 2}', "the value of `format` is not 1"),
            (
                '{"format": 1, "currency": "EUR", "sources": []}',
                "the value of `currency` is not USD",
            ),
            ('{"format": 1, "currency": "USD", "sources": [{}]}', "no valid form"),
            ('{"format": 1, "currency": "USD", "sources": 3}', "no valid form"),
            *(
                (
                    (
                        '{"format": 1, "currency": "USD", "sources": [{"title": "t", "url": "u", '
                        f'"published": "d", "prices": {{"r": {{"i": {usd}}}}}}}]}}'
                    ),
                    "is not a price between 0 and",
                )
                for usd in ("0.5", '"0"', '"-1"', '"NaN"', '"Infinity"', '"x"', '"1e9"', "null")
            ),
        ],
    )
    def test_a_foreign_file_is_refused_and_stays(
        self, file: Path, content: str, message: str
    ) -> None:
        file.write_text(content)
        with pytest.raises(UsageError, match=message):
            read_prices(file)
        with pytest.raises(UsageError, match=message):
            updated_file(file, [(self.SOURCE, {"eu-west-1": {"alarm": "0.1"}})])
        assert file.read_text() == content

    def test_a_price_that_cannot_be_read_again_replaces_nothing(self, file: Path) -> None:
        updated_file(file, [(self.SOURCE, {"eu-west-1": {"alarm": "0.1"}})])
        before = file.read_bytes()
        with pytest.raises(UsageError):
            updated_file(file, [(self.SOURCE, {"eu-west-1": {"alarm": "20000"}})])
        assert file.read_bytes() == before
        assert [each.name for each in file.parent.iterdir()] == ["prices.json"]

    def test_a_folder_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(Failed, match="cannot be written: No such file or directory"):
            updated_file(tmp_path / "none/prices.json", [(self.SOURCE, {})])


class TestDownload:
    CONTENT: Final = written(EC2)

    def test_addresses(self) -> None:
        server = "https://pricing.us-east-1.amazonaws.com"
        assert offer_url(server, "AWSELB", "eu-west-1") == (
            f"{server}/offers/v1.0/aws/AWSELB/current/eu-west-1/index.json"
        )
        assert offer_url(server, "AmazonRoute53", "global") == (
            f"{server}/offers/v1.0/aws/AmazonRoute53/current/index.json"
        )

    @pytest.mark.parametrize(
        "url", ["http://example.com", "ftp://127.0.0.1", "file:///etc/passwd", "", "https://"]
    )
    def test_only_with_tls(self, url: str) -> None:
        with pytest.raises(UsageError, match="is not an address with https://"):
            checked_server(url)

    def test_a_file(self) -> None:
        length = f"Content-Length: {len(self.CONTENT)}"
        with served(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode() + self.CONTENT) as url:
            assert download_offer(url).prices == EC2_PRICES

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", NotFound),
            (b"HTTP/1.1 302 No\r\nLocation: http://127.0.0.1:1/\r\n\r\n", NotFound),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + CONTENT[:900], Failed),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + CONTENT[:900], Failed),
            (b"HTTP/1.1 200 OK\r\n\r\n<html>sign in</html>", Failed),
            (b"", Unreachable),
            (b"nonsense\r\n\r\n", Unreachable),
        ],
    )
    def test_answers_that_are_no_price_list(self, answer: bytes, error: type[Exception]) -> None:
        with served(answer) as url, pytest.raises(error):
            download_offer(url)

    def test_no_server(self) -> None:
        with pytest.raises(Unreachable, match="--update FILE"):
            download_offer("http://127.0.0.1:1/index.json")

    def test_a_file_that_takes_too_long(self) -> None:
        now = iter((0.0, 1.0, offer_download._FILE_S + 1))  # noqa: SLF001 - the time limit of a download
        limited = offer_download._Limited(InParts(self.CONTENT), lambda: next(now))  # noqa: SLF001 - the stream to test
        with pytest.raises(TimeoutError, match="did not arrive within 1800 s"):
            read_offer(limited)
