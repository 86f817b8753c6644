"""Programs in a client's network, Java among them, resolve the names of the local AWS."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.local_aws.cloud import Cloud
from tests.local_aws.templates import ref, resource
from tests.local_aws.test_failover import record
from tests.support import local_aws_server
from tests.support.assembly import ROOT
from tests.support.servers.ports import free_port, free_ports
from tests.support.servers.web import Web, web
from tests.support.waiting import read_until, until
from tools.local_aws.living import isolation
from tools.local_aws.rehearsal.resolver import ask

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not isolation.is_allowed(), reason="this system denies namespaces to users"),
]
ACTIVE, STANDBY = "127.0.0.21", "127.0.0.22"
_SECONDS = 300
_JAVA_DEFAULT_S, _SHORT_S = 30, 5
"""Seconds that Java keeps an address: its default, and the value that docs/explanation/failover.md
recommends.
"""


@dataclass(frozen=True)
class Site:
    """A name with a failover record, and a web server at each of its two addresses.

    Attributes:
        cloud: the account of the record.
        name: the name.
        port: the port of both web servers.
        closed: a port that the security group admits, on which nothing listens.
        check: id of the health check of the primary record.
    """

    cloud: Cloud
    name: str
    port: int
    closed: int
    check: str

    @property
    def answer(self) -> str:
        """The address that the DNS server answers with at the moment."""
        host, port = self.cloud.call("names")["outside"]
        (address,) = ask((host, port), self.name, "A", timeout=60).addresses
        return address

    def client(self, script: str) -> "subprocess.Popen[str]":
        """Start a script in a client's network, as `make local-client` does."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tools.local_aws", "client", "--config", "active-passive"),
                *("--folder", str(local_aws_server.paths().folder), "--run", script),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Deploy the record, and the rule of a security group that admits clients to the port."""
    cloud = Cloud(local_aws_server.endpoint(), local_aws_server.new_account())
    cloud.call("living", {"names": True}, "PUT")
    domain, (port, closed) = f"a{cloud.access.account}.example", free_ports(2)
    named = {"Name": f"site.{domain}.", "Type": "A"}
    check = {"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 9, "Disabled": True}
    rules = {
        f"Rule{index}": resource(
            "EC2::SecurityGroupIngress",
            GroupId=ref("Group"),
            IpProtocol="tcp",
            FromPort=number,
            ToPort=number,
            CidrIp="10.0.0.0/8",
        )
        for index, number in enumerate((port, closed))
    }
    stack = cloud.deploy(
        {
            "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "Group": resource("EC2::SecurityGroup", GroupDescription="test", VpcId=ref("Vpc")),
            **rules,
            "Zone": resource("Route53::HostedZone", Name=domain),
            "Check": resource("Route53::HealthCheck", HealthCheckConfig=check),
            "Primary": record("PRIMARY", ACTIVE, HealthCheckId=ref("Check"), **named),
            "Secondary": record("SECONDARY", STANDBY, **named),
        }
    )
    with ExitStack() as stacked:
        for address in (ACTIVE, STANDBY):
            stacked.enter_context(web(Web(port), host=address))
        site = Site(cloud, f"site.{domain}", port, closed, stack.ids["Check"])
        until(lambda: site.answer == ACTIVE)
        yield site
        cloud.call("cuts", {}, "PUT")


def test_a_program_finds_a_name_and_its_ports(site: Site) -> None:
    foreign = free_port()
    script = (
        "import socket, urllib.request\n"
        f"print(urllib.request.urlopen('http://{site.name}:{site.port}/', timeout=60).status)\n"
        f"for port in {site.closed}, {foreign}:\n"
        "    try:\n"
        f"        socket.create_connection(('{site.name}', port), 60).recv(1)\n"
        "    except OSError as error:\n"
        "        print(type(error).__name__)\n"
    )
    client = site.client(f'"{sys.executable}" -c "{script}"; exit 7')
    output, _ = client.communicate(timeout=_SECONDS)
    assert output.split() == ["200", "ConnectionResetError", "ConnectionRefusedError"]
    assert client.returncode == 7


def test_java_reaches_the_standby_when_its_cache_ends(site: Site) -> None:
    shell = f"java-client {site.name} {site.port} --until {STANDBY}"
    clients = {
        _JAVA_DEFAULT_S: site.client(shell),
        _SHORT_S: site.client(f"{shell} --cache {_SHORT_S}"),
    }
    try:
        first = {cache: read_until(client.stdout, ACTIVE)[-1] for cache, client in clients.items()}
        site.cloud.call("cuts", {"checks": [site.check]}, "PUT")
        assert site.answer == STANDBY
        failed_over = time.monotonic()
        for cache, client in clients.items():
            output, _ = client.communicate(timeout=_SECONDS)
            assert client.returncode == 0, output
            lookups = [_lookup(line) for line in (first[cache], *output.splitlines())]
            *old, new = lookups
            # Java looks the name up again at the first use after Java's cache has expired, and not
            # earlier.
            assert new.address == STANDBY
            assert {item.address for item in old} == {ACTIVE}
            longest = max(item.after - item.before for item in lookups)
            assert old[-1].before <= failed_over + longest + cache
            if cache == _JAVA_DEFAULT_S:
                assert new.after >= old[0].before + cache
                assert len(old) > _SHORT_S
    finally:
        site.cloud.call("cuts", {}, "PUT")
        for client in clients.values():
            client.kill()
            client.communicate(timeout=_SECONDS)


@dataclass(frozen=True)
class Lookup:
    """A look-up of the Java client: the address, and the times before and after the look-up."""

    before: float
    after: float
    address: str


def _lookup(line: str) -> Lookup:
    before, after, address, *_ = line.split()
    return Lookup(float(before), float(after), address)
