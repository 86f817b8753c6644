"""The commands behind `make local`, `make local-env` and `make local-down`, as a user runs them."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import local_aws_server
from tests.support.assembly import ROOT
from tools.local_aws import control, server_process
from tools.local_aws.credentials import Access
from tools.local_aws.paths import Paths
from tools.local_aws.rehearsal import resolver

# One stack with a created network: the fastest example that includes every kind of resource.
CONFIG = "active-active"
_TIMEOUT_S = 600
_NODE3_IS_HEALTHY = re.compile(r"9999 +node3 +healthy")
_WHO = 'import boto3; print(boto3.client("sts").get_caller_identity()["Account"])'


def command(paths: Paths, verb: str, config: str = CONFIG) -> list[str]:
    """Return a command line of the local AWS that runs no programs on nodes.

    `living/test_nodes.py` tests nodes with programs.
    """
    arguments = ["--folder", str(paths.folder), "--config", config, "--nodes", "none"]
    return [sys.executable, "-m", "tools.local_aws", verb, *arguments]


def run(
    paths: Paths, verb: str, config: str = CONFIG, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(paths, verb, config),
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


@contextmanager
def trap() -> Iterator[tuple[str, list[object]]]:
    """Yield the URL of a server, and the list in which the server records each connection."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        over = threading.Event()

        def note() -> None:
            while not over.is_set():
                try:
                    connection, caller = listening.accept()
                except TimeoutError:
                    continue
                connection.close()
                callers.append(caller)

        thread = threading.Thread(target=note)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", callers
        finally:
            over.set()
            thread.join(120)


def test_from_nothing_to_nothing(paths: Paths, tmp_path: Path) -> None:
    """Commands call only the local AWS, even if the shell sets other keys, endpoints or proxies."""
    profile = tmp_path / "config"
    with trap() as (elsewhere, callers):
        profile.write_text(f"[profile prod]\nregion=us-east-1\nendpoint_url={elsewhere}\n")
        hostile = {
            "AWS_PROFILE": "prod",
            "AWS_CONFIG_FILE": str(profile),
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "real",
            "AWS_SESSION_TOKEN": "real",
            "AWS_ENDPOINT_URL": elsewhere,
            "AWS_ENDPOINT_URL_STS": elsewhere,
            "AWS_ENDPOINT_URL_CLOUDFORMATION": elsewhere,
            "HTTP_PROXY": elsewhere,
            "HTTPS_PROXY": elsewhere,
            "http_proxy": elsewhere,
        }
        first = run(paths, "up", **hostile)
        assert first.returncode == 0, first.stdout + first.stderr
        _shows_the_status(first.stdout)
        assert f"tail -f {paths.notifications}" in first.stdout
        assert paths.notifications.exists()

        # The CDK CLI writes to standard output if CI is set, otherwise to standard error.
        second = run(paths, "up", **hostile)
        assert second.returncode == 0, second.stderr
        assert "is running on" in second.stdout
        assert "Bootstrapping" not in second.stdout
        assert "(no changes)" in second.stdout + second.stderr

        _shell_is_sent_there(paths, hostile)
        _names_are_resolved(paths, first.stdout)

        running = server_process.running(paths)
        assert running is not None
        last = run(paths, "down", **hostile)
        assert last.returncode == 0, last.stdout + last.stderr
        assert "denodo80-main: destroyed" in last.stdout + last.stderr
    assert callers == []
    assert control.identity(running.endpoint) is None
    assert list(tmp_path.iterdir()) == [profile]


def _shows_the_status(output: str) -> None:
    steps = ["Configuration", "has started on", "Bootstrapping", "Deploying", "What to try next"]
    assert [step for step in steps if step in output] == steps
    assert _NODE3_IS_HEALTHY.search(output)
    assert "denodo80-main" in output


def _shell_is_sent_there(paths: Paths, hostile: dict[str, str]) -> None:
    """Assert that commands call the local AWS after `eval "$(make -s local-env)"` in a shell."""
    lines = run(paths, "env", **hostile)
    assert lines.returncode == 0, lines.stderr
    script = f"""
        {lines.stdout}
        test -z "${{AWS_PROFILE+set}}${{AWS_SESSION_TOKEN+set}}" || exit 3
        {sys.executable} -c '{_WHO}'
        npx --no-install cdk ls --app '{paths.assemblies}/denodo80'
        denodo-ha --help | grep -o 'Operate highly'
    """
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=ROOT,
        env=os.environ | hostile,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.stdout.split() == ["111122223333", "denodo80-main", "Operate", "highly"]


