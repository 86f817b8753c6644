"""The root folder of a machine of the local AWS, with the files that an image has.

An image has an operating system, the AWS CLI, the SSM agent, systemd, and Denodo or HAProxy. The
operating system is that of the computer on which the local AWS runs
(`tools.local_aws.living.isolation`). The commands `aws`, `systemctl`, `journalctl` and `logger` are
programs of `commands`.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.local_aws.living import haproxy_machine, isolation, machine_root
from tools.local_aws.living.commands import machine_paths
from tools.local_aws.living.denodo import installation
from tools.local_aws.living.isolation import PATH
from tools.local_aws.living.machine_root import MachineRoot

LIVING = "/opt/local-aws"
"""Path at which a machine sees the folder `tools/local_aws/living`."""
COMMANDS = next((name for name in PATH.split(":") if Path(name).is_dir()), "/usr/local/sbin")
"""Folder that shows the machine's own commands: the first existing folder in PATH of user data and
documents."""
PYTHON = "/opt/local-aws-commands/python3"

_FOLDERS = (
    *("dev/shm", "etc/systemd/system", "home", "opt", "proc", "root", "run", "srv"),
    *("sys/devices/virtual/dmi/id", "var/lib/cloud/data", "var/lib/haproxy", "var/log", "var/tmp"),
    *("sys/fs/cgroup", "snap/amazon-ssm-agent/current", "opt/local-aws-commands"),
)
_COPIED = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "ssl", "pki")
"""Files of this system's /etc that the system's programs need in a machine."""
_PROGRAMS = {
    "aws": "aws_command.py",
    **dict.fromkeys(("systemctl", "journalctl", "logger"), "unit_command.py"),
}
_START = """\
{}
import machine_paths; machine_paths.install()
"""
_AGENT = '#!/bin/sh\necho "SSM Agent version: 3.3.987.0"\n'
_IMAGE_UNIT = "image-denodo"
_IMAGE_SERVICE = """\
[Unit]
Description=Servers of Denodo that this image starts itself

[Service]
Type=oneshot
User={user}
ExecStart=/bin/sh -c 'systemctl is-active denodo-node >/dev/null || exit 0; {commands}'
"""
_IMAGE_TIMER = """\
[Timer]
OnCalendar=*:0/1

[Install]
WantedBy=timers.target
"""
_PACKAGES = "site-packages"
"""Name of the folder of Python packages, of which some contain real programs such as Java."""


@dataclass(frozen=True)
class Settings:
    """Settings that the local AWS passes for an instance.

    Attributes:
        id: id of the instance.
        folder: folder of the machine.
        address: loopback address of the machine.
        private_ip: private address of the instance.
        endpoint: URL of the local AWS.
        account: account of the instance.
        region: region of the instance.
        user_data: the script that a new instance runs once; empty without one.
        vpc: VPC of the instance.
        denodo: `version`, `home` and `user` of Denodo in the image; empty without Denodo.
        extras: `flight_port` and `certificate` of Denodo (`installation.Extras`).
        is_isolated: whether the machine has namespaces of its own.
        starts: scripts of Denodo's servers that the image itself starts.
        haproxy: HAProxy's program on this system; empty for a machine without HAProxy.
        names: names that lead to addresses of other machines.
    """

    id: str
    folder: Path
    address: str
    private_ip: str
    endpoint: str
    account: str
    region: str
    vpc: str = ""
    user_data: str = ""
    haproxy: str = ""
    denodo: dict[str, str] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)
    real: dict[str, str] = field(default_factory=dict)
    starts: tuple[str, ...] = ()
    is_isolated: bool = True
    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> "Settings":
        """Return the settings in a file."""
        data: dict[str, Any] = json.loads(file.read_text())
        return cls(folder=file.parent, **data)

    @property
    def root(self) -> Path:
        """Return the root folder of the machine."""
        return self.folder / "root"

    @property
    def user(self) -> str:
        """Return the user that Denodo runs as."""
        return self.denodo.get("user", "denodo")


def python() -> Path:
    """Return the path of this Python's interpreter, outside of its virtual environment."""
    return Path(sys.executable).resolve()


