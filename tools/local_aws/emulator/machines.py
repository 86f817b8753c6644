"""Machines: the processes of running instances (`tools.local_aws.living.machine`).

A thread compares the instances of all accounts with the machines: an instance that starts running
gets a machine, a stopped instance loses its processes and keeps its disk, and a terminated instance
loses both. A machine that was killed (`kill`) is dead until its instance is rebooted, or stopped
and started, although EC2 calls the instance running.
"""

import base64
import json
import logging
import os
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tools.local_aws.emulator import (
    loopback,
    machine_programs,
    ministack,
    process_tree,
    stand_ins,
    system_programs,
)
from tools.local_aws.emulator.child_processes import CHILDREN
from tools.local_aws.emulator.ec2 import auto_scaling, instances
from tools.local_aws.emulator.elb import certificates
from tools.local_aws.emulator.errors import InvalidRequestError
from tools.local_aws.emulator.living import LIVING
from tools.local_aws.emulator.managers import MANAGERS
from tools.local_aws.living import machine_files

_POLL_S = 0.5
"""Project default: seconds after which the thread sees changes that set no event."""
_MODULE = "tools.local_aws.living.machine"
_log = logging.getLogger("local-aws")

Location = tuple[str, str]


@dataclass
class _Machine:
    """A machine, and the operation on it that is under way."""

    state: str = "ended"
    thread: threading.Thread | None = None


