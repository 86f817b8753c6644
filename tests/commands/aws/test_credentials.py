"""Credentials are obtained within a time limit of their own, which does not count for reads."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials

from denodo_ha.aws import credentials, deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import ExpiredCredentials
from tests.support.assembly import ROOT

_TIMEOUT_S = 300
_MFA = """
[profile ops]
role_arn = arn:aws:iam::111122223333:role/ops
mfa_serial = arn:aws:iam::111122223333:mfa/ann
source_profile = base
region = eu-west-1

[profile chained]
role_arn = arn:aws:iam::111122223333:role/other
source_profile = ops
region = eu-west-1

[profile base]
aws_access_key_id = testing
aws_secret_access_key = testing
"""


class Source:
    """A source of credentials that answers when `answered` is set."""

    def __init__(self) -> None:
        self.answered, self.calls, self.seconds = threading.Event(), 0, 0.0

    def get_deferred_property(self, name: str) -> Any:
        return lambda: name

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        self.calls += 1
        time.sleep(self.seconds)
        self.answered.wait(_TIMEOUT_S)
        return ReadOnlyCredentials("key", "secret", None)


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.answered.set()


def signed_in_from(source: Source) -> Aws:
    aws = Aws()
    session: Any = aws._session._session  # noqa: SLF001 - no other access to botocore's session
    session._credentials = source  # noqa: SLF001 - there is no public setter
    return aws


def test_a_source_that_hangs_is_named_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "SOURCE_S", 0.2)
    aws = signed_in_from(source)
    for _ in range(2):
        with pytest.raises(ExpiredCredentials, match=r"source of the AWS credentials.*AWS_REGION"):
            aws.client("sts", "eu-west-1")
    assert source.calls == 1


@pytest.mark.usefixtures("running_deadlines")
def test_the_time_of_the_source_is_not_the_time_of_the_looks(source: Source) -> None:
    source.answered.set()
    source.seconds = 0.5
    with deadline.limited(100):
        before = time.monotonic()
        signed_in_from(source).client("sts", "eu-west-1")
        left = deadline.left(1000)
        passed = time.monotonic() - before
    assert passed >= 0.5
    # The deadline excludes the 0.5 s in which the credentials were obtained.
    assert left > 100 - passed + 0.4


def test_with_attempts_shares_the_credentials(source: Source) -> None:
    source.answered.set()
    aws = signed_in_from(source)
    aws.client("sts", "eu-west-1")
    other = aws.with_attempts(7)
    assert other.client("sts", "eu-west-1").meta.config.retries["total_max_attempts"] == 7
    assert aws.client("sts", "eu-west-1").meta.config.retries["total_max_attempts"] != 7
    assert source.calls == 1


@pytest.mark.parametrize(("profile", "closed"), [("ops", True), ("chained", False)])
def test_an_mfa_profile_without_a_terminal(tmp_path: Path, profile: str, *, closed: bool) -> None:
    config = tmp_path / "config"
    config.write_text(_MFA)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    command = [sys.executable, "-m", "denodo_ha", "status", "-c", "active-passive", "--no-ask"]
    done = subprocess.run(
        [
            "sh",
            "-c",
            'exec "$@" <&-' if closed else 'exec "$@"',
            "sh",
            *command,
            "--profile",
            profile,
        ],
        cwd=ROOT,
        env={**kept, "AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
        start_new_session=True,
    )
    assert done.returncode == exit_codes.AWS, done.stderr
    assert "there is no terminal on which to type the code" in done.stderr
    assert "Traceback" not in done.stderr