def shared_folders(settings: Settings) -> dict[Path, str]:
    """Return the folders of this system that a machine sees, with their paths in the machine.

    The folders of the operating system are not among them.
    """
    folders = {Path(__file__).parent: LIVING}
    base = Path(sys.base_prefix).resolve()
    if base.parts[1] not in ("usr", "nix"):
        folders[base] = str(base)
    folders[settings.root / "opt/local-aws-commands"] = COMMANDS
    if settings.haproxy:
        folders |= haproxy_machine.shared_folders(settings.root, settings.haproxy)
    for program in filter(None, settings.real.values()):
        packages = next((path for path in Path(program).parents if path.name == _PACKAGES), None)
        if packages is not None:
            folders[packages] = str(packages)
    return folders


def denodo_uid(root: MachineRoot) -> int:
    """Return the id of Denodo's user in a machine.

    Without namespaces, the id is that of this system's user.
    """
    return os.geteuid() if root.is_rewritten else isolation.denodo_uid()


def environment(root: MachineRoot) -> dict[str, str]:
    """Return the variables by which programs find the machine's commands and network."""
    if root.is_rewritten:
        return {"PATH": f"{root.path('/opt/bin')}:{PATH}", "LOCAL_AWS_ROOT": str(root.folder)}
    # PYTHONPATH: with the modules of this folder, Python programs use the machine's addresses.
    return {"PATH": PATH, "PYTHONPATH": f"{LIVING}/commands"}


def prepare(settings: Settings, seen: MachineRoot) -> bool:
    """Create or update the root folder; return whether the machine is new.

    Args:
        settings: the settings that the local AWS has written for the instance.
        seen: the root folder as the machine's processes see it.
    """
    root = settings.root
    is_new = not (root / "etc/passwd").exists()
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(0o1777)
    _write_network(settings)
    if is_new and settings.denodo:
        _install_denodo(settings, seen)
    if settings.denodo:
        _write_real_programs(settings)
    if is_new:
        _copy_system_files(root / "etc")
        _write_commands(seen, root)
        _write_identity(settings)
        if settings.haproxy:
            haproxy_machine.install(root, PYTHON, LIVING)
        _write_users(settings, denodo_uid(seen))
    return is_new


def add_names(root: Path, names: dict[str, str]) -> None:
    """Add names to a machine's hosts file, or change their addresses; other names remain."""
    hosts = root / "etc/hosts"
    hosts.parent.mkdir(parents=True, exist_ok=True)
    kept = [
        line
        for line in (hosts.read_text().splitlines() if hosts.exists() else [])
        if not set(line.split()[1:]) & names.keys()
    ]
    lines = [f"{address} {name}" for name, address in names.items()]
    new = hosts.with_suffix(".new")
    new.write_text("\n".join((*lines, *kept, "")))
    new.rename(hosts)


def _write_network(settings: Settings) -> None:
    """Write the files that depend on the local AWS's endpoint, which may change with a restart."""
    etc = settings.root / "etc"
    add_names(settings.root, {"localhost": settings.address, **settings.names})
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    shown = {
        "id": settings.id,
        "vpc": settings.vpc,
        "haproxy": haproxy_machine.program(settings.haproxy),
        "address": settings.address,
        "private_ip": settings.private_ip,
        "endpoint": settings.endpoint,
        "account": settings.account,
        "region": settings.region,
        "names": settings.names,
    }
    (etc / "local-aws-ports").mkdir(exist_ok=True)
    (etc / "local-aws.json").write_text(json.dumps(shown))


def _copy_system_files(etc: Path) -> None:
    for name in _COPIED:
        source = Path("/etc", name)
        if source.is_dir():
            shutil.copytree(
                source, etc / name, symlinks=True, dirs_exist_ok=True, ignore=_unreadable
            )
        elif source.exists():
            shutil.copyfile(source, etc / name)


def _unreadable(folder: str, names: list[str]) -> list[str]:
    """Return the names of files in a folder that this user cannot read, such as private keys."""
    paths = {name: Path(folder, name) for name in names}
    return [
        name
        for name, path in paths.items()
        if not path.is_symlink() and not os.access(path, os.R_OK)
    ]


