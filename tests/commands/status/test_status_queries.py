"""Queries of `denodo-ha status`: a node that does not answer delays no HAProxy instance."""

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from denodo_ha.deployed.environment_locator import EnvironmentLocation
from denodo_ha.status import aws_state, command, haproxy_query, node_query, verdict
from denodo_ha.status.aws_state import AwsState
from tests.commands.account.virtual_clock import VirtualClock
from tests.commands.deployed.test_haproxy_instances import cluster

if TYPE_CHECKING:
    from denodo_ha.aws.clients import Aws

LONG_S = 60.0
"""Timeout of the waits, long enough for a busy machine: only a failing test waits this long."""


def test_haproxy_instances_are_queried_while_a_node_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployed, haproxy_queried = cluster(proxied=True), threading.Event()
    state = AwsState({deployed.location: deployed}, {}, {}, {}, {})
    silent: list[bool] = []

    def query_nodes(*_: Any, **__: Any) -> node_query.Answers:
        silent.append(haproxy_queried.wait(LONG_S))
        return {}

    def query_haproxy(*_: Any, **__: Any) -> haproxy_query.Answers:
        haproxy_queried.set()
        return {}

    monkeypatch.setattr(aws_state, "read_aws_state", lambda *_: state)
    monkeypatch.setattr(node_query, "query_nodes", query_nodes)
    monkeypatch.setattr(haproxy_query, "query_haproxy", query_haproxy)
    monkeypatch.setattr(command, "cluster_status", lambda *_, **__: None)
    monkeypatch.setattr(verdict, "environment_state", lambda *_, **__: "healthy")
    site = EnvironmentLocation("site", (deployed.location,), None)
    reader = command.StatusReader(
        cast("Aws", None), site, clock=VirtualClock(), ask=True, accepted=()
    )
    reader.read()
    assert silent == [True]
