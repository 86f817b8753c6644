"""Validation of a rendered configuration file by the program haproxy, for HAProxy outside AWS."""

import grp
import os
import pwd
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import botocore

from denodo_ha.cli.errors import UsageError
from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.environment.model.environment import Environment
from hosts.haproxy.validation import problem

_PROGRAMS = ("haproxy", "/usr/sbin/haproxy", "/usr/local/sbin/haproxy")
"""Usual paths of HAProxy; searched because the PATH of normal users often lacks /usr/sbin."""

_ANY_AUTHORITY = str(Path(botocore.__file__).with_name("cacert.pem"))
"""Certificate file of botocore, which exists on every machine with this package: the validation
uses it in place of certificate files that this machine lacks."""


def select_cluster(environment: Environment, name: str | None) -> str:
    """Return the named cluster, or the only cluster that is behind HAProxy.

    Raises:
        UsageError: The cluster is not behind HAProxy, or several clusters are and no name was
            given.
    """
    behind_haproxy = sorted(
        key for key, cluster in environment.clusters.items() if cluster.balancer.kind == "haproxy"
    )
    if name is None and len(behind_haproxy) == 1:
        return behind_haproxy[0]
    if name in behind_haproxy:
        return name
    if not behind_haproxy:
        raise UsageError("no cluster of this configuration uses balancer.kind: haproxy")
    problem = "several clusters use HAProxy" if name is None else f"{name} does not use HAProxy"
    message = f"{problem}; add --cluster with one of {', '.join(behind_haproxy)}"
    raise UsageError(message)


def find_haproxy(program: str | None) -> str:
    """Return the HAProxy program for the validation: the given program, or one at a usual path.

    Raises:
        UsageError: The given program is not installed, or HAProxy is at no usual path.
    """
    candidates = [program] if program else _PROGRAMS
    program_path = next((candidate for candidate in candidates if shutil.which(candidate)), None)
    if program_path is None:
        missing = f"no program {program}" if program else "no haproxy in PATH or /usr/sbin"
        message = (
            f"there is {missing} to validate the file with; install HAProxy, or add --haproxy "
            "PROGRAM"
        )
        raise UsageError(message)
    return program_path


def validation_errors(environment: Environment, cluster: str, host: Host, haproxy: str) -> str:
    """Return HAProxy's error messages about the rendered file; empty if HAProxy accepts the file.

    Users, groups and certificates that do not exist on this machine are replaced, so that only the
    configuration file itself is validated.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(render_config(environment, cluster, _local(host)), encoding="utf-8")
        return problem(haproxy, file).replace(str(file), "the file")


def missing_files(host: Host) -> list[str]:
    """Return the certificate files in a host's settings that do not exist on this machine."""
    files = (host.certificate, host.authority)
    return [file for file in files if file and not Path(file).exists()]


def _local(host: Host) -> Host:
    own_group = grp.getgrgid(os.getgid()).gr_name
    groups = {group.gr_name for group in grp.getgrall()}
    users = {user.pw_name for user in pwd.getpwall()}
    missing = missing_files(host)
    return replace(
        host,
        user=host.user if host.user in users and host.group in groups else None,
        group=host.group if host.group in groups else own_group,
        monitor_group=host.monitor_group if host.monitor_group in groups else own_group,
        certificate=None if host.certificate in missing else host.certificate,
        authority=_ANY_AUTHORITY if host.authority in missing else host.authority,
    )
