"""Kill a boot of the node program before every step that changes something, then boot again.

    python -m tests.hosts.denodo.kill_matrix [--sample N --seed N]

After the second boot the node has the old or the new state, its servers run, and no file of the
killed run is left. Between the two boots, the node also boots once while AWS denies every call,
and must then meet the same conditions. The scenario changes JVM options, names, TLS and the logins
of all components at once. `make kill-matrix` tries all steps; `test_killed.py` tries a sample.
"""

import argparse
import base64
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hosts.denodo import boot
from hosts.denodo.state import State
from hosts.denodo.state_reader import parse
from tests.hosts.denodo import killed
from tests.hosts.denodo.cloud import DATA_CATALOG, SCHEDULER, TLS, VDP, Cloud
from tests.hosts.denodo.home import DATA_CATALOG as CATALOG_FILE
from tests.hosts.denodo.home import FILES, Home
from tests.hosts.denodo.home import VDP as VDP_FILE

_SERVERS = ["vdp", "data-catalog", "scheduler"]
_PASSWORDS = {"old": "password-of-old", "new": "password-of-new"}
_MOST_STEPS = 1000
_KEPT = ("tls-", "catalog-")
_APPENDED = "com.denodo.vdb.catalog.storage.plugin=postgresql"
_RECORDS = ("applied.json", "metadata.json", "logins.json", "readiness.json", "signal.json")
_LOCKS = ("lock", "export-lock", "record-lock")


class Scenario:
    """A node on which one of two states is applied, while the other is the desired state."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder, "9.0")
        self.home.with_data_catalog()
        self._cloud = Cloud(folder)
        self._cloud.answer("signal-resource", {})
        for name, password in _PASSWORDS.items():
            for arn, database in ((SCHEDULER, "sched"), (DATA_CATALOG, "dc"), (VDP, "vdp")):
                self._cloud.secret(f"{arn}-{name}", _login(database, password))
            store = base64.b64encode(f"store {name} {password}".encode()).decode()
            parts = {"keystore": store, "truststore": store, "certificate": "PEM"}
            credentials = f"password={password}\n"
            self._cloud.secret(f"{TLS}-{name}", {**parts, "credentials": credentials})
        self.states = {name: self._state(name) for name in _PASSWORDS}

    def _state(self, name: str) -> State:
        components = (("scheduler", SCHEDULER), ("data-catalog", DATA_CATALOG), ("vdp", VDP))
        data = self.home.data(
            servers=_SERVERS,
            jvm={"vdp": f"-Dstate={name}", "scheduler": f"-Dstate={name}"},
            host=f"{name}.internal",
            catalog={key: {"secret": f"{arn}-{name}"} for key, arn in components},
            tls={"certificate": f"{TLS}-{name}"},
            metadata={"source": "catalog"},
        )
        return parse(json.dumps(data))

    def run(self, name: str, kill_at: int = 0) -> int:
        """Boot with a desired state; return the exit code."""
        return killed.forked(lambda: boot.boot(self.home.system, self.states[name]), kill_at)

    def run_in_incident(self) -> int:
        """Boot while AWS denies every call; return the exit code."""
        with self._cloud.unavailable():
            return killed.forked(lambda: boot.start_applied(self.home.system, "no answer"))

    def expected(self, name: str) -> dict[str, str]:
        """Apply a state; return the files, servers and record that the apply results in."""
        assert self.run(name) == 0
        return self.found()

    def found(self) -> dict[str, str]:
        """Return contents of files, running servers' JVM options, and the applied state's hash."""
        values = {file: self._lines(file) for file in (*FILES, CATALOG_FILE)}
        started = {name: self.home.running(name) for name in ("vdp", "scheduler", "web")}
        for name, server in started.items():
            values[f"running {name}"] = str((server or {}).get("jvm", "does not run"))
        applied = json.loads((self.home.system.folder / "applied.json").read_text())
        return {**values, "applied": applied["hash"]}

    def _lines(self, file: str) -> str:
        lines = (self.home.path / file).read_text("latin-1").splitlines()
        if file == VDP_FILE and _APPENDED in lines:
            # Stand-in scripts append this line at each run, so its position depends on the kills.
            lines = [*(line for line in lines if line != _APPENDED), _APPENDED]
        return "\n".join(lines)

    def left(self, *records: str) -> Iterator[str]:
        """Yield the names of files that a finished run must not leave, except the given records."""
        folder = self.home.system.folder
        for path in sorted(folder.iterdir()):
            if path.name == "run" and not list(path.iterdir()):
                continue
            if path.name not in (*_RECORDS, *_LOCKS, *records) and not path.name.startswith(_KEPT):
                yield path.name
        if len(list(folder.glob("tls-*"))) != 1:
            yield "several folders of key stores"
        for path in self.home.folder.rglob("*denodo-node"):
            yield path.name
        for path in folder.glob("tls-*/*"):
            if path.name not in ("keystore", "truststore"):
                yield f"{path.parent.name}/{path.name}"


def _login(database: str, password: str) -> dict[str, Any]:
    # Nothing listens on this port, so the program cannot ask for tables, and only warns.
    place = {"host": "127.0.0.1", "port": 9, "dbname": database, "ca": "PEM"}
    return {**place, "username": f"{database}_a", "password": password}


def main(scenario: Scenario, *, sample: int = 0, seed: int = 0, first: int = 1) -> dict[str, Any]:
    """Kill a boot at each step; return the number of steps, and each problem with its step."""
    expected = {"old": scenario.expected("old")}
    steps = killed.steps(lambda: boot.boot(scenario.home.system, scenario.states["new"]))
    expected["new"] = scenario.found()
    tried = list(range(first, steps + 1))
    if sample:
        tried = sorted(random.Random(seed).sample(tried, sample))  # noqa: S311 - not for secrets
    problems: list[str] = []
    current = "new"
    for step in tried:
        other = "old" if current == "new" else "new"
        # The boot after the kill reads the same desired state, or the previous state if an operator
        # has restored it in the parameter.
        after = other if (step + seed) % 3 else current
        ended = scenario.run(other, kill_at=step)
        where = f"step {step}, killed {ended}"
        again = scenario.run_in_incident()
        applied = scenario.found()["applied"]
        (name,) = [name for name in expected if expected[name]["applied"] == applied]
        incident = f"{where}, boot without AWS"
        problems += _problems(scenario, expected[name], again, incident, "behind.json")
        again = scenario.run(after)
        problems += _problems(scenario, expected[after], again, where)
        if problems:
            break
        current = after
    return {"steps": steps, "tried": len(tried), "problems": problems}


def _problems(
    scenario: Scenario, expected: dict[str, str], ended: int, where: str, *records: str
) -> Iterator[str]:
    """Yield the differences between the node after a boot and the expected state."""
    found = scenario.found()
    if ended:
        yield f"{where}: the next boot ended with {ended}"
    for key, value in expected.items():
        if found[key] != value:
            yield f"{where}: {key} is {found[key]!r}, not {value!r}"
    for name in scenario.left(*records):
        yield f"{where}: {name} is left"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="number of steps; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=1, help="first step")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        made = Scenario(Path(temporary) / "machine")
        try:
            result = main(made, sample=options.sample, seed=options.seed, first=options.first)
        finally:
            made.home.end()
    sys.stdout.write("\n" + json.dumps(result) + "\n")
    sys.exit(bool(result["problems"]))
