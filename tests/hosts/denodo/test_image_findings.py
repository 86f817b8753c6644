"""Faults of an image that Denodo does not notice: SSM agent, SELinux, root device."""

import os
from pathlib import Path

import pytest

from hosts.common import selinux
from hosts.denodo import commands, image_findings, privileges
from tests.hosts.denodo.home import Home
from tests.hosts.denodo.nitro_machine import DATA_VOLUME, Machine


@pytest.fixture
def nitro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "nitro", monkeypatch)


@pytest.mark.parametrize(
    ("version", "is_old"),
    [
        ("3.3.40.0", False),
        ("3.10.1.0", False),
        ("4.0.0.0", False),
        ("3.3.39.0", True),
        ("3.2.582.0", True),
        ("2.3.672.0", True),
        ("unknown", False),
    ],
)
def test_an_agent_that_needs_ec2messages(tmp_path: Path, version: str, *, is_old: bool) -> None:
    agent = tmp_path / "usr/bin/amazon-ssm-agent"
    agent.parent.mkdir(parents=True)
    agent.write_text(f'#!/bin/sh\n[ "$*" = -version ] && echo SSM Agent version: {version}\n')
    agent.chmod(0o755)
    message = image_findings.agent_age(tmp_path)
    assert bool(message) == is_old
    if is_old:
        assert f"the SSM agent has the version {version.removesuffix('.0')}." in message
        assert "ec2messages" in message
    assert image_findings.agent_age(tmp_path / "nothing") == ""


@pytest.mark.parametrize(
    ("kind", "mode", "is_denied"),
    [
        ("user_home_t", "Enforcing", True),
        ("admin_home_t", "Enforcing", True),
        ("user_tmp_t", "Enforcing", True),
        ("tmp_t", "Enforcing", True),
        ("default_t", "Enforcing", True),
        ("unlabeled_t", "Enforcing", True),
        ("bin_t", "Enforcing", False),
        ("usr_t", "Enforcing", False),
        ("user_home_t", "Permissive", False),
        ("", "Enforcing", False),
    ],
)
def test_a_python_that_selinux_does_not_let_systemd_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str, *, is_denied: bool
) -> None:
    command = tmp_path / "getenforce"
    command.write_text(f"#!/bin/sh\necho {mode}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    context = f"system_u:object_r:{kind}:s0\0".encode()

    def attribute(_path: Path, name: str) -> bytes:
        assert name == "security.selinux"
        if not kind:
            raise OSError
        return context

    monkeypatch.setattr(os, "getxattr", attribute)
    message = image_findings.selinux_denial(Path("/home/denodo/python"))
    assert bool(message) == is_denied
    if is_denied:
        assert f"whose type is {kind}" in message
        assert "restorecon -v /home/denodo/python" in message


def test_a_machine_without_selinux_has_no_types(tmp_path: Path) -> None:
    assert selinux.file_type(tmp_path / "nothing") == ""


def test_another_root_device_than_that_of_the_image(nitro: Machine) -> None:
    """EC2 attaches an additional disk if the root device is configured with another name."""
    assert image_findings.root_device(nitro.disks) == ""
    nitro.names = {"nvme1n1": "/dev/sda1", "nvme0n1": "xvda"}
    message = image_findings.root_device(nitro.disks)
    assert message.startswith(
        f"the root disk of the image is /dev/sda1, so the volume {DATA_VOLUME}"
    )
    assert "write `root_device: /dev/sda1`" in message


@pytest.mark.parametrize("lost", ["name", "root"])
def test_what_is_not_known_is_no_finding(nitro: Machine, lost: str) -> None:
    nitro.names = {"nvme1n1": "/dev/sda1", "nvme0n1": "xvda"}
    if lost == "name":
        del nitro.names["nvme1n1"]
    else:
        nitro.mounts.write_text("22 1 0:1 / / rw - overlay overlay rw\n")
    assert image_findings.root_device(nitro.disks) == ""


def test_a_status_that_root_starts_has_the_findings(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an installed node, findings are warnings. Only root can ask a disk for its name."""
    passed: list[str] = []

    def run_as(_account: privileges.Account, arguments: list[str]) -> int:
        passed.extend(arguments)
        return 0

    account = privileges.Account("denodo", 4711, 4712, "/home/denodo")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "installed_account", lambda _system: account)
    monkeypatch.setattr(privileges, "warnings", lambda _account: [])
    monkeypatch.setattr(image_findings, "findings", lambda _root: ["another root device"])
    monkeypatch.setattr(privileges, "run_as", run_as)
    assert commands.main(["status"]) == 0
    assert passed == ["status", "--warning=another root device"]
    passed.clear()
    assert commands.main([*home.arguments, "status"]) == 0
    assert passed == [*home.arguments, "status"]
