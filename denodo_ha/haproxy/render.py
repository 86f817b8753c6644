"""HAProxy's file for people who run it themselves, and a real HAProxy's word on it."""

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
from hosts.haproxy.reloading import validate

_USUAL = ("haproxy", "/usr/sbin/haproxy", "/usr/local/sbin/haproxy")
"""Where HAProxy is: people other than root often lack /usr/sbin in their PATH."""

_SOME_AUTHORITY = str(Path(botocore.__file__).with_name("cacert.pem"))
"""A file of certificates that is on every machine this runs on."""


def cluster(environment: Environment, name: str | None) -> str:
    """The cluster that is meant, or the only one behind HAProxy.

    Raises:
        UsageError: there is none, or it is not clear which.
    """
    known = sorted(
        key for key, one in environment.clusters.items() if one.balancer.kind == "haproxy"
    )
    if name is None and len(known) == 1:
        return known[0]
    if name in known:
        return name
    listed = ", ".join(known) or "none has balancer.kind haproxy"
    asked = "which cluster is meant" if name is None else f"cluster {name} is not behind HAProxy"
    message = f"{asked}; there is: {listed}; name one with --cluster"
    raise UsageError(message)


def program(given: str | None) -> str:
    """The HAProxy to validate with.

    Raises:
        UsageError: there is none.
    """
    found = next((one for one in ([given] if given else _USUAL) if shutil.which(one)), None)
    if found is None:
        where = f"no program {given}" if given else "no haproxy in PATH or /usr/sbin"
        message = (
            f"there is {where} to check the file with: install HAProxy or name it by --haproxy"
        )
        raise UsageError(message)
    return found


def wrong(environment: Environment, name: str, host: Host, haproxy: str) -> str:
    """What a real HAProxy says against the file, empty if nothing.

    What the file names and this machine lacks (users, certificates) is replaced: the check is of
    the file, and not of where it is checked.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(render_config(environment, name, _here(host)), encoding="utf-8")
        return validate(haproxy, file)


def lacking(host: Host) -> list[str]:
    """Files that HAProxy's file names and this machine has not."""
    named = (host.certificate, host.authority)
    return [one for one in named if one and not Path(one).exists()]


def _here(host: Host) -> Host:
    own = grp.getgrgid(os.getgid()).gr_name
    groups = {one.gr_name for one in grp.getgrall()}
    users = {one.pw_name for one in pwd.getpwall()}
    missing = lacking(host)
    return replace(
        host,
        user=host.user if host.user in users and host.group in groups else None,
        group=host.group if host.group in groups else own,
        monitor_group=host.monitor_group if host.monitor_group in groups else own,
        certificate=None if host.certificate in missing else host.certificate,
        authority=_SOME_AUTHORITY if host.authority in missing else host.authority,
    )
