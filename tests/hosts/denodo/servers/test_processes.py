"""Java processes are found in the kernel's process and socket tables."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from hosts.denodo.apply import apply
from hosts.denodo.servers import processes
from hosts.denodo.servers.servers import Servers
from hosts.denodo.system import System
from tests.hosts.denodo.home import Home, eventually


def test_the_process_that_listens_on_a_port(home: Home) -> None:
    apply(home.system, home.state())
    running = home.running()
    assert running
    found = processes.listening_on(home.system, home.path, home.ports["vdp"])
    assert found is not None
    assert found.pid == running["pid"]
    assert not found.is_web_container
    assert processes.listening_on(home.system, home.path, home.ports["web_tls"]) is None
    # The process on this port does not belong to the installation.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert processes.listening_on(home.system, home.path, port) is None


def test_the_age_of_a_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert processes.age(System(), child.pid) <= processes.age(System(), os.getpid())
        child.kill()
    assert processes.age(System(), child.pid) == float("inf")


def test_a_home_that_is_a_symbolic_link(home: Home, tmp_path: Path) -> None:
    """Denodo's scripts put the real path of the home into the command lines of processes."""
    link = tmp_path / "denodo-platform"
    link.symlink_to(home.path)
    state = home.state(denodo__home=str(link), servers=["vdp", "data-catalog"])
    apply(home.system, state)
    installed = Servers(home.system, state)
    assert len(processes.of_home(home.system, link)) == 2
    first = home.running()
    installed.start(state.servers, time.monotonic() + 300)
    assert home.running() == first
    installed.stop()
    assert eventually(lambda: home.running() is None)
    assert processes.of_home(home.system, link) == []
