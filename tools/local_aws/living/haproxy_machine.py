"""HAProxy of a machine: its unit, and a command in place of HAProxy's program.

The image of an HAProxy instance has HAProxy in /usr/sbin. In that folder, a machine of the local
AWS has all programs of this system, but a command in place of HAProxy, which runs HAProxy with the
machine's addresses (`commands/haproxy_command.py`).
"""

from pathlib import Path

_UNIT = """\
[Unit]
Description=HAProxy Load Balancer

[Service]
Type=notify
ExecStart=/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid
ExecReload=/bin/kill -USR2 $MAINPID
Restart=always

[Install]
WantedBy=multi-user.target
"""
_SYSTEM_PROGRAMS = Path("/usr/sbin")
_HOST_PROGRAMS = "/opt/local-aws-host-programs"
_OWN_PROGRAMS = "opt/local-aws-programs"
"""Folders of an HAProxy machine: this system's /usr/sbin at another path (`_HOST_PROGRAMS`), and
the folder that becomes /usr/sbin of the machine (`_OWN_PROGRAMS`)."""


def program(path: str) -> str:
    """Return the path at which a machine sees this system's HAProxy.

    HAProxy in /usr/sbin has another path in the machine: at its own path is the command, which
    would execute itself for ever.
    """
    if path and Path(path).parent.resolve() == _SYSTEM_PROGRAMS.resolve():
        return f"{_HOST_PROGRAMS}/{Path(path).name}"
    return path


def shared_folders(root: Path, path: str) -> dict[Path, str]:
    """Return the folders that a machine sees for HAProxy, with their paths in the machine.

    Args:
        root: the root folder of the machine.
        path: the path of HAProxy on this system.
    """
    programs = _SYSTEM_PROGRAMS.resolve()
    folders = {programs: _HOST_PROGRAMS, root / _OWN_PROGRAMS: str(programs)}
    wheel = Path(path).parents[1]
    if wheel.parts[1] != "usr":
        folders[wheel] = str(wheel)
    return folders


def install(root: Path, python: str, living: str) -> None:
    """Write HAProxy's unit, and a folder that becomes /usr/sbin, with the command.

    Args:
        root: the root folder of the machine.
        python: the path of Python in the machine.
        living: the path of the folder `tools/local_aws/living` in the machine.
    """
    (root / "etc/systemd/system/haproxy.service").write_text(_UNIT)
    (root / "etc/haproxy").mkdir(exist_ok=True)
    folder = root / _OWN_PROGRAMS
    folder.mkdir()
    for item in _SYSTEM_PROGRAMS.iterdir():
        if item.name != "haproxy":
            (folder / item.name).symlink_to(f"{_HOST_PROGRAMS}/{item.name}")
    command = folder / "haproxy"
    command.write_text(f'#!/bin/sh\nexec {python} -IS {living}/commands/haproxy_command.py "$@"\n')
    command.chmod(0o755)
