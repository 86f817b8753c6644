"""`denodo-ha review` from git, as a user runs it, in a network namespace without any interface."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.review.page.markdown_page import MOST_CHARACTERS
from tests.support.git_clone import TIMEOUT, Repository

pytestmark = pytest.mark.long

# Script in place of the CDK CLI: it records each run. A synthesis begins only when a second
# synthesis has started, so the test fails if a review synthesises its two revisions one after the
# other.
CDK = """\
#!/bin/sh
echo "$1" >>"$RUNS"
if [ "$1" = synth ]; then
    waited=0
    while [ "$(grep -c synth "$RUNS")" -lt 2 ]; do
        waited=$((waited + 1))
        [ "$waited" -lt 1200 ] || { echo "no second synthesis has started" >&2; exit 1; }
        sleep 0.1
    done
fi
exec "$(dirname "$0")/real-cdk-offline" "$@"
"""


@pytest.fixture
def without_network() -> list[str]:
    """Return a command that runs the given command without any network interface."""
    command = ["unshare", "--map-root-user", "--net"]
    if shutil.which(command[0]) is None:
        pytest.skip("this machine has no unshare (Linux: apt-get install util-linux)")
    done = subprocess.run([*command, "true"], capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine denies network namespaces: {done.stderr.decode().strip()}")
    return command


def test_one_page_without_a_network(tmp_path: Path, without_network: list[str]) -> None:
    repository = Repository(tmp_path)
    (repository.root / "tools/cdk-offline").rename(repository.root / "tools/real-cdk-offline")
    (repository.root / "tools/cdk-offline").write_text(CDK)
    (repository.root / "tools/cdk-offline").chmod(0o755)
    example = repository.use_real_app()
    example.write_text(example.read_text().replace("port: 9999", "port: 9989"))
    page, runs = tmp_path / "temporary/review.html", tmp_path / "temporary/runs"
    arguments = ["review", "-c", "active-passive", "--html", str(page)]
    done = subprocess.run(
        [
            *(*without_network, sys.executable, "-m", "denodo_ha", *arguments),
            *("--fail-on", "replacement"),
        ],
        cwd=repository.root,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary"), "RUNS": str(runs)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (exit_codes.NO, "")
    assert len(done.stdout) < MOST_CHARACTERS
    top = "\n".join(done.stdout.split("\n")[:5])
    assert "listener-port-changed (active: jdbc, passive: jdbc)" in top
    assert "target-group-replaced (active: jdbc, passive: jdbc)" in top
    html = page.read_text()
    for text in ("listener-port-changed", "<svg", "9989 jdbc", "[+] 9989", "10,800 states"):
        assert text in html
    # The CDK CLI is slow, so it runs once for each revision and once for each stack that differs.
    assert sorted(runs.read_text().split()) == [*["diff"] * 3, *["synth"] * 2]
    page.unlink()
    runs.unlink()
    assert repository.leftovers == []