class Machines:
    """The machines of all instances of this local AWS."""

    def __init__(self) -> None:
        self._machines: dict[str, _Machine] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._names: dict[str, str] = {}

    def set_names(self, names: dict[str, str]) -> None:
        """Add names, such as those of databases, and their addresses to machines' hosts files."""
        with self._lock:
            added = names.items() - self._names.items()
            self._names.update(names)
            for id_ in [*self._machines] if added else []:
                machine_files.add_names(_folder(id_) / "root", dict(added))

    def start(self) -> None:
        """Start machines for all running instances, and follow the changes of the instances."""
        if loopback.is_shared():
            _log.warning(
                "this system has only one loopback address: machines share the address, and each "
                "has other port numbers than on AWS"
            )
        if not machine_programs.have_namespaces():
            _log.warning("this system denies namespaces: the paths of machines are rewritten")
        _end_programs(CHILDREN.folder / "machines")
        self._stopping.clear()
        self._thread = threading.Thread(target=self._follow, name="machines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all machines at once, as a power failure would."""
        self._stopping.set()
        instances.CHANGED.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            for id_, machine in self._machines.items():
                if machine.thread is not None:
                    machine.thread.join()
                _kill_all(id_)
                stand_ins.STORE.pop(id_, None)
            self._machines.clear()
        MANAGERS.stop()

    def runs_programs(self, image: str) -> bool:
        """Return whether instances of an image run their programs."""
        contents = (ministack.images.get(image) or {}).get("Contents") or {}
        return self.is_running and machine_programs.run(contents)

    @property
    def is_running(self) -> bool:
        """Return whether the part `nodes` is on, so that instances run their programs."""
        return self._thread is not None and self._thread.is_alive()

    def is_dead(self, id_: str) -> bool:
        """Return whether a machine was killed, though its instance runs."""
        machine = self._machines.get(id_)
        return machine is not None and machine.state == "dead"

    def show(self) -> dict[str, Any]:
        """Return state and address of each machine, by instance."""
        with self._lock:
            return {
                id_: {"state": machine.state, "address": loopback.address("instance", id_)}
                for id_, machine in self._machines.items()
            }

    def act(self, id_: str, order: dict[str, Any]) -> dict[str, Any]:
        """Kill, suspend or start a machine, or its servers.

        Raises:
            InvalidRequestError: there is no such machine or action.
        """
        actions: dict[str, Callable[[], int]] = {
            "kill-server": partial(self._signal, id_, {}, signal.SIGKILL),
            "suspend": partial(self._signal, id_, order, signal.SIGSTOP),
            "resume": partial(self._signal, id_, order, signal.SIGCONT),
            "close-port": partial(self._switch_port, id_, order, is_open=False),
            "open-port": partial(self._switch_port, id_, order, is_open=True),
            "kill": partial(self._kill, id_),
            "start": partial(self._start_again, id_),
        }
        action = actions.get(str(order.get("action")))
        if action is None:
            message = f"`action` is one of {', '.join(actions)}, not {order.get('action')!r}"
            raise InvalidRequestError(message)
        if id_ not in self._machines:
            message = (
                f"{id_} has no machine: the instance does not run, or the part `nodes` of the "
                "local AWS is off"
            )
            raise InvalidRequestError(message)
        return {"processes": action()}

    def _signal(self, id_: str, order: dict[str, Any], number: signal.Signals) -> int:
        """Send a signal to the machine's servers, or with `"what": "machine"` to all processes."""
        processes = _processes(id_)
        if order.get("what", "servers") != "machine":
            processes = [item for item in processes if item.is_denodo]
        else:
            # Leave out the machine's first process: it must notice on its pipe that the local AWS's
            # server has ended, even while the machine's other processes are suspended.
            processes = processes[1:]
        process_tree.send(processes, number)
        return len(processes)

    def _switch_port(self, id_: str, order: dict[str, Any], *, is_open: bool) -> int:
        """Let Denodo's servers open or close one of their ports."""
        port = int(order["port"])
        file = _closed_ports(id_)
        closed = set(json.loads(file.read_text())) if file.exists() else set()
        new = file.with_suffix(".new")
        new.write_text(json.dumps(sorted(closed - {port} if is_open else closed | {port})))
        # Replace the file as a whole, because a server that starts may read the file now.
        new.replace(file)
        # At SIGUSR1, stand-ins read the file of closed ports; a real Java process would end.
        processes = [item for item in _processes(id_) if item.is_stand_in]
        process_tree.send(processes, signal.SIGUSR1)
        return len(processes)

    def _kill(self, id_: str) -> int:
        processes = _processes(id_)
        with self._lock:
            self._machines[id_].state = "dead"
        _kill_all(id_)
        return len(processes)

    def _start_again(self, id_: str) -> int:
        """Boot a machine again, with all ports open."""
        processes = self._kill(id_)
        _closed_ports(id_).unlink(missing_ok=True)
        with self._lock:
            self._machines[id_].state = "ended"
        instances.CHANGED.set()
        return processes

    def _follow(self) -> None:
        while not self._stopping.is_set():
            instances.CHANGED.clear()
            try:
                self._compare()
            except (KeyError, RuntimeError):
                # An instance was created or removed during the round.
                _log.debug("a round of machines was interrupted", exc_info=True)
            instances.CHANGED.wait(_POLL_S)

    def _compare(self) -> None:
        auto_scaling.replace_lost()
        existing = {
            id_: ((account, region), instance)
            for (account, region, id_), instance in list(ministack.instances.all_items())
            if instance["State"]["Name"] != "terminated"
        }
        with self._lock:
            while instances.RESTARTS:
                self._end(instances.RESTARTS.pop())
            for id_, (location, instance) in existing.items():
                if instance["State"]["Name"] == "running":
                    self._run(id_, location, instance)
                else:
                    self._end(id_)
            for id_ in [*self._machines]:
                if id_ not in existing and self._do(id_, "gone", partial(_remove, id_)):
                    self._machines.pop(id_)

    def _run(self, id_: str, location: Location, instance: ministack.Record) -> None:
        """Start the machine of a running instance, unless it runs or is dead.

        An instance whose image has unknown contents gets no machine.
        """
        if id_ not in self._machines and not machine_programs.run(_contents(location, instance)):
            return
        machine = self._machines.setdefault(id_, _Machine())
        if machine.state == "ended":
            launch = partial(_launch, id_, location, instance, {**self._names})
            self._do(id_, "running", launch)

    def _end(self, id_: str) -> None:
        """End the processes of a machine, if there is one."""
        if id_ in self._machines:
            self._do(id_, "ended", partial(_stop, id_))

    def _is_busy(self, id_: str) -> bool:
        thread = self._machines[id_].thread
        return thread is not None and thread.is_alive()

    def _do(self, id_: str, state: str, action: Callable[[], None]) -> bool:
        """Bring a machine to a state; return whether the machine is in that state.

        A machine has one operation at a time; the next round follows the changes that came during
        the operation.
        """
        machine = self._machines[id_]
        if self._is_busy(id_):
            return False
        if machine.state == state:
            return True
        machine.state = state
        machine.thread = threading.Thread(target=action, daemon=True)
        machine.thread.start()
        return False


MACHINES = Machines()


def _child(id_: str) -> str:
    return f"machine-{id_}"


def _folder(id_: str) -> Path:
    return CHILDREN.folder / "machines" / id_


def _processes(id_: str) -> list[process_tree.Process]:
    """Return the processes of a machine, the topmost first.

    Without namespaces, a process whose parent has ended is no longer below the machine's first
    process, so it is found by the machine's folder.
    """
    pid = CHILDREN.pid(_child(id_))
    below = process_tree.below(pid) if pid is not None else []
    known = {process.pid for process in below}
    others = process_tree.of_folder(_folder(id_))
    return [*below, *(process for process in others if process.pid not in known)]


def _stop(id_: str) -> None:
    """Shut a machine down."""
    CHILDREN.stop(_child(id_))
    _end_programs(_folder(id_))


def _kill_all(id_: str) -> None:
    """End a machine as a power failure would."""
    CHILDREN.kill(_child(id_))
    _end_programs(_folder(id_))


def _end_programs(folder: Path) -> None:
    """Kill all programs that run from a machine's folder, including suspended programs.

    Without namespaces, programs can outlive the machine's first process.
    """
    process_tree.send(process_tree.of_folder(folder), signal.SIGKILL)


def _closed_ports(id_: str) -> Path:
    """Return the file with the ports that Denodo's servers of a machine must not open."""
    home = json.loads((_folder(id_) / "settings.json").read_text())["denodo"].get("home", "/")
    return _folder(id_) / "root" / str(home).lstrip("/") / "CLOSED"


def _launch(
    id_: str, location: Location, instance: ministack.Record, names: dict[str, str]
) -> None:
    """Write a machine's settings, and start the machine's first process."""
    account, region = location
    address = loopback.address("instance", id_)
    contents = _contents(location, instance)
    settings = {
        "id": id_,
        "is_isolated": machine_programs.have_namespaces(),
        "address": address,
        "private_ip": instance["PrivateIpAddress"],
        "endpoint": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        "account": account,
        "region": region,
        "user_data": _decoded(instance.get("UserData") or ""),
        "vpc": instance["VpcId"],
        "denodo": contents.get("denodo") or {},
        "extras": _extras(contents),
        "starts": contents.get("starts") or [],
        "real": machine_programs.real_programs(),
        "haproxy": system_programs.haproxy() if contents.get("haproxy") else "",
        "names": names | MANAGERS.add(contents.get("managers") or {}),
    }
    folder = _folder(id_)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings))
    # Before its agent registers, a machine receives no commands and passes no check.
    stand_ins.put(id_, {"address": address, "commands": stand_ins.NEVER})
    CHILDREN.start(_child(id_), _MODULE, str(folder / "settings.json"))


