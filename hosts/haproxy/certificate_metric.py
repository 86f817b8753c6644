"""Metric of a HAProxy host: the days until HAProxy's own certificate expires.

A systemd timer publishes the metric. Because each metric costs money, the timer exists only on
hosts whose desired state has a namespace for metrics and a certificate. All hosts of a cluster have
the same certificate, so the metric's only dimension is the cluster.
"""

from __future__ import annotations

import re
import ssl
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.certificate import CertificateError, read_certificate
from hosts.haproxy.errors import Failed

if TYPE_CHECKING:
    from hosts.common.aws_cli import AwsCli
    from hosts.haproxy.desired_state import DesiredState
    from hosts.haproxy.host import Host

METRIC = "HaproxyCertificateDaysLeft"
UNIT = "denodo-haproxy-metrics"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_SERVICE = """\
# Publishes the days until HAProxy's certificate expires. Started by its timer. Written by the
# HAProxy program, which removes it if the desired state has no metrics.
[Unit]
Description=Metrics of this HAProxy host

[Service]
Type=oneshot
WorkingDirectory={folder}
ExecStart={python} -m haproxy metrics --parameter {parameter} --region {region}
TimeoutStartSec=300
NoNewPrivileges=yes
"""
_TIMER = """\
# Written by the HAProxy program.
[Unit]
Description=Metrics of this HAProxy host

[Timer]
OnCalendar=hourly
RandomizedDelaySec=900
Persistent=yes

[Install]
WantedBy=timers.target
"""


def publish(host: Host, aws: AwsCli, desired: DesiredState) -> float | None:
    """Publish and return the days until the certificate expires; None without metrics.

    Raises:
        AwsError: CloudWatch does not accept the metric.
        Failed: The certificate cannot be read.
    """
    if not desired.metrics or not desired.certificate:
        return None
    path = host.tls / "server.pem"
    try:
        blocks = _PEM.findall(files.read(path).decode("ascii", "replace"))
        expiry = min(
            read_certificate(ssl.PEM_cert_to_DER_cert(block)).not_after for block in blocks
        )
    except (OSError, CertificateError, ValueError) as error:
        message = (
            f"{path} contains no certificate that can be read: {error}; store a certificate in the"
            f" secret {desired.certificate}"
        )
        raise Failed(message) from None
    days = (expiry - datetime.now(timezone.utc)).total_seconds() / 86_400
    aws.put_metric_data(desired.metrics, {"Cluster": desired.cluster}, {METRIC: days})
    return days


def switch(host: Host, desired: DesiredState, *, parameter: str, region: str) -> None:
    """Write and enable the metric's timer if metrics are configured, else remove the timer.

    Raises:
        Failed: systemctl fails.
    """
    names = (f"{UNIT}.service", f"{UNIT}.timer")
    if not desired.metrics or not desired.certificate:
        if (host.units / names[1]).exists():
            host.run_systemctl("disable", "--now", names[1])
            for name in names:
                files.remove(host.units / name)
        return
    service = _SERVICE.format(
        folder=host.program_folder, python=sys.executable, parameter=parameter, region=region
    )
    host.units.mkdir(parents=True, exist_ok=True)
    for name, text in zip(names, (service, _TIMER)):
        files.write_atomically(host.units / name, text.encode(), mode=files.PUBLIC)
    host.run_systemctl("daemon-reload")
    host.run_systemctl("enable", "--now", names[1])