def _write_commands(seen: MachineRoot, root: Path) -> None:
    """Write the machine's commands into a folder.

    With namespaces, the machine sees the folder at `COMMANDS`; without, the folder is the first in
    PATH.
    """
    folder = root / ("opt/bin" if seen.is_rewritten else "opt/local-aws-commands")
    folder.mkdir(exist_ok=True)
    start, living = (
        (f"LOCAL_AWS_ROOT='{seen.folder}' exec '{python()}'", str(machine_root.LIVING))
        if seen.is_rewritten
        else (f"exec {PYTHON}", LIVING)
    )
    for name, program in _PROGRAMS.items():
        more = "" if name == "aws" else f" {name}"
        text = f"#!/bin/sh\n{start} -IS '{living}/commands/{program}'{more} \"$@\"\n"
        _executable(folder / name, text)
    (folder / "python3").symlink_to(python())
    if seen.is_rewritten:
        _write_virtual_environment(root / "opt")
    _executable(root / "snap/amazon-ssm-agent/current/amazon-ssm-agent", _AGENT)


def _write_virtual_environment(folder: Path) -> None:
    """Write a virtual environment that imports the modules that rewrite paths at each start."""
    (folder / "pyvenv.cfg").write_text(f"home = {python().parent}\n")
    packages = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (packages / "local_aws.pth").write_text(_START.format(machine_root.LIVING / "commands"))


def _executable(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def _write_identity(settings: Settings) -> None:
    for name in ("var/lib/cloud/data/instance-id", "sys/devices/virtual/dmi/id/board_asset_tag"):
        (settings.root / name).write_text(f"{settings.id}\n")


def _write_users(settings: Settings, uid: int) -> None:
    """Write the users root and Denodo's user, with equal ids if a second id is not possible."""
    etc, user = settings.root / "etc", settings.user
    users = f"root:x:0:0:root:/root:/bin/sh\n{user}:x:{uid}:{uid}::/home/{user}:/bin/sh\n"
    (etc / "passwd").write_text(users + f"haproxy:x:{uid}:{uid}::/var/lib/haproxy:/bin/sh\n")
    groups = f"root:x:0:\n{user}:x:{uid}:\nhaproxy:x:{uid}:\n"
    (etc / "group").write_text(groups)
    (settings.root / "home" / user).mkdir(exist_ok=True)
    if uid == 0:
        # Name Denodo's user as on an installed node: at the first boot, the node program refuses a
        # user with root's id; on an installed node it only warns.
        (etc / "denodo-node").mkdir()
        (etc / "denodo-node/environment").write_text(f"DENODO_NODE_USER={user}\n")


def _install_denodo(settings: Settings, seen: MachineRoot) -> None:
    home = settings.denodo["home"]
    folder = settings.root / home.lstrip("/")
    installation.install(
        folder,
        at=str(seen.path(home)),
        version=settings.denodo["version"],
        node=settings.id,
        address=settings.address,
        python=str(python()) if seen.is_rewritten else PYTHON,
        folder=str(machine_root.LIVING / "denodo") if seen.is_rewritten else f"{LIVING}/denodo",
        extras=installation.Extras(**settings.extras),
    )
    (folder / "MACHINE").write_text(str(seen.folder).rstrip("/"))
    if seen.is_rewritten:
        (folder / "ALIVE").write_text(str(seen.path(machine_paths.ALIVE)))
    if settings.starts:
        _write_image_unit(settings)


def _write_real_programs(settings: Settings) -> None:
    """Write the file that says which real programs Denodo's servers use from this boot on."""
    file = settings.root / settings.denodo["home"].lstrip("/") / "REAL"
    file.unlink(missing_ok=True)
    if settings.real:
        file.write_text(json.dumps(settings.real))


def _write_image_unit(settings: Settings) -> None:
    """Write the timer by which an image starts servers that the node program does not start.

    For a change, the node program stops all servers of the installation. The timer starts the
    image's servers again each minute while the unit of the node program is active.
    """
    commands = "; ".join(f"{settings.denodo['home']}/bin/{name}" for name in settings.starts)
    service = _IMAGE_SERVICE.format(commands=commands, user=settings.user)
    folder = settings.root / "etc/systemd/system"
    (folder / f"{_IMAGE_UNIT}.service").write_text(service)
    (folder / f"{_IMAGE_UNIT}.timer").write_text(_IMAGE_TIMER)
    wants = folder / "timers.target.wants"
    wants.mkdir()
    (wants / f"{_IMAGE_UNIT}.timer").symlink_to(f"/etc/systemd/system/{_IMAGE_UNIT}.timer")
