"""The systemd drop-in beside HAProxy's file."""

from denodo_ha.environment.haproxy.config_file import Host
from denodo_ha.environment.model.haproxy import Haproxy

_OVERHEAD = 1000
"""Files beside clients' connections: listeners, checks, sockets, logs, the old workers' own."""

_HARD = 524_288
"""systemd's own hard limit (systemd.exec, LimitNOFILE). HAProxy raises its limit up to it when a
reload has more connections; beyond it has to be started anew."""


def drop_in(settings: Haproxy, host: Host) -> str:
    """`/etc/systemd/system/haproxy.service.d/denodo.conf`.

    `haproxy -c` does not see how many files a process may open: too few, and HAProxy starts with
    fewer connections or not at all. A connection takes two.
    """
    file = f"{host.folder}/haproxy.cfg"
    files = 2 * settings.maxconn + _OVERHEAD
    run = host.run.rpartition("/")
    return f"""\
# Written by `denodo-ha haproxy render --systemd`.
[Service]
LimitNOFILE={files}:{max(files, _HARD)}
RuntimeDirectory={run[2]}
RuntimeDirectoryMode=0755
# Not -dW: with a node drained the state's file gives warnings.
# A reload starts a new worker and lets the old one finish; the master is asked who serves.
ExecStartPre=
ExecStart=
ExecReload=
ExecStartPre={host.program} -c -q -f {file}
ExecStart={host.program} -Ws -f {file} -p {host.run}/haproxy.pid \\
    -S {host.run}/master.sock,mode,660,group,{host.group}
ExecReload={host.program} -c -q -f {file}
ExecReload=/bin/kill -USR2 $MAINPID
"""
