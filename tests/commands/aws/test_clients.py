"""AWS clients: one for each service and region, shared by all threads, with the SDK's settings."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from denodo_ha.aws.clients import ATTEMPTS, Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.http_session import ATTEMPT_S
from denodo_ha.cli.errors import NoCredentials, UsageError
from tests.commands.account.cloud import Cloud


class TestClients:
    """The client settings of the commands."""

    def test_made_once_whoever_asks(self) -> None:
        aws = Aws()
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: aws.client("sts", "eu-west-1"), range(16)))
        assert len({id(client) for client in made}) == 1
        assert aws.client("sts", "us-east-1") is not made[0]

    def test_settings(self) -> None:
        config = Aws().client("elbv2", "eu-west-1").meta.config
        assert config.retries["mode"] == "standard"
        assert config.retries["total_max_attempts"] == ATTEMPTS
        assert (config.connect_timeout, config.read_timeout) == (ATTEMPT_S, ATTEMPT_S)

    def test_another_endpoint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        assert Aws().client("elbv2", "eu-west-1").meta.endpoint_url == "http://127.0.0.1:1"

    def test_unknown_profile(self) -> None:
        with pytest.raises(NoCredentials, match=r"nix.*list-profiles"):
            Aws(profile="nix")

    def test_region_of_the_shell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert Aws().region is None
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
        assert Aws().region == "eu-west-3"

    def test_account_is_asked_once_of_all_regions(self, cloud: Cloud) -> None:
        aws = Aws()
        cloud.faults.lose("eu-west-1")
        for _ in range(2):
            assert aws.account(["eu-west-1", "us-east-1"]) == cloud.caller
        assert len(cloud.calls.made) == 2

    def test_nowhere_to_ask(self) -> None:
        with pytest.raises(UsageError, match="--region"):
            Aws().account([])


class TestTogether:
    """Several calls run concurrently, with a limit."""

    def test_keeps_the_order(self) -> None:
        assert map_concurrently(lambda one: one * 2, range(20)) == [one * 2 for one in range(20)]

    def test_as_many_as_allowed_and_never_more(self) -> None:
        busy, most, lock = 0, 0, threading.Lock()
        together = threading.Barrier(3)

        def work(_: int) -> None:
            nonlocal busy, most
            with lock:
                busy += 1
                most = max(most, busy)
            together.wait(timeout=60)
            with lock:
                busy -= 1

        map_concurrently(work, range(21), workers=3)
        assert most == 3

    def test_an_error_stops_what_has_not_begun(self) -> None:
        begun: list[int] = []
        raised = threading.Event()

        def work(one: int) -> None:
            begun.append(one)
            if one == 0:
                raise ValueError
            raised.wait(60)

        with pytest.raises(ValueError):  # noqa: PT011 - the error has no message
            map_concurrently(work, range(50), workers=2)
        raised.set()
        assert len(begun) < 50


@pytest.mark.parametrize("operation", ["throttle", "break_down"])
def test_faults_are_met_when_they_are_due(cloud: Cloud, operation: str) -> None:
    """A fault with `on=2` affects the second call, and neither the first nor the third call."""
    getattr(cloud.faults, operation)("DescribeInstances", on=2)
    client = Aws().client("ec2", "eu-west-1")
    outcomes = []
    for _ in range(3):
        try:
            client.describe_instances()
            outcomes.append("fine")
        except client.exceptions.ClientError:
            outcomes.append("fault")
    assert outcomes == ["fine", "fault", "fine"]
