"""Deployed load balancers forward connections as the template says."""

import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, Stack
from tests.local_aws.living.balancing import (
    TIMEOUT_S,
    Client,
    Endpoint,
    Node,
    nodes_reached,
    outcome,
    serving,
)
from tests.local_aws.templates import ref, resource
from tests.support import local_aws_server
from tests.support.waiting import until
from tools.local_aws import server_process
from tools.local_aws.emulator.child_processes import start_time
from tools.local_aws.paths import Paths

pytestmark = pytest.mark.long

PORT, TLS_PORT, IP_PORT = 9999, 8443, 9996
CERTIFICATE = "arn:aws:acm:eu-west-1:{account}:certificate/11111111-2222-3333-4444-555555555555"
ZONE_A, ZONE_B = "eu-west-1a", "eu-west-1b"


class Site:
    """Two nodes behind a load balancer; servers of this process are the nodes' stand-ins."""

    def __init__(self, cloud: Cloud, nodes: tuple[Node, Node]) -> None:
        self.cloud, self.nodes = cloud, nodes
        certificate = CERTIFICATE.format(account=cloud.access.account)
        cloud.give(
            {"kind": "image", "id": templates.IMAGE},
            {"kind": "certificate", "id": certificate, "name": "denodo.example.com"},
        )
        self._certificate = certificate
        self.stack = self.deploy()
        for name, node in zip(("Node1", "Node2"), nodes, strict=True):
            self.stand_in(name, node.server_address[1])
        cloud.call("living", {"balancers": True}, "PUT")
        until(lambda: self.states() == {"healthy"})

    def stand_in(self, name: str, port: int) -> None:
        """Let `port` of this machine answer in place of the port `PORT` of a node."""
        details = {"address": "127.0.0.1", "ports": {str(PORT): port}}
        self.cloud.call(f"stand-ins/{self.stack.ids[name]}", details, "PUT")

    def deploy(self, **changes: Any) -> Stack:
        """Deploy the template with changed resources."""
        groups = {
            "NlbGroup": resource("EC2::SecurityGroup", GroupDescription="nlb", VpcId=ref("Vpc")),
            "NodeGroup": resource("EC2::SecurityGroup", GroupDescription="node", VpcId=ref("Vpc")),
            **{
                f"Clients{port}": self.rule("NlbGroup", port, CidrIp="10.0.0.0/8")
                for port in (PORT, TLS_PORT, IP_PORT)
            },
            "FromNlb": self.rule("NodeGroup", PORT, SourceSecurityGroupId=ref("NlbGroup")),
        }
        node = {"SecurityGroupIds": [ref("NodeGroup")]}
        targets = [ref("Node1"), ref("Node2")]
        addresses = [{"Id": templates.attribute("Node1", "PrivateIp"), "Port": PORT}]
        return self.cloud.deploy(
            {
                **templates.network(),
                **groups,
                "Node1": templates.node("A", **node),
                "Node2": templates.node("B", **node),
                "Nlb": templates.balancer(
                    SecurityGroups=[ref("NlbGroup")],
                    LoadBalancerAttributes=[
                        {"Key": "load_balancing.cross_zone.enabled", "Value": "true"},
                        {"Key": "zonal_shift.config.enabled", "Value": "true"},
                    ],
                ),
                "Group": templates.group(*targets),
                "Listener": templates.listener(PORT),
                "TlsGroup": templates.group(*targets),
                "TlsListener": templates.listener(
                    TLS_PORT,
                    "TlsGroup",
                    Protocol="TLS",
                    Certificates=[{"CertificateArn": self._certificate}],
                ),
                "IpGroup": templates.group(
                    TargetType="ip",
                    Targets=addresses,
                    TargetGroupAttributes=[{"Key": "proxy_protocol_v2.enabled", "Value": "true"}],
                ),
                "IpListener": templates.listener(IP_PORT, "IpGroup"),
                **changes,
            }
        )

    @staticmethod
    def rule(group: str, port: int, **peer: Any) -> dict[str, Any]:
        ports = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        return resource("EC2::SecurityGroupIngress", GroupId=ref(group), **ports, **peer)

    def endpoint(self, zone: str, port: int = PORT) -> Endpoint:
        """Return the endpoint of a listener on this machine."""
        table = self.cloud.call("forwarding")
        (there,) = (
            listener["bind"][zone]
            for balancer in table["balancers"]
            for listener in balancer["listeners"]
            if listener["port"] == port
        )
        host, actual = there
        return host, actual

    def states(self, group: str = "Group") -> set[str]:
        """Return the states of a target group's targets."""
        description = self.cloud.client("elbv2").describe_target_health(
            TargetGroupArn=self.stack.ids[group]
        )
        return {item["TargetHealth"]["State"] for item in description["TargetHealthDescriptions"]}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    local_aws_server.set_up()
    paths = Paths(folder=tmp_path_factory.mktemp("aws") / "local")
    yield paths
    server_process.stop(paths)


