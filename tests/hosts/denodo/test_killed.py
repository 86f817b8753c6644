"""An apply that is killed before any step, then run again, results in the old or new state."""

import itertools
import json
import subprocess
import sys
from typing import Any

import pytest

from hosts.denodo.state_reader import parse
from tests.hosts.denodo import killed
from tests.hosts.denodo.home import FILES, MANAGER, VDP, WEB, Home
from tests.support.servers.ports import free_ports

# The test forks the processes to kill, and forking a process that contains a JVM is not safe.
_RUNNER = [sys.executable, "-m", "tests.hosts.denodo.test_killed"]
_STEPS_AT_LEAST = 18
_START = 15
_STRIDE = 4
"""Number of steps from one kill to the next; `make kill-matrix` kills at every step."""


def _mixture(home: Home, state: dict[str, Any]) -> str:
    """Return the differences of a node from a state; empty without a difference."""
    vdp, web = _values(home, VDP), _values(home, WEB)
    running = home.running() or {}
    ports = state["ports"]
    found = {
        "file": (vdp[f"{MANAGER}.odbcPort"], vdp["java.env.DENODO_OPTS_START"].replace("\\", "")),
        "web": web["com.denodo.tomcat.http.port"],
        "running": (running.get("port"), running.get("jvm")),
    }
    options = state["jvm"]["vdp"]
    wanted = {
        "file": (str(ports["odbc"]), options),
        "web": str(ports["web"]),
        "running": (ports["vdp"], options),
    }
    return "" if found == wanted else f"{found} instead of {wanted}"


def _values(home: Home, file: str) -> dict[str, str]:
    lines = (home.path / file).read_text("latin-1").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


def _states(home: Home, *, bad: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    ports = dict(zip(("vdp", "odbc", "web"), free_ports(3, but=home.ports.values()), strict=True))
    old = home.data()
    new = home.data(
        ports={**old["ports"], **ports},
        jvm={"vdp": "-Ddead" if bad else "-Xmx2g"},
    )
    return old, new


def main(home: Home, *, again: str) -> dict[str, Any]:
    """Kill runs of the program, one at every fourth step; return problems and number of steps.

    Args:
        home: the installation.
        again: state that the run after the killed run applies: `new` or `old`. `bad`: as `old`,
            but the server of the killed run's state does not start.
    """
    old, new = _states(home, bad=again == "bad")
    wrong = []
    assert killed.run(home.system, parse(json.dumps(old))) == 0
    # Before the servers start, the steps for a bad state are the same as for a good one.
    first = _START if again == "bad" else 1
    for step in itertools.count(first, _STRIDE):
        ended = killed.run(home.system, parse(json.dumps(new)), kill_at=step)
        if ended != killed.KILLED:
            break
        wanted = new if again == "new" else old
        ended = killed.run(home.system, parse(json.dumps(wanted)))
        problem = f"ended with {ended}" if ended else _mixture(home, wanted)
        if problem:
            wrong.append(f"step {step}: {problem}")
        if again == "new":
            # Exchange the states, so that each killed run starts from `old` and applies `new`.
            old, new = new, old
    left = [str(path) for path in home.folder.rglob(".*.denodo-node")]
    return {"steps": step - _STRIDE, "wrong": wrong, "ended": ended, "left": left}


@pytest.mark.long
@pytest.mark.parametrize(
    ("version", "again", "ends_with"),
    [("7.0", "new", 0), ("8.0", "old", 0), ("9.0", "bad", 6)],
)
def test_steps_of_every_version(make_home: Any, version: str, again: str, ends_with: int) -> None:
    home = make_home(version)
    done = subprocess.run(
        [*_RUNNER, str(home.folder), version, json.dumps(home.ports), again],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert found["steps"] >= _STEPS_AT_LEAST
    assert found["ended"] == ends_with
    assert found["left"] == []
    for file in FILES:
        home.properties(file)


def test_a_sample_of_the_kill_matrix() -> None:
    """Three steps with a fixed seed; `make kill-matrix` tries all."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hosts.denodo.kill_matrix", "--sample=3", "--seed=16"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["problems"] == []
    assert found["tried"] == 3
    assert found["steps"] > 100


if __name__ == "__main__":
    folder, its_version, its_ports, what = sys.argv[1:]
    made = Home.there(folder, its_version, json.loads(its_ports))
    sys.stdout.write("\n" + json.dumps(main(made, again=what)) + "\n")
