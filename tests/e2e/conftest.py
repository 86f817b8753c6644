"""Shared fixtures of tests on the local AWS."""

from collections.abc import Iterator

import pytest

from tests.e2e import node_programs
from tests.local_aws.cloud import Cloud
from tests.support import client_creation, local_aws_server
from tests.support.configurations import keep_documents
from tests.support.patience import remove_deadlines


@pytest.fixture(autouse=True, scope="module")
def _patient_commands() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        remove_deadlines(patch)
        yield


@pytest.fixture(autouse=True, scope="module")
def _cheap_clients() -> Iterator[None]:
    """Let commands in this process share descriptions of AWS services and parsed configurations."""
    with pytest.MonkeyPatch.context() as patch:
        client_creation.keep_descriptions(patch)
        keep_documents(patch)
        yield


@pytest.fixture
def cloud() -> Cloud:
    """The local AWS, in an account that no other test uses."""
    return Cloud(local_aws_server.endpoint(), local_aws_server.new_account())


def pytest_sessionfinish() -> None:
    """Stop the local AWS of the test run, remove its folder, and end the process `NodePrograms`."""
    local_aws_server.finish()
    node_programs.finish()