@pytest.fixture(scope="module")
def site(paths: Paths) -> Iterator[Site]:
    server = server_process.start(paths, local_aws_server.quiet, parent=os.getpid())
    cloud = Cloud(server.endpoint, local_aws_server.new_account())
    cloud.call("pace", {"pace": local_aws_server.PACE}, "PUT")
    first, second = Node("node1"), Node("node2")
    with serving(first, second):
        yield Site(cloud, (first, second))


def test_clients_reach_all_nodes_by_every_zone(site: Site) -> None:
    until(lambda: outcome(site.endpoint(ZONE_B)) in ("node1", "node2"))
    for zone in (ZONE_A, ZONE_B):
        assert nodes_reached(site.endpoint(zone)) == {"node1", "node2"}


def test_a_target_by_its_address_is_that_instance(site: Site) -> None:
    until(lambda: outcome(site.endpoint(ZONE_A, IP_PORT)) == "node1")


def test_checks_send_the_header_of_the_proxy_protocol(site: Site) -> None:
    """HAProxy's `accept-proxy` refuses connections without the header, also from health checks."""
    # LOCAL: a header without addresses (PROXY protocol specification, section 2.2).
    header = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TIMEOUT_S)
        site.stand_in("Node1", server.getsockname()[1])
        try:
            until(lambda: header in first_bytes(server))
        finally:
            site.stand_in("Node1", site.nodes[0].server_address[1])
    until(lambda: site.states() == {"healthy"})


def first_bytes(server: socket.socket) -> bytes:
    """Accept a connection; return the client's first bytes, empty if the client only connects."""
    connection, _ = server.accept()
    with connection:
        connection.settimeout(TIMEOUT_S)
        return connection.recv(100)


def test_tls_ends_with_a_certificate_of_the_local_acm(site: Site) -> None:
    acm = site.cloud.client("acm")
    (listed,) = acm.list_certificates()["CertificateSummaryList"]
    # The listener waits for the client's TLS handshake, and sends nothing before.
    until(lambda: outcome(site.endpoint(ZONE_A, TLS_PORT)) == "silent")
    trusted = acm.get_certificate(CertificateArn=listed["CertificateArn"])["Certificate"]
    context = ssl.create_default_context(cadata=trusted)
    with (
        socket.create_connection(site.endpoint(ZONE_A, TLS_PORT), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname="denodo.example.com") as secure,
    ):
        assert secure.recv(4) == b"node"


def test_a_zonal_shift_keeps_clients_from_the_zones_nodes(site: Site) -> None:
    client = site.cloud.client("arc-zonal-shift")
    zones = site.cloud.client("ec2").describe_availability_zones()["AvailabilityZones"]
    (zone_id,) = (item["ZoneId"] for item in zones if item["ZoneName"] == ZONE_A)
    (balancer,) = site.cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
    shift = client.start_zonal_shift(
        resourceIdentifier=balancer["LoadBalancerArn"],
        awayFrom=zone_id,
        expiresIn="1h",
        comment="test",
    )
    until(lambda: nodes_reached(site.endpoint(ZONE_B)) == {"node2"})
    client.cancel_zonal_shift(zonalShiftId=shift["zonalShiftId"])
    until(lambda: nodes_reached(site.endpoint(ZONE_B)) == {"node1", "node2"})


