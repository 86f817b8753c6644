"""Systemd drop-in for HAProxy, with limits that match HAProxy's configuration file."""

import re

from denodo_ha.environment.haproxy.config_file import Host
from denodo_ha.environment.model.haproxy import Haproxy

_OTHER_FILES = 1000
"""Number of open files that are not client connections: listeners, checks, sockets, logs and old
workers."""

_HARD_LIMIT = 524_288
"""systemd's own hard limit of open files (systemd.exec, LimitNOFILE). If a reload allows more
connections, HAProxy raises its own limit of open files up to this hard limit. For still more
connections, HAProxy must be restarted."""


def render_drop_in(settings: Haproxy, host: Host) -> str:
    """Return the text of `/etc/systemd/system/haproxy.service.d/denodo.conf`.

    `haproxy -c` does not check how many files a process may open. If the limit is too low, HAProxy
    accepts fewer connections or does not start. Each connection needs two open files.
    """
    file = f"{host.folder}/haproxy.cfg"
    files = 2 * settings.maxconn + _OTHER_FILES
    run = host.run.rpartition("/")
    # With the prefix `-`, HAProxy starts even if the program is missing or fails.
    prepare = f"-/bin/sh -c 'cd {host.tool} && exec python3 -m haproxy prepare'"
    before_start = f"ExecStartPre={prepare}\n" if host.tool else ""
    before_reload = f"ExecReload={prepare}\n" if host.tool else ""
    return f"""\
# Written by `denodo-ha haproxy render --systemd`.
[Service]
LimitNOFILE={files}:{max(files, _HARD_LIMIT)}
RuntimeDirectory={run[2]}
RuntimeDirectoryMode=0755
# Not -dW: with a node drained the state's file gives warnings.
# A reload starts a new worker and lets the old one finish; the master is asked who serves.
ExecStartPre=
ExecStart=
ExecReload=
ExecStartPre={host.program} -c -q -f {file}
{before_start}ExecStart={host.program} -Ws -f {file} -p {host.run}/haproxy.pid \\
    -S {host.run}/master.sock,mode,660,group,{host.group}
ExecReload={host.program} -c -q -f {file}
{before_reload}ExecReload=/bin/kill -USR2 $MAINPID
"""


def maxconn_of(drop_in: str) -> int | None:
    """Return the `maxconn` for which a drop-in was written; None if its text is not known."""
    match = re.search(r"^LimitNOFILE=([0-9]{1,9}):", drop_in, re.MULTILINE)
    return (int(match[1]) - _OTHER_FILES) // 2 if match else None
