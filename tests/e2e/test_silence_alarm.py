"""A first deploy sets off no alarm; a change of `minutes_without_data` takes two more deploys."""

import json
import os
import time
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.environment import names
from denodo_ha.environment.derived.node_alarms import (
    CERTIFICATE_DAYS,
    CLUSTER_DIMENSION,
    NODE_DIMENSION,
    node_alarms,
    publishing_nodes,
)
from tests.e2e.deployment import Data, Deployment
from tests.support import local_aws_server
from tests.support.waiting import until
from tools.local_aws.credentials import Access

_TIMEOUT_S = 300.0


def _one_minute(data: Data) -> None:
    """Set `minutes_without_data` to 1, as older versions did, and let nodes publish metrics."""
    data["failover"]["minutes_without_data"] = 1
    data["alarms"] = {"nodes": True, "email": ["operators@example.com"]}
    # The checks only connect, since the nodes of this test answer no readiness checks.
    for cluster in data["clusters"].values():
        cluster["balancer"]["health"] = {"protocol": "tcp"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    folder = tmp_path_factory.mktemp("silence")
    deployment = Deployment.of_example("active-passive", folder, _one_minute)
    deployment.prepare()
    deployment.deploy_through_api()
    return deployment


def _run(deployment: Deployment, *arguments: str) -> Result:
    file = str(deployment.out.parent / "environment.yaml")
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(key)
        for key, value in deployment.access.settings(local_aws_server.paths()).items():
            patch.setenv(key, value)
        patch.setattr(dns_answer, "lookup", lambda _name: None)
        return CliRunner().invoke(build_program(COMMANDS), [*arguments, "-c", file])


def _assert_at_primary(deployment: Deployment) -> None:
    description = json.loads(_run(deployment, "failover", "status", "--format", "json").stdout)
    assert {item["cluster"] for item in description["answered"][1:]} == {"active"}


def _pinned(deployment: Deployment) -> set[int | None]:
    """Run `pin`, and return the `minutes_without_data` in the active cluster's pins."""
    done = _run(deployment, "pin")
    assert done.exit_code == 0, done.output
    file = deployment.out.parent / "environment.pins.yaml"
    pins: Any = YAML(typ="safe").load(file.read_text())
    return {pin.get("minutes_without_data") for pin in pins["active"].values()}


def _minutes(deployment: Deployment) -> tuple[set[int], int]:
    """Return the minutes of all no-data alarms, and of the alarm that a health check follows."""
    endpoint, (_, region) = local_aws_server.endpoint(), ("", "eu-west-1")
    access = Access(endpoint, deployment.access.account, region)
    alarms = {
        alarm["AlarmName"]: alarm["EvaluationPeriods"]
        for alarm in access.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if alarm["MetricName"] == "ActiveFlowCount"
    }
    names = [
        check["HealthCheckConfig"].get("AlarmIdentifier", {}).get("Name")
        for check in access.client("route53").list_health_checks()["HealthChecks"]
    ]
    (followed,) = [alarms[name] for name in names if name in alarms]
    return set(alarms.values()), followed


def _deploy(deployment: Deployment) -> None:
    deployment.deploy_through_api()
    _assert_at_primary(deployment)


def _publish(deployment: Deployment, access: Access) -> None:
    """Publish the metrics that the healthy nodes of a region's cluster publish."""
    environment = deployment.loaded.environment
    (cluster,) = (name for name, one in environment.clusters.items() if one.region == access.region)
    healthy = {
        **dict.fromkeys((alarm.metric for alarm in node_alarms(environment, cluster)), 0.0),
        CERTIFICATE_DAYS: 300.0,
    }
    for node in publishing_nodes(environment, cluster):
        dimensions = {CLUSTER_DIMENSION: cluster, NODE_DIMENSION: node}
        access.client("cloudwatch").put_metric_data(
            Namespace=names.node_metrics_namespace(environment.name),
            MetricData=[
                {
                    "MetricName": metric,
                    "Value": value,
                    "Dimensions": [{"Name": name, "Value": of} for name, of in dimensions.items()],
                }
                for metric, value in healthy.items()
            ],
        )


def _states(access: Access) -> dict[str, str]:
    """Return the states of the alarms on metrics and the composite alarms of a region."""
    kinds = ["MetricAlarm", "CompositeAlarm"]
    answer = access.client("cloudwatch").describe_alarms(AlarmTypes=kinds)
    alarms = [*answer["MetricAlarms"], *answer["CompositeAlarms"]]
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}


def test_in_a_healthy_environment_each_alarm_is_ok_and_none_has_gone_off(
    deployment: Deployment,
) -> None:
    """Only the alarms on the switch have no data, until operators use it for the first time."""
    account, endpoint = deployment.access.account, local_aws_server.endpoint()

    def others() -> dict[str, str]:
        found: dict[str, str] = {}
        for region in ("eu-west-1", "eu-central-1"):
            access = Access(endpoint, account, region)
            _publish(deployment, access)
            found |= _states(access)
        assert len(found) > 60
        return {name: state for name, state in found.items() if state != "OK"}

    until(lambda: all("Switch" in name or "thrown" in name for name in others()))
    assert set(others().values()) == {"INSUFFICIENT_DATA"}
    file = local_aws_server.paths().notifications
    text = file.read_text() if file.exists() else ""
    told = [part for part in text.split("\n\n") if f":{account}:" in part.partition("\n")[0]]
    # A new alarm notifies once that it is OK (AWS, PutCompositeAlarm), so there are notifications.
    assert told
    assert [part for part in told if "INSUFFICIENT_DATA -> OK" not in part] == []


def test_it_arrives_in_two_deploys(deployment: Deployment) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while _run(deployment, "failover", "status").exit_code:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert _minutes(deployment) == ({1}, 1)
    assert _pinned(deployment) == {None}, "versions before this setting read the file"

    deployment.change(lambda data: data["failover"].pop("minutes_without_data"))
    _deploy(deployment)
    assert _minutes(deployment) == ({1, 3}, 1), "the new alarm is made beside the old one"
    plan = _run(deployment, "plan", str(deployment.out))
    assert "denodo70-active: one more deploy is needed: " in plan.stdout
    while _pinned(deployment) != {3}:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    deployment.change(lambda _data: None)
    _deploy(deployment)
    assert _minutes(deployment) == ({3}, 3)
    assert "one more deploy" not in _run(deployment, "plan", str(deployment.out)).stdout
    assert _pinned(deployment) == {3}
