"""Faults of an image that Denodo's servers do not report, so that operators would find them late.

The first boot of a node refuses an image with such a fault. On a node that is already installed,
`install` and `status` only warn.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from hosts.common import selinux
from hosts.common.process import run
from hosts.denodo.disks.ebs_volumes import Disks

_AGENTS = (
    "usr/bin/amazon-ssm-agent",
    "usr/local/bin/amazon-ssm-agent",
    "snap/amazon-ssm-agent/current/amazon-ssm-agent",
)
"""Paths at which packages and Ubuntu's snap install the SSM agent (AWS, Verifying SSM Agent)."""
_WITHOUT_EC2MESSAGES = (3, 3, 40)
"""First version of the SSM agent that receives commands without permissions for `ec2messages` (AWS,
release notes of amazon-ssm-agent, 3.3.40.0)."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_VERSION_SECONDS = 20
_NOT_STARTED = re.compile(r"\w+_home_t|user_home_dir_t|\w*tmp_t|default_t|unlabeled_t")
"""SELinux types of files that systemd may not start as a service: types of home and temporary
folders, and of folders without a type (Red Hat, Using SELinux)."""
_ROOT_DEVICES = ("/dev/xvda", "/dev/xvda1", "/dev/sda", "/dev/sda1")
"""Device names of root disks (AWS, Device names for volumes on Amazon EC2 instances)."""


def findings(root: Path, disks: Disks | None = None) -> list[str]:
    """Return a message for each fault of the image, with its remedy; this process must be root.

    Args:
        root: folder of the installed programs.
        disks: the disks of the machine.
    """
    checks = (missing_agent(root), selinux_denial(Path(sys.executable)), root_device(disks))
    return [message for message in checks if message]


def missing_agent(root: Path) -> str:
    """Return a message if the SSM agent is missing, without which no command reaches the node."""
    if _agent(root) is not None:
        return ""
    return (
        "the SSM agent is missing, so commands of denodo-ha cannot reach the node; install"
        " amazon-ssm-agent, and enable its systemd unit"
    )


def agent_age(root: Path) -> str:
    """Return a message if the SSM agent is so old that it needs more permissions.

    The role of a node has these permissions, so an old agent is never a reason to refuse an image.
    """
    agent = _agent(root)
    if agent is None:
        return ""
    try:
        output = run([agent, "-version"], seconds=_VERSION_SECONDS).output
    except OSError:
        return ""
    version = _VERSION.search(output)
    if version is None or tuple(map(int, version.groups())) >= _WITHOUT_EC2MESSAGES:
        return ""
    newer = ".".join(map(str, _WITHOUT_EC2MESSAGES))
    return (
        f"the SSM agent has the version {version[0]}. Versions before {newer} receive commands"
        " through the region's endpoint for ec2messages, which the node's role allows and to which"
        " the network must allow connections. Update amazon-ssm-agent if commands of denodo-ha"
        " cannot reach the node"
    )


def selinux_denial(program: Path) -> str:
    """Return a message if SELinux does not let systemd start a program."""
    path = program.resolve()
    kind = selinux.file_type(path)
    if not _NOT_STARTED.fullmatch(kind) or not selinux.is_enforced():
        return ""
    return (
        f"SELinux does not let systemd start {path}, whose type is {kind}: use the Python of the"
        f" operating system, or run `semanage fcontext -a -t bin_t {path}; restorecon -v {path}`"
    )


def root_device(disks: Disks | None = None) -> str:
    """Return a message if `root_device` of the configuration is not the image's root device.

    In that case, EC2 attaches an additional disk, and the root disk keeps the size of the image.
    """
    disks = disks or Disks()
    root = disks.root()
    if root is None or not root.device:
        return ""
    for volume in disks.volumes():
        if volume != root and volume.device in _ROOT_DEVICES:
            return (
                f"the root disk of the image is {root.device}, so the volume {volume.id}, which is"
                f" attached as {volume.device}, is an additional disk that is not used: write"
                f" `root_device: {root.device}` into `instance` of the configuration, so that"
                " disk_gib is the size of the root disk"
            )
    return ""


def _agent(root: Path) -> Path | None:
    return next((root / path for path in _AGENTS if (root / path).exists()), None)
