"""AWS calls of `denodo-ha verify`, and the command's result if the calls fail.

The probes are tested against real servers in `tests/verify`; here no server listens.
"""

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.verify.site import DnsAnswer
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Run

NOBODY = "127.0.7.200"
CLUSTERS = ("active", "passive")


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every name to a loopback address on which no server listens."""
    monkeypatch.setattr(
        "denodo_ha.verify.target_selection.resolve", lambda name: DnsAnswer(name, (NOBODY,))
    )


def dns_name(cloud: Cloud, cluster: str) -> str:
    return cloud.stack(cluster).outputs["BalancerDnsName"]


def test_failover_name(cloud: Cloud, denodo_ha: Run) -> None:
    done = denodo_ha("verify", "-c", "active-passive")
    assert done.exit_code == exit_codes.NO
    assert done.stdout.startswith("denodo70, failover, denodo.example.com: wrong\n")
    for cluster in CLUSTERS:
        assert f"{cluster} is {dns_name(cloud, cluster)}" in done.stdout
    assert "active, the primary" in done.stdout
    assert "refused (auxiliary node2 29997" in done.stdout
    assert cloud.calls.changes == []


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_balancer(cloud: Cloud, denodo_ha: Run, cluster: str) -> None:
    done = denodo_ha("verify", "-c", "active-passive", "--through", cluster)
    assert done.exit_code == exit_codes.NO
    assert f"denodo70, {cluster}, {dns_name(cloud, cluster)}: wrong" in done.stdout
    asked = {call.region for call in cloud.calls.of("DescribeStacks")}
    assert asked == {cloud.stack(cluster).region}


def test_node(cloud: Cloud, denodo_ha: Run) -> None:
    id_ = cloud.nodes("passive")["node2"]
    client = cloud.client("ec2", cloud.stack("passive").region)
    (shown,) = client.describe_instances(InstanceIds=[id_])["Reservations"]
    address = shown["Instances"][0]["PrivateIpAddress"]
    done = denodo_ha("verify", "-c", "active-passive", "--through", "passive/node2")
    assert f"denodo70, passive/node2, {address}: wrong" in done.stdout
    assert "auxiliary node2 29997" in done.stdout
    assert "auxiliary node1" not in done.stdout


def test_node_that_is_gone(cloud: Cloud, denodo_ha: Run) -> None:
    cloud.terminate("active", "node1")
    done = denodo_ha("verify", "-c", "active-passive", "--through", "active/node1")
    assert done.exit_code == exit_codes.AWS
    assert (
        f"active/node1 has no running instance ({cloud.nodes('active')['node1']} is " in done.stderr
    )


def test_single_node_without_a_balancer(clouds: object, denodo_ha: Run) -> None:
    assert callable(clouds)
    cloud: Cloud = clouds("standalone-failover")
    cluster = sorted(cloud.environment.clusters)[0]
    done = denodo_ha("verify", "-c", "standalone-failover", "--through", cluster)
    assert cloud.stack(cluster).outputs["NodeAddress"] in done.stdout.splitlines()[0]


def test_a_region_is_lost(cloud: Cloud, denodo_ha: Run) -> None:
    """The site is verified even if a region is lost: operators then need the result most."""
    cloud.faults.lose("eu-west-1")
    done = denodo_ha("verify", "-c", "active-passive")
    assert done.exit_code == exit_codes.NO
    assert "balancers-unknown (names, balancers' names)" in done.stdout
    assert f"passive is {dns_name(cloud, 'passive')}" in done.stdout
    assert "refused (jdbc 9999" in done.stdout


@pytest.mark.parametrize("fault", ["throttle", "expire", "deny"])
def test_aws_must_answer(cloud: Cloud, denodo_ha: Run, fault: str) -> None:
    getattr(cloud.faults, fault)("DescribeStacks")
    done = denodo_ha("verify", "-c", "active-passive", "--through", "active")
    assert done.exit_code == exit_codes.AWS
    assert "Traceback" not in done.stderr


def test_aws_need_not_answer(cloud: Cloud, denodo_ha: Run) -> None:
    names = [f"--balancer={cluster}=nlb.{cluster}" for cluster in CLUSTERS]
    denodo_ha("verify", "-c", "active-passive", *names)
    denodo_ha("verify", "-c", "active-passive", "--host", NOBODY)
    assert cloud.calls.made == []


def test_not_deployed(cloud: Cloud, denodo_ha: Run) -> None:
    cloud.stacks.all.clear()
    done = denodo_ha("verify", "-c", "active-passive", "--through", "active")
    assert done.exit_code == exit_codes.AWS
    assert "denodo70-active" in done.stderr


def test_another_account(cloud: Cloud, denodo_ha: Run) -> None:
    cloud.caller = "999999999999"
    one = denodo_ha("verify", "-c", "active-passive", "--through", "active")
    assert one.exit_code == exit_codes.USAGE
    assert "or give --balancer or --host" in one.stderr
    both = denodo_ha("verify", "-c", "active-passive")
    assert both.exit_code == exit_codes.NO
    assert "balancers-unknown" in both.stdout


def test_help(denodo_ha: Run) -> None:
    done = denodo_ha("verify", "--help")
    assert done.exit_code == exit_codes.DONE
    assert "denodo-ha verify -c prod --through active/node1" in done.stdout
