"""Alarm silence: a cluster's alarms do not notify while a command changes its nodes.

The composite alarms of a cluster have a suppressor alarm on a custom metric. A command puts this
metric once a minute, during its waits; without data the alarms notify again. The suppressor has no
effect on the alarms of Route 53's health checks.
"""

import threading
from datetime import datetime
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import AccessDenied, AwsError
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.stack import Stack
from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from denodo_ha.environment.names import PAUSE_METRIC

_CALL_S: Final = 5.0
"""Project default: seconds to put a datapoint, so that a command does not wait for CloudWatch."""


def suppressor_namespace(stack: Stack) -> str:
    """Return the namespace of the suppressor's metric, empty if the stack has no suppressor.

    Stacks of earlier versions, and clusters without alarms, have no suppressor.
    """
    for _, properties in stack.resources("AWS::CloudWatch::Alarm"):
        if properties.get("MetricName") == PAUSE_METRIC:
            return str(properties.get("Namespace", ""))
    return ""


def put_datapoint(aws: Aws, region: str, namespace: str) -> None:
    """Put one datapoint of the suppressor's metric, which silences the alarms for a minute.

    Raises:
        AwsError: AWS does not answer, or denies access.
    """
    with deadline.limited(_CALL_S), translated_errors():
        aws.client("cloudwatch", region).put_metric_data(
            Namespace=namespace, MetricData=[{"MetricName": PAUSE_METRIC, "Value": 1.0}]
        )


class AlarmSilence:
    """A clock that silences the alarms of a cluster in its waits, from `begin` to `end`.

    Args:
        aws: the credentials.
        clock: the clock.
        progress: receives a warning if the alarms cannot be silenced.
    """

    def __init__(self, aws: Aws, clock: Clock, progress: Progress) -> None:
        self._aws, self._clock, self._progress = aws, clock, progress
        self._cluster: Cluster | None = None
        self._put_at, self._warned = 0.0, False
        # Several threads may wait at the same time, but only one may put the datapoint of a minute.
        self._putting = threading.Lock()

    def begin(self, cluster: Cluster) -> None:
        """Silence the alarms of a cluster until `end`; a failure is only a warning."""
        if self._cluster is None and suppressor_namespace(cluster.stack):
            self._cluster = cluster
            self._put(cluster)

    def end(self) -> None:
        """Stop putting the metric of the suppressor."""
        self._cluster = None

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment, to measure durations."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Put the metric of the suppressor if a minute has passed, and wait."""
        with self._putting:
            cluster = self._cluster
            if cluster and self._clock.monotonic() - self._put_at >= ALARM_PERIOD_S:
                self._put(cluster)
        self._clock.sleep(seconds)

    def _put(self, cluster: Cluster) -> None:
        self._put_at = self._clock.monotonic()
        namespace = suppressor_namespace(cluster.stack)
        try:
            put_datapoint(self._aws, cluster.location.region, namespace)
        except AwsError as error:
            if isinstance(error, AccessDenied):
                self._cluster = None
            if not self._warned:
                self._warned = True
                self._progress.say(
                    f"warning: the alarms of {cluster.name} are not silenced ({error}), and may "
                    "notify of the changes that this command makes"
                )
