"""The metric of a HAProxy host, published by a timer: the days until its certificate expires."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hosts.common.aws_cli import AwsCli
from hosts.haproxy import certificate_metric
from hosts.haproxy.desired_state import DesiredState
from hosts.haproxy.errors import Failed
from hosts.haproxy.host import Host
from tests.support.servers.certificates import authority

NAMESPACE = "Denodo/Nodes/test"
_AWS = AwsCli(region="eu-west-1")
_STATE = DesiredState("s3://bucket/one.zip", "s3://bucket/cfg", "", "arn:secret", "", 1)
DESIRED = replace(_STATE, metrics=NAMESPACE, cluster="main")
WITHOUT = (_STATE, replace(DESIRED, certificate=""))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Return a host with stand-ins for `aws` and `systemctl` that record their arguments."""
    for name in ("aws", "systemctl"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\nfor one; do printf "%s\\n" "$one" >> {tmp_path}/{name}-calls; done\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Host(
        tls=tmp_path / "tls",
        units=tmp_path / "units",
        program_folder=tmp_path,
        systemctl=str(tmp_path / "systemctl"),
    )


def _calls(host: Host, name: str) -> list[str]:
    file = host.program_folder / f"{name}-calls"
    return file.read_text().splitlines() if file.exists() else []


def _write(host: Host, *contents: bytes) -> None:
    host.tls.mkdir()
    (host.tls / "server.pem").write_bytes(b"".join(contents))


def test_the_first_certificate_of_the_chain_counts(host: Host) -> None:
    own, next_ = authority().issue("localhost", ends=40), authority().issue("other", ends=20)
    _write(host, own.chain, next_.chain, own.key)
    days = certificate_metric.publish(host, _AWS, DESIRED)
    assert days == pytest.approx(20, abs=0.1)
    call = _calls(host, "aws")
    assert call[:3] == ["cloudwatch", "put-metric-data", f"--namespace={NAMESPACE}"]
    (data,) = json.loads(call[3].removeprefix("--metric-data="))
    assert data["MetricName"] == "HaproxyCertificateDaysLeft"
    assert data["Dimensions"] == [{"Name": "Cluster", "Value": "main"}]


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_without_a_certificate_is_named(host: Host, content: bytes) -> None:
    _write(host, content)
    with pytest.raises(Failed, match=r"server\.pem contains no certificate"):
        certificate_metric.publish(host, _AWS, DESIRED)
    assert _calls(host, "aws") == []


@pytest.mark.parametrize("desired", WITHOUT)
def test_without_the_keys_nothing_is_published_or_written(
    host: Host, desired: DesiredState
) -> None:
    assert certificate_metric.publish(host, _AWS, desired) is None
    certificate_metric.switch(host, desired, parameter="/p", region="eu-west-1")
    assert _calls(host, "aws") + _calls(host, "systemctl") == []
    assert not host.units.exists()


@pytest.mark.parametrize("after", WITHOUT)
def test_the_timer_follows_the_state(host: Host, after: DesiredState) -> None:
    certificate_metric.switch(host, DESIRED, parameter="/p", region="eu-west-1")
    timer = f"{certificate_metric.UNIT}.timer"
    assert _calls(host, "systemctl") == ["daemon-reload", "enable", "--now", timer]
    service = (host.units / f"{certificate_metric.UNIT}.service").read_text()
    assert " -m haproxy metrics --parameter /p --region eu-west-1\n" in service
    assert f"WorkingDirectory={host.program_folder}\n" in service
    certificate_metric.switch(host, after, parameter="/p", region="eu-west-1")
    assert _calls(host, "systemctl")[4:] == ["disable", "--now", timer]
    assert list(host.units.iterdir()) == []


def test_a_state_of_an_earlier_version_has_no_metrics() -> None:
    text = {"program": "p", "file": "f", "drop_in": "", "health_port": 1, "certificate": "arn"}
    assert DesiredState.parse(json.dumps(text)).metrics == ""
    more = {**text, "metrics": NAMESPACE, "cluster": "main"}
    state = DesiredState.parse(json.dumps(more))
    assert (state.metrics, state.cluster) == (NAMESPACE, "main")