def _names_are_resolved(paths: Paths, output: str) -> None:
    """Assert that the printed DNS server and `make -s local-resolve` give the same answers."""
    match = re.search(r"Names: dig(?: -p (\d+))? @(127\S+) NAME", output)
    assert match is not None
    assert re.search(r"Time: 10 seconds of AWS pass in one second", output)
    running = server_process.running(paths)
    assert running is not None
    client = Access(running.endpoint, "111122223333", "eu-west-1").client("elbv2")
    (balancer,) = client.describe_load_balancers()["LoadBalancers"]
    done = subprocess.run(
        [*command(paths, "resolve"), "--name", balancer["DNSName"]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    server = (match[2], int(match[1] or 53))
    addresses = resolver.ask(server, balancer["DNSName"], timeout=60).addresses
    assert len(addresses) == 3
    assert sorted(done.stdout.rstrip("\n").split(",")) == sorted(addresses)


@pytest.mark.parametrize("name", ["", "missing.example"])
def test_a_name_without_an_address(paths: Paths, name: str) -> None:
    if name:
        running = server_process.start(paths, local_aws_server.quiet, parent=os.getpid())
        assert control.identity(running.endpoint)
    done = subprocess.run(
        [*command(paths, "resolve"), "--name", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    expected = (
        f"{name} has no address: the DNS server of the local AWS answers REFUSED"
        if name
        else "NAME is missing"
    )
    assert done.stderr.startswith(f"make local-resolve: {expected}")


@pytest.mark.parametrize("port", ["abc", "-1", "65536"])
def test_a_port_that_is_none(paths: Paths, port: str) -> None:
    done = subprocess.run(
        [*command(paths, "up", CONFIG), f"--port={port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"make local: LOCAL_PORT={port} is not a port")
    assert done.stderr.count("\n") == 1


def test_broken_off_and_killed_and_then_done(paths: Paths) -> None:
    interrupted, output = _disturbed(paths, lambda process: process.send_signal(signal.SIGINT))
    assert interrupted == 130, output
    assert "interrupted. A server of the local AWS that was running is still running" in output

    killed, output = _disturbed(paths, lambda _process: _kill_server(paths))
    assert killed == 1, output
    assert "the server of the local AWS has ended" in output
    assert "Run `make local CONFIG=" in output
    assert "Traceback" not in output

    done = run(paths, "up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was killed before it could shut down" in done.stdout
    assert _NODE3_IS_HEALTHY.search(done.stdout)


def _disturbed(paths: Paths, disturb: Callable[[subprocess.Popen[str]], None]) -> tuple[int, str]:
    """Run `make local` and call `disturb` during the deploy; return exit code and output."""
    with subprocess.Popen(
        command(paths, "up"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        watchdog = threading.Timer(_TIMEOUT_S, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            output = []
            for line in process.stdout:
                output.append(line)
                if "Deploying with" in line:
                    disturb(process)
            return process.wait(_TIMEOUT_S), "".join(output)
        finally:
            watchdog.cancel()


def _kill_server(paths: Paths) -> None:
    running = server_process.running(paths)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)


def test_a_broken_configuration_leaves_no_server(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("name: Wrong\n")
    done = run(paths, "up", str(file))
    assert done.returncode == 1
    assert "wrong.yaml:1:7: name: is not a name for an environment" in done.stderr
    assert "Traceback" not in done.stderr
    assert not paths.folder.exists()


def test_without_a_server_a_shell_goes_nowhere(paths: Paths) -> None:
    done = run(paths, "env")
    assert done.returncode == 1
    # The user's shell evaluates this output: with `false`, a script stops before the script calls a
    # real account.
    assert done.stdout.strip() == "false"
    assert "start it with `make local CONFIG=" in done.stderr


def test_down_without_anything_is_no_error(paths: Paths) -> None:
    done = run(paths, "down")
    assert (done.returncode, done.stderr) == (0, "")
    assert "There is no local AWS to remove" in done.stdout


def test_down_after_a_kill_removes_what_is_left(paths: Paths) -> None:
    running = server_process.start(paths, local_aws_server.quiet)
    os.kill(running.pid, signal.SIGKILL)
    done = run(paths, "down")
    assert done.returncode == 0, done.stderr
    assert "is not running" in done.stdout
    assert not paths.folder.exists()
