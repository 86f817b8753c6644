"""The servers of databases: a real PostgreSQL for each available database (`living.database`).

The servers run while the part `databases` is on and this machine has PostgreSQL: that of the
clone's Python packages (`make dev`), else Debian's. A killed database does not run until the action
`start`, although its status in RDS remains available.
"""

import json
import logging
import shutil
import threading
from pathlib import Path
from typing import Any

from tools.local_aws.emulator import loopback, ministack, system_programs
from tools.local_aws.emulator.child_processes import CHILDREN
from tools.local_aws.emulator.elb import certificates
from tools.local_aws.emulator.errors import InvalidRequestError
from tools.local_aws.emulator.living import LIVING
from tools.local_aws.emulator.machines import MACHINES

PORT = 5432
_MODULE = "tools.local_aws.living.database"
_log = logging.getLogger("local-aws")

Key = tuple[str, str, str]
"""Account, region and identifier of a database."""


class Databases:
    """The PostgreSQL servers of all databases of this local AWS."""

    def __init__(self) -> None:
        self._running: dict[Key, dict[str, Any]] = {}
        self._dead: set[Key] = set()
        self._lock = threading.RLock()

    def compare(self) -> None:
        """Start and stop servers, so that every available database has a server."""
        with self._lock:
            wanted = self._wanted() if LIVING.is_on("databases") else {}
            for key, settings in [*self._running.items()]:
                if wanted.get(key) != settings:
                    CHILDREN.stop(_child(key))
                    del self._running[key]
            for key in wanted.keys() - self._running.keys() - self._dead:
                self._start(key, wanted[key])
            MACHINES.set_names(
                {settings["host"]: settings["address"] for settings in wanted.values()}
            )

    def show(self) -> dict[str, Any]:
        """Return state, host and endpoint of each database's server, by region and identifier."""
        with self._lock:
            return {
                f"{region}/{id_}": {
                    "state": "running" if (account, region, id_) in self._running else "dead",
                    "host": settings["host"],
                    "endpoint": [settings["address"], settings["port"]],
                    "account": account,
                    "authority": certificates.authority_file(),
                }
                for (account, region, id_), settings in self._wanted().items()
            }

    def act(self, name: str, action: str) -> dict[str, Any]:
        """Kill a database, as by the loss of its hosts, or start it again.

        Args:
            name: region and identifier, as `eu-west-1/ID`.
            action: `kill` or `start`.

        Raises:
            InvalidRequestError: there is no such database or action.
        """
        with self._lock:
            keys = [key for key in self._wanted() if name == f"{key[1]}/{key[2]}"]
            if not keys:
                message = f"{name} has no server; those that have: {', '.join(self.show()) or '-'}"
                raise InvalidRequestError(message)
            if action not in ("kill", "start"):
                message = f"`action` is kill or start, not {action!r}"
                raise InvalidRequestError(message)
            for key in keys:
                if action == "kill":
                    CHILDREN.kill(_child(key))
                    self._running.pop(key, None)
                    self._dead.add(key)
                else:
                    self._dead.discard(key)
            self.compare()
            return self.show()

    def forget(self, key: Key) -> None:
        """Remove the data of a deleted database."""
        self.compare()
        shutil.rmtree(_folder(key), ignore_errors=True)

    def copy(self, source: Key, target: Key) -> None:
        """Copy the content of a database to another database, which does not exist yet.

        A source whose server runs is stopped during the copy.
        """
        with self._lock:
            data = _folder(source) / "data"
            if not data.is_dir():
                return
            CHILDREN.stop(_child(source))
            self._running.pop(source, None)
            shutil.copytree(data, _folder(target) / "data", ignore=_SOCKETS)
            (_folder(target) / "data/postmaster.pid").unlink(missing_ok=True)
            self.compare()

    def rename(self, old: Key, new: Key) -> None:
        """Move the content of a database to its new identifier."""
        with self._lock:
            CHILDREN.stop(_child(old))
            self._running.pop(old, None)
            if _folder(old).is_dir():
                _folder(old).rename(_folder(new))
            self.compare()

    def _wanted(self) -> dict[Key, dict[str, Any]]:
        """Return the settings of each database that should have a server."""
        programs = system_programs.postgresql()
        return {
            key: _settings(key, record, programs)
            for key, record in [*ministack.databases.all_items()]
            if programs and record["Engine"] == "postgres"
            if record["DBInstanceStatus"] == "available"
        }

    def _start(self, key: Key, settings: dict[str, Any]) -> None:
        folder = _folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        chain, private = certificates.issued([settings["host"]])
        files = folder / "server.pem", folder / "server.key"
        details = {name: value for name, value in settings.items() if name != "host"}
        details["certificate"] = [str(file) for file in files]
        contents = (chain, private, json.dumps(details))
        for file, text in zip((*files, folder / "settings.json"), contents, strict=True):
            file.touch(mode=0o600)
            file.write_text(text)
        CHILDREN.start(_child(key), _MODULE, str(folder / "settings.json"))
        self._running[key] = settings

    def start(self) -> None:
        """Start the databases, if this machine has PostgreSQL."""
        if not system_programs.postgresql():
            _log.warning("this machine has no PostgreSQL, so databases have no servers")
        self.compare()


DATABASES = Databases()
_SOCKETS = shutil.ignore_patterns(".s.*")


def name_endpoint(id_: str) -> dict[str, str]:
    """Give a database an endpoint name in RDS's form, and return its attributes.

    RDS adds characters to the identifier that are the same in one account and region.
    """
    name = f"{id_}.c0local0aws0.{ministack.region()}.rds.amazonaws.com"
    ministack.databases[id_]["Endpoint"] |= {"Address": name, "Port": PORT}
    return {"Endpoint.Address": name, "Endpoint.Port": str(PORT)}


def address_of(name: str) -> str | None:
    """Return the loopback address of an endpoint name; None if no database has the name."""
    for (account, region, id_), record in ministack.databases.all_items():
        if record["Endpoint"]["Address"] == name.rstrip("."):
            return loopback.address("database", f"{account}:{region}:{id_}")
    return None


def _settings(key: Key, record: ministack.Record, programs: str) -> dict[str, Any]:
    address, port = loopback.endpoint("database", ":".join(key), PORT)
    return {
        "programs": programs,
        "host": record["Endpoint"]["Address"],
        "address": address,
        "port": port,
        "user": record["MasterUsername"],
        "password": record.get("_MasterUserPassword", ""),
    }


def _child(key: Key) -> str:
    return f"database-{'-'.join(key)}"


def _folder(key: Key) -> Path:
    return CHILDREN.folder / "databases" / "-".join(key)


def install() -> None:
    """Start and stop the servers of databases with the part `databases`."""
    LIVING.when("databases", DATABASES.start, DATABASES.compare)
