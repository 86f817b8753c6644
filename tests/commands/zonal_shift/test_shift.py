"""`denodo-ha shift`: start, extend and end a shift; refuse a shift that would leave no node."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from denodo_ha.aws.clients import Aws
from denodo_ha.cli import exit_codes
from tests.commands.account.cloud import Cloud
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Clouds, Run

ZONE, OTHER = "eu-west-1a", "eu-west-1b"
_ARGUMENTS = ("--cluster", "active", "-c", "active-passive")


class Arc:
    """Simulated API for zonal shifts, which moto lacks.

    As on AWS, a load balancer has at most one shift.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def list_zonal_shifts(self, **asked: Any) -> dict[str, Any]:
        assert set(asked) == {"resourceIdentifier", "status"}
        return {"items": [dict(item) for item in self.items]}

    def start_zonal_shift(self, **asked: Any) -> dict[str, Any]:
        assert self.items == []
        assert asked.pop("resourceIdentifier").startswith("arn:aws:elasticloadbalancing:")
        self.items.append({"zonalShiftId": "one", **self._until(asked), **asked})
        return self.items[0]

    def update_zonal_shift(self, **asked: Any) -> dict[str, Any]:
        assert asked.pop("zonalShiftId") == "one"
        self.items[0].update({**self._until(asked), **asked})
        return self.items[0]

    def cancel_zonal_shift(self, **asked: Any) -> dict[str, Any]:
        assert asked == {"zonalShiftId": "one"}
        return self.items.pop()

    def _until(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"expiryTime": f"in {asked.pop('expiresIn')}"}


@pytest.fixture
def cloud(clouds: Clouds) -> Cloud:
    return clouds("active-passive", "active")


@pytest.fixture
def arc(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Arc:
    """Enable zonal shift on the active cluster's load balancer; simulate the API for shifts."""
    arc, client = Arc(), Aws.client
    monkeypatch.setattr(
        Aws,
        "client",
        lambda aws, service, region: (
            arc if service == "arc-zonal-shift" else client(aws, service, region)
        ),
    )
    elb = cloud.client("elbv2", "eu-west-1")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Attributes=[{"Key": "zonal_shift.config.enabled", "Value": "true"}],
    )
    return arc


def test_a_zone_is_shifted_extended_and_brought_back(
    arc: Arc, cloud: Cloud, denodo_ha: Run
) -> None:
    done = denodo_ha("shift", ZONE, *_ARGUMENTS, "--dry-run")
    assert (done.exit_code, arc.items) == (exit_codes.DONE, [])
    assert "would get no new connections for 8 h" in done.stdout
    done = denodo_ha("shift", ZONE, *_ARGUMENTS, "--why", "packet loss")
    assert done.exit_code == exit_codes.DONE, done.output
    assert "not recorded in the history: active, passive: no cluster has a bucket" in done.stderr
    assert f"active: {ZONE} gets no new connections until in 8h" in done.stdout
    (item,) = arc.items
    (zone,) = cloud.client("ec2", "eu-west-1").describe_availability_zones(ZoneNames=[ZONE])[
        "AvailabilityZones"
    ]
    assert (item["awayFrom"], item["comment"]) == (zone["ZoneId"], "packet loss")
    done = denodo_ha("shift", ZONE, *_ARGUMENTS, "--hours", "24")
    assert "until in 24h" in done.stdout
    assert f"active: {ZONE} is shifted until in 24h" in denodo_ha("shift", *_ARGUMENTS).stdout
    other = denodo_ha("shift", OTHER, *_ARGUMENTS)
    assert (other.exit_code, "one zone at a time" in other.stderr) == (exit_codes.REFUSED, True)
    done = denodo_ha("shift", "--back", *_ARGUMENTS, "--dry-run")
    assert (f"active: {ZONE} would be back" in done.stdout, len(arc.items)) == (True, 1)
    assert f"active: {ZONE} is back" in denodo_ha("shift", "--back", *_ARGUMENTS).stdout
    assert arc.items == []


def test_the_last_healthy_node_is_not_shifted_away(arc: Arc, cloud: Cloud, denodo_ha: Run) -> None:
    cloud.become("active", "node2", UNHEALTHY, "jdbc")
    done = denodo_ha("shift", ZONE, *_ARGUMENTS)
    assert done.exit_code == exit_codes.REFUSED
    assert f"no healthy node outside {ZONE} serves jdbc, " in done.stderr
    assert arc.items == []
    assert denodo_ha("shift", ZONE, *_ARGUMENTS, "--force").exit_code == exit_codes.DONE
    assert len(arc.items) == 1


@pytest.mark.parametrize(
    "case",
    [
        ((ZONE,), "start_zonal_shift", f"the shift of {ZONE} may be active"),
        ((ZONE, "--hours", "9"), "update_zonal_shift", f"the shift of {ZONE} may be active"),
        (("--back",), "cancel_zonal_shift", f"{ZONE} may be back"),
    ],
)
@pytest.mark.parametrize(
    "ending",
    [
        (KeyboardInterrupt(), exit_codes.INTERRUPTED),
        (EndpointConnectionError(endpoint_url="https://arc"), exit_codes.AWS),
    ],
)
def test_a_call_without_an_answer_may_have_taken_effect(
    arc: Arc,
    denodo_ha: Run,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[tuple[str, ...], str, str],
    ending: tuple[BaseException, int],
) -> None:
    (arguments, call, effect), (fault, code) = case, ending
    if call != "start_zonal_shift":
        denodo_ha("shift", ZONE, *_ARGUMENTS)

    def lost(**_: Any) -> None:
        raise fault

    monkeypatch.setattr(arc, call, lost)
    done = denodo_ha("shift", *arguments, *_ARGUMENTS)
    assert done.exit_code == code
    assert f"{effect}: `denodo-ha shift --cluster active -c active-passive` shows" in done.stderr


def test_an_empty_page_is_not_the_last(
    arc: Arc, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    denodo_ha("shift", ZONE, *_ARGUMENTS)
    whole = arc.list_zonal_shifts

    def paged(**asked: Any) -> dict[str, Any]:
        second = asked.pop("nextToken", "") == "2"
        return whole(**asked) if second else {"items": [], "nextToken": "2"}

    monkeypatch.setattr(arc, "list_zonal_shifts", paged)
    assert f"{ZONE} is shifted until" in denodo_ha("shift", *_ARGUMENTS).stdout


def test_a_balancer_without_it_and_wrong_usage(arc: Arc, cloud: Cloud, denodo_ha: Run) -> None:
    assert denodo_ha("shift", "eu-west-1z", *_ARGUMENTS).exit_code == exit_codes.USAGE
    assert denodo_ha("shift", ZONE, "--back", *_ARGUMENTS).exit_code == exit_codes.USAGE
    elb = cloud.client("elbv2", "eu-west-1")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Attributes=[{"Key": "zonal_shift.config.enabled", "Value": "false"}],
    )
    done = denodo_ha("shift", ZONE, *_ARGUMENTS)
    assert (done.exit_code, "zonal_shift: true" in done.stderr) == (exit_codes.REFUSED, True)
    assert arc.items == []
