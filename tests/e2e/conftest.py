"""Shared fixtures of tests on the local AWS."""

from collections.abc import Iterator

import pytest

from denodo_ha.aws import deadline
from denodo_ha.cli import time_limit
from denodo_ha.failover import command, failover_task, switching
from tests.local_aws.cloud import Cloud
from tests.support import client_creation, local_aws_server
from tests.support.configurations import keep_documents


@pytest.fixture(autouse=True, scope="module")
def _patient_looks() -> Iterator[None]:
    """Give commands a minute to read a state: a loaded machine must not look like a lost region."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deadline, "LOOK_S", 60.0)
        patch.setattr(time_limit, "LEAST_S", 60.0)
        for module in (failover_task, switching, command):
            patch.setattr(module, "LOOK_S", 60.0)
        for module in (failover_task, command):
            patch.setattr(module, "ANSWER_S", 60.0)
        # The looks before the switch is thrown have together less time than `LOOK_S`.
        patch.setattr(command, "LEAST_LOOK_S", 60.0)
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
