"""Shared fixtures of tests on the local AWS."""

from collections.abc import Iterator

import pytest

from denodo_ha.aws import deadline, http_session
from denodo_ha.status import haproxy_query, node_query
from tests.local_aws.cloud import Cloud
from tests.support import client_creation, local_aws_server
from tests.support.configurations import keep_documents

_PATIENCE_S = 120.0


@pytest.fixture(autouse=True, scope="module")
def _patient_commands() -> Iterator[None]:
    """Remove the deadlines of commands, and give each call and node two minutes to answer.

    A loaded machine must not look like a lost region or node.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deadline, "left", lambda limit: limit)
        patch.setattr(http_session, "ATTEMPT_S", _PATIENCE_S)
        for module in (node_query, haproxy_query):
            patch.setattr(module, "PATIENCE_S", _PATIENCE_S)
        yield


@pytest.fixture(autouse=True, scope="module")
def _cheap_clients() -> Iterator[None]:
    """Let the commands that tests run in this process share what each would read again."""
    with pytest.MonkeyPatch.context() as patch:
        client_creation.keep_descriptions(patch)
        keep_documents(patch)
        yield


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, in an account that no other test uses."""
    return Cloud(local_aws_server.endpoint(), local_aws_server.new_account())


def pytest_sessionfinish() -> None:
    """Stop the server of the test run and remove its folder."""
    local_aws_server.finish()
