"""First boot, change and program update of a HAProxy host that the stacks create.

The desired state is an SSM parameter that names a configuration, certificates and this program.
A new configuration is validated, loaded without a lost connection, and verified. If one of these
steps fails, the previous configuration remains active.
"""

from __future__ import annotations

import http.client
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files, selinux, verified_object
from hosts.common.process import run
from hosts.common.releases import Releases
from hosts.haproxy.draining import POLL_S, Report
from hosts.haproxy.errors import Failed, HaproxyError, NoAnswer, Refused
from hosts.haproxy.reloading import prepare_start, previous_file, reload_locked
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.validation import problem
from hosts.haproxy.workers import workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.common.aws_cli import AwsCli
    from hosts.haproxy.desired_state import DesiredState

PACKAGE = "haproxy"
PROGRAM_FOLDER = Path("/opt/denodo-haproxy")
"""Folder of this program's releases; `stacks/nodes/first_boot.py` contains the same path."""

_MAY_CONNECT = "haproxy_connect_any"
"""Boolean of SELinux's policy: HAProxy may connect to any port (Red Hat, haproxy_selinux(8))."""
_START_S = 60
_USABLE_S = 60
_SETTLE_S = 15
"""Seconds that a boot waits after a node is usable. A load balancer in front of HAProxy marks a new
target healthy after two checks, 5 s apart, and until then the deploy must not replace the next
host."""
_SYSTEMD_S = 120
_MOST_FILE_BYTES = 4 * 1024 * 1024
"""Project default: maximum size of HAProxy's configuration, which has about 100 bytes for each node
of a service."""


@dataclass(frozen=True)
class Host:
    """The files of the host; only tests use other paths.

    Attributes:
        haproxy: the HAProxy of this machine.
        tls: folder of the certificates, as the configuration names it.
        drop_in: the drop-in for HAProxy's systemd unit.
        systemctl: the command `systemctl`, None on a machine without systemd.
        settle: seconds to wait at boot after a node is usable (see `_SETTLE_S`).
        units: folder of systemd's units.
        program_folder: folder of this program's release in use.
    """

    haproxy: LocalHaproxy = field(default_factory=LocalHaproxy)
    tls: Path = Path("/etc/haproxy/tls")
    drop_in: Path = Path("/etc/systemd/system/haproxy.service.d/denodo.conf")
    systemctl: str | None = "systemctl"
    settle: float = _SETTLE_S
    units: Path = Path("/etc/systemd/system")
    program_folder: Path = PROGRAM_FOLDER / "current"

    def run_systemctl(self, *arguments: str) -> None:
        """Run systemctl.

        Raises:
            Failed: The command fails.
        """
        if self.systemctl is None:
            return
        command = f"systemctl {' '.join(arguments)}"
        try:
            result = run([self.systemctl, *arguments], seconds=_SYSTEMD_S)
        except OSError as error:
            message = f"{command}: {error}"
            raise Failed(message) from error
        if not result.succeeded:
            message = f"{command} {result}; see `journalctl -u haproxy`"
            raise Failed(message)


def update(aws: AwsCli, desired: DesiredState, folder: Path) -> bool:
    """Change to the release of the program that the desired state names.

    Returns:
        Whether the release in use has changed.

    Raises:
        AwsError: The release cannot be fetched.
        UnverifiedError: The release does not match the hash in its name, and was not installed.
        Failed: The release cannot be unpacked.
    """
    releases = Releases(folder, PACKAGE)
    if releases.in_use(releases.named_by(desired.program)):
        return False
    try:
        releases.use(releases.fetch(desired.program, aws))
    except OSError as error:
        message = f"the program {desired.program} cannot be unpacked: {error}"
        raise Failed(message) from error
    return True


def apply(host: Host, aws: AwsCli, desired: DesiredState, report: Report) -> None:
    """Bring a running HAProxy to its desired state.

    Raises:
        AwsError: The configuration or a secret cannot be fetched.
        UnverifiedError: The configuration does not match the hash in its name; no change was made.
        Refused: HAProxy does not accept the configuration; nothing was changed.
        Failed: The new worker does not accept connections; the previous configuration is active.
    """
    with host.haproxy.locked(), _fetched_file(host, aws, desired) as new:
        secrets = _secrets(host, aws, desired)
        _write_drop_in(host, desired)
        _apply_files(host.haproxy, new, secrets, report)


def _apply_files(
    haproxy: LocalHaproxy, new: Path, secrets: dict[Path, bytes | None], report: Report
) -> None:
    """Load a configuration and its secrets, unless HAProxy has already loaded the same files."""
    old = {path: _read(path) for path in secrets}
    config = _read(haproxy.config)
    same = old == secrets and config == files.read(new)
    # Equal files are not enough: a run that was killed may have written files that no worker has
    # loaded.
    if same and workers(haproxy).failed == 0 and not previous_file(haproxy).exists():
        report("HAProxy already runs the configuration and certificates of the desired state")
        return
    reload_locked(
        haproxy,
        new,
        report,
        prepare=lambda: _write_secrets(secrets),
        undo=lambda: _write_secrets(old),
    )