def test_a_client_elsewhere_is_not_admitted(site: Site) -> None:
    site.cloud.call("clients", {"127.0.9.9": "192.0.2.9", "127.0.9.8": "10.9.0.7"}, "PUT")
    until(lambda: outcome(site.endpoint(ZONE_A), source="127.0.9.9") == "silent")
    assert outcome(site.endpoint(ZONE_A), source="127.0.9.8", patience=TIMEOUT_S) in (
        "node1",
        "node2",
    )


def test_flows_are_metrics(site: Site) -> None:
    (balancer,) = site.cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
    name = balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]
    dimensions = [{"Name": "LoadBalancer", "Value": name}]
    alarms = {
        metric: resource(
            "CloudWatch::Alarm",
            **{
                **templates.ALARM,
                "MetricName": metric,
                "Statistic": statistic,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
                "Dimensions": dimensions,
            },
        )
        for metric, statistic in (("NewFlowCount", "Sum"), ("ActiveFlowCount", "Maximum"))
    }
    stack = site.cloud.deploy(alarms, stack="alarms")
    with Client(site.endpoint(ZONE_A)):
        until(lambda: state(site.cloud, stack.ids["ActiveFlowCount"]) == "ALARM")

        def new_flows() -> bool:
            """Open a new flow before each read of the alarm: a minute of the local AWS is 0.3 s."""
            with Client(site.endpoint(ZONE_A)):
                return state(site.cloud, stack.ids["NewFlowCount"]) == "ALARM"

        until(new_flows)
    until(lambda: state(site.cloud, stack.ids["ActiveFlowCount"]) == "OK")
    until(lambda: state(site.cloud, stack.ids["NewFlowCount"]) == "OK")


def state(cloud: Cloud, alarm: str) -> str:
    (description,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    return str(description["StateValue"])


def test_a_node_whose_group_admits_no_checks_is_unhealthy(site: Site) -> None:
    """The nodes' rule for the load balancer is for another port than that of the health checks."""
    wrong = site.rule("NodeGroup", 9996, SourceSecurityGroupId=ref("NlbGroup"))
    site.deploy(FromNlb=wrong)
    until(lambda: site.states() == {"unhealthy"})
    until(lambda: outcome(site.endpoint(ZONE_A)) == "silent")
    site.deploy()
    until(lambda: site.states() == {"healthy"})


def test_a_cut_zone_is_silent_and_its_target_unhealthy(site: Site) -> None:
    site.cloud.call("cuts", {"zones": [ZONE_A]}, "PUT")
    until(lambda: site.states() == {"healthy", "unhealthy"})
    until(lambda: outcome(site.endpoint(ZONE_A)) == "silent")
    # The server knows the target's state first; the load balancer's process gets it later.
    until(lambda: {outcome(site.endpoint(ZONE_B)) for _ in range(20)} == {"node2"})
    site.cloud.call("cuts", {}, "PUT")
    until(lambda: site.states() == {"healthy"})


def test_the_process_is_started_again_and_ends_with_the_server(site: Site, paths: Paths) -> None:
    """Keep this test at the end of the module: it kills the local AWS that the other tests use."""

    def pid() -> int:
        record = json.loads((paths.folder / "processes.json").read_text())
        return int(record["balancers"][0])

    first = pid()
    os.kill(first, signal.SIGKILL)
    until(lambda: pid() != first)
    until(lambda: outcome(site.endpoint(ZONE_A)) in ("node1", "node2"))
    again, server = pid(), server_process.running(paths)
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: start_time(again) == "")