def _extras(contents: dict[str, Any]) -> dict[str, Any]:
    """Return the optional parts of an installation of Denodo (`living/denodo/installation.py`)."""
    names = contents.get("certificate_names")
    certificate = "".join(certificates.issued(names)) if names else ""
    ports = {key: contents.get(key, 0) for key in ("flight_port", "auxiliary_port")}
    scheduler = contents.get("shares_scheduler", False)
    return {**ports, "certificate": certificate, "shares_scheduler": scheduler}


def _contents(location: Location, instance: ministack.Record) -> dict[str, Any]:
    """Return what the image of an instance contains, such as Denodo; empty if that is not known."""
    with ministack.acting_for(*location):
        image = ministack.images.get(instance["ImageId"]) or {}
    return dict(image.get("Contents") or {})


def _decoded(user_data: str) -> str:
    try:
        return base64.b64decode(user_data, validate=True).decode()
    except ValueError:
        return user_data


def _remove(id_: str) -> None:
    _stop(id_)
    stand_ins.STORE.pop(id_, None)
    shutil.rmtree(_folder(id_), ignore_errors=True)


def _rebooted(parameters: dict[str, list[str]]) -> Any:
    """Answer RebootInstances."""
    answer = _reboot(parameters)
    if answer[0] == 200:
        for key, (id_, *_) in parameters.items():
            if key.startswith("InstanceId"):
                instances.restart(id_)
    return answer


_reboot = ministack.private(ministack.ec2, "_reboot_instances")


def install() -> None:
    """Start and stop machines with the part `nodes`, and answer RebootInstances."""
    ministack.ec2_actions["RebootInstances"] = _rebooted
    LIVING.when("nodes", MACHINES.start, MACHINES.stop)
