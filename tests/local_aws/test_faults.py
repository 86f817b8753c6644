"""Faults of the local AWS: commands of Systems Manager that never arrive, and calls that fail."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from denodo_ha.aws.polling import RealClock
from denodo_ha.aws.ssm_command import SsmCommand
from hosts.denodo import commands
from hosts.denodo.commands import main
from tests.hosts.denodo.conftest import home, make_home, tables
from tests.hosts.denodo.home import SSO, Home
from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.templates import IMAGE, resource
from tests.support import local_aws_server
from tests.support.shell_commands import AWS_CLI
from tools.local_aws import control
from tools.local_aws.credentials import Access

__all__ = ["home", "make_home", "tables"]

_DOCUMENT = {
    "schemaVersion": "2.2",
    "mainSteps": [
        {
            "action": "aws:runShellScript",
            "name": "run",
            "inputs": {"runCommand": ["true"], "timeoutSeconds": "5"},
        }
    ],
}


@pytest.fixture
def faulty(cloud: Cloud) -> Iterator[Cloud]:
    """Yield an account, and remove the faults of its calls after the test."""
    yield cloud
    fail(cloud)


def fail(cloud: Cloud, **faults: str) -> None:
    """Replace all faults of an account's calls by `faults`, which may be empty."""
    control.call(cloud.access.endpoint, f"call-faults/{cloud.access.account}", faults, method="PUT")


def test_a_command_that_never_arrives_ends_after_its_delivery_time(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": IMAGE})
    document = resource("SSM::Document", DocumentType="Command", Content=_DOCUMENT)
    stack = cloud.deploy({**templates.network(), "Node": templates.node(), "Document": document})
    node = stack.ids["Node"]
    cloud.call(f"stand-ins/{node}", {"address": "127.0.0.2", "commands": "never"}, "PUT")
    command = SsmCommand(stack.ids["Document"], {}, "denodo-ha: look", 5)
    seen: list[str] = []
    results = command.run(
        cloud.client("ssm"),
        [node],
        RealClock(),
        patience=600,
        progress=lambda statuses, _seconds: seen.append(statuses[node]),
    )
    assert (results[node].code, results[node].status) == (-1, "DeliveryTimedOut")
    assert seen[-1] == "TimedOut"


@pytest.mark.parametrize(
    ("fault", "codes"),
    {
        "throttled": ("ThrottlingException", "Throttling", "SlowDown"),
        "denied": ("AccessDeniedException", "AccessDenied", "AccessDenied"),
    }.items(),
)
def test_calls_fail_with_the_codes_of_each_protocol(
    faulty: Cloud, fault: str, codes: tuple[str, ...]
) -> None:
    fail(faulty, GetParameter=fault, cloudformation=fault, s3=fault)
    once = Config(retries={"total_max_attempts": 1})
    calls: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("ssm", "get_parameter", {"Name": "/denodo/a"}),
        ("cloudformation", "describe_stacks", {}),
        ("s3", "get_object", {"Bucket": "a", "Key": "b"}),
    )
    for (service, operation, arguments), code in zip(calls, codes, strict=True):
        client = _client(faulty.access, service, once)
        with pytest.raises(ClientError) as raised:
            getattr(client, operation)(**arguments)
        assert raised.value.response["Error"]["Code"] == code
    faulty.client("ssm").put_parameter(Name="/denodo/a", Value="1", Type="String")
    fail(faulty)
    assert faulty.client("ssm").get_parameter(Name="/denodo/a")["Parameter"]["Value"] == "1"


def test_a_silent_call_gets_no_answer(faulty: Cloud) -> None:
    fail(faulty, ssm="silent")
    client = _client(
        faulty.access, "ssm", Config(read_timeout=1, retries={"total_max_attempts": 1})
    )
    with pytest.raises(ReadTimeoutError):
        client.get_parameter(Name="/denodo/a")


def _client(access: Access, service: str, config: Config) -> Any:
    import boto3  # noqa: PLC0415 - only these tests set the retries of a client

    return boto3.client(
        service,
        endpoint_url=access.endpoint,
        region_name=access.region,
        aws_access_key_id=access.account,
        aws_secret_access_key="x",  # noqa: S106 - the local AWS checks no secret
        config=config,
    )


@pytest.mark.long
class TestBoot:
    """Boots of a node with the real AWS CLI, whose error messages the node program recognises."""

    @pytest.fixture
    def booted(self, home: Home, faulty: Cloud, monkeypatch: pytest.MonkeyPatch) -> Home:
        """Boot a node for the first time, and stop the machine."""
        monkeypatch.setattr(commands, "BOOT_CALL_SECONDS", 30.0)
        for key, value in faulty.access.settings(local_aws_server.paths()).items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        (home.folder / "aws").symlink_to(AWS_CLI)
        home.write(SSO, "# Security Token\nsso.enabled=false\n")
        secret = faulty.client("secretsmanager").create_secret(
            Name="token", SecretString=json.dumps({"sso.enabled": "true"})
        )
        state = home.data(servers=["vdp"], security_token=secret["ARN"])
        faulty.client("ssm").put_parameter(
            Name="/denodo/test/main/node1", Value=json.dumps(state), Type="String"
        )
        assert self.boot(home) == 0
        assert "sso.enabled=true" in home.read(SSO)
        home.end()
        return home

    @staticmethod
    def boot(home: Home) -> int:
        return main([*home.arguments, "boot", "--parameter=/denodo/test/main/node1"])

    def test_denodo_runs_although_calls_fail(
        self, booted: Home, faulty: Cloud, capsys: pytest.CaptureFixture[str]
    ) -> None:
        behind = "the last boot started the servers with the previously applied state"
        for faults in (
            {"ssm": "throttled", "secretsmanager": "throttled"},
            {"ssm": "denied"},
            {"secretsmanager": "denied"},
        ):
            fail(faulty, **faults)
            assert self.boot(booted) == 0
            assert booted.running(), faults
            capsys.readouterr()
            main([*booted.arguments, "status"])
            assert behind in capsys.readouterr().out, faults
            fail(faulty)
            assert self.boot(booted) == 0
            main([*booted.arguments, "status"])
            assert behind not in capsys.readouterr().out
            booted.end()