def boot(host: Host, aws: AwsCli, desired: DesiredState, report: Report) -> None:
    """Set up a new host, and wait until HAProxy serves.

    Raises:
        AwsError: The configuration or a secret cannot be fetched.
        UnverifiedError: The configuration does not match the hash in its name; no change was made.
        Refused: HAProxy does not accept the configuration, or SELinux restricts its connections.
        Failed: HAProxy does not start.
    """
    if host.systemctl is not None and selinux.is_off(_MAY_CONNECT):
        message = (
            f"SELinux lets HAProxy connect only to a list of ports without Denodo's ports; run "
            f"`setsebool -P {_MAY_CONNECT} 1` in the image, and replace this instance"
        )
        raise Refused(message)
    with _fetched_file(host, aws, desired) as new:
        _write_secrets(_secrets(host, aws, desired))
        reason = problem(host.haproxy.program, new)
        if reason:
            raise Refused(reason)
        host.haproxy.state.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(host.haproxy.config, files.read(new), mode=files.PUBLIC)
    _write_drop_in(host, desired)
    try:
        prepare_start(host.haproxy, lambda _line: None)
    except HaproxyError as error:
        report(f"{error}; HAProxy starts without saved states")
    host.run_systemctl("enable", "haproxy")
    host.run_systemctl("restart", "haproxy")
    _wait_until_serving(host, desired.health_port, report)


@contextmanager
def _fetched_file(host: Host, aws: AwsCli, desired: DesiredState) -> Iterator[Path]:
    """Fetch HAProxy's new configuration file; yield its path, and remove the file at the end.

    The fetched file is in the folder of HAProxy's configuration. The name of the fetched file is
    constant, so that the next run replaces a file that a killed run has left.
    """
    config = host.haproxy.config
    config.parent.mkdir(parents=True, exist_ok=True)
    new = config.with_name(f".{config.name}.new")
    try:
        verified_object.fetch(aws, desired.file, new, most_bytes=_MOST_FILE_BYTES)
        yield new
    finally:
        files.remove(new)


def _secrets(host: Host, aws: AwsCli, desired: DesiredState) -> dict[Path, bytes | None]:
    """Return the path and content of each file that contains a secret."""
    arns = {"server.pem": desired.certificate, "nodes-ca.pem": desired.authority}
    return {
        host.tls / name: f"{aws.secret(arn).rstrip()}\n".encode()
        for name, arn in arns.items()
        if arn
    }


def _read(path: Path) -> bytes | None:
    try:
        return files.read(path)
    except FileNotFoundError:
        return None


def _write_secrets(secrets: dict[Path, bytes | None]) -> None:
    """Write the content of each file with a secret; remove a file whose content is None."""
    for path, content in secrets.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if content is None:
            files.remove(path)
        else:
            files.write_atomically(path, content, mode=files.PRIVATE)


def _write_drop_in(host: Host, desired: DesiredState) -> None:
    """Write HAProxy's systemd drop-in, whose limit of open files applies after a restart."""
    content = desired.drop_in.encode()
    if _read(host.drop_in) != content:
        host.drop_in.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(host.drop_in, content, mode=files.PUBLIC)
    # Reload even if the file is unchanged: an earlier run may have been killed before systemd
    # read the file.
    host.run_systemctl("daemon-reload")


def _wait_until_serving(host: Host, port: int, report: Report) -> None:
    """Wait until HAProxy answers, and then for a limited time until a node is usable.

    The first boot of a cluster may have no usable node yet.
    """
    end = time.monotonic() + _START_S
    while _health(port) is None or not _has_worker(host.haproxy):
        if time.monotonic() > end:
            message = f"HAProxy does not answer on port {port}: see `journalctl -u haproxy`"
            raise Failed(message)
        time.sleep(POLL_S)  # systemd reports the unit as started before HAProxy answers
    end = time.monotonic() + _USABLE_S
    while _health(port) != http.client.OK:
        if time.monotonic() > end:
            report("HAProxy answers, but has no usable node yet")
            return
        time.sleep(POLL_S)  # HAProxy does not announce the result of a check
    time.sleep(host.settle)  # until the load balancer has marked this host healthy
    report("HAProxy serves")


def _has_worker(haproxy: LocalHaproxy) -> bool:
    try:
        return workers(haproxy).serving is not None
    except NoAnswer:
        return False


def _health(port: int) -> int | None:
    """Query the health port like a load balancer; return the HTTP status, None without answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
        # Load balancers send a header of the PROXY protocol first; UNKNOWN is the header without
        # addresses.
        connection.sock.sendall(b"PROXY UNKNOWN\r\n")
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
