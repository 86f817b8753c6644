"""A site made by hand on the local AWS, read once: its answers are replayed for all tests."""

from collections.abc import Iterator

import pytest

from tests.local_aws.cloud import Cloud
from tests.support import client_creation, local_aws_server
from tests.support.hand_made_site import HandMadeSite, make_site
from tests.support.recorded_calls import RecordedCalls


@pytest.fixture(scope="module")
def calls() -> Iterator[RecordedCalls]:
    """Record AWS's answer when a call is first made, and replay it in later tests of the module."""
    with pytest.MonkeyPatch.context() as patch:
        client_creation.keep_descriptions(patch)
        yield RecordedCalls(patch)


@pytest.fixture(scope="module")
def site(calls: RecordedCalls) -> HandMadeSite:
    """Site of Denodo's article, created call by call in an account that no other test uses."""
    made = make_site(Cloud(local_aws_server.endpoint(), local_aws_server.new_account()))
    calls.forget()
    return made


@pytest.fixture(autouse=True)
def _credentials(site: HandMadeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the credentials of the site's account of the local AWS for boto3."""
    access = next(iter(site.clusters.values())).cloud.access
    for key, value in access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)


def pytest_sessionfinish() -> None:
    """Stop the local AWS that this test run has started, and remove its folder."""
    local_aws_server.finish()
