"""Endpoint checks of Route 53, with the interval and the failure threshold of each check.

While the part `metrics` of `PUT /_local/living` is on, the status of an endpoint check changes only
after as many equal results as its FailureThreshold says (AWS, Route 53 API, HealthCheckConfig).
A check of a load balancer connects to the load balancer's addresses on this machine if the part
`balancers` is on; a check of an instance connects to the servers that stand for the instance. A
load balancer of this machine accepts a connection before it connects to a target, so for a TCP
check the connection must also stay open (`probe.stays_open`).
"""

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools.local_aws.emulator import loopback, ministack, stand_ins
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.elb import probe
from tools.local_aws.emulator.living import LIVING

Record = ministack.Record
Open = Callable[[Record], bool]

_log = logging.getLogger("local-aws")
TYPES = ("TCP", "HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH")
_ROUND_S, _SHORTEST_S = 1, 0.1
_CONNECT_S = 10
"""Seconds for a TCP connection (AWS, How Route 53 determines whether a health check is healthy)."""
_LEAST_TIMEOUT_S = 0.5
"""Project default: smallest time-out in real seconds, since a busy machine needs time to accept a
connection."""
_CHECKS_AT_ONCE = 8
_ANY_STATUS_BELOW_400 = "200-399"


@dataclass
class Status:
    """The status of one endpoint check.

    Attributes:
        healthy: the status.
        contrary: the number of last results that contradict the status.
        due: time of the next request.
    """

    healthy: bool
    contrary: int = 0
    due: float = 0


class EndpointChecker:
    """Requests the endpoint of each check at the check's interval."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._stop_asked: threading.Event | None = None
        self._pool = ThreadPoolExecutor(_CHECKS_AT_ONCE, thread_name_prefix="endpoint-check")

    def healthy(self, check_id: str) -> bool | None:
        """Return the status of an endpoint check; None while the part `metrics` is off.

        A new check is healthy until there is enough data (AWS, How Amazon Route 53 determines the
        status of health checks that monitor an endpoint).
        """
        if self._stop_asked is None:
            return None
        status = self._statuses.get(check_id)
        return status is None or status.healthy

    def start(self, is_open: Open) -> None:
        """Request the endpoints of all checks from now on.

        Args:
            is_open: returns whether the endpoint of a check's settings accepts connections.
        """
        self._statuses.clear()
        self._stop_asked = threading.Event()
        arguments = (is_open, self._stop_asked)
        threading.Thread(target=self._run, args=arguments, name="checks", daemon=True).start()

    def stop(self) -> None:
        """Stop the requests to endpoints."""
        if self._stop_asked is not None:
            self._stop_asked.set()
        self._stop_asked = None

    def _run(self, is_open: Open, stop_asked: threading.Event) -> None:
        while not stop_asked.wait(max(CLOCK.real(_ROUND_S), _SHORTEST_S)):
            try:
                self._round(is_open)
            except (KeyError, RuntimeError):
                # A resource was deleted during the round.
                _log.debug("a round of endpoint checks was interrupted", exc_info=True)

    def _round(self, is_open: Open) -> None:
        now = CLOCK.now()
        known = ministack.health_checks.to_dict()
        for gone in self._statuses.keys() - {id_ for _, id_ in known}:
            del self._statuses[gone]
        due = []
        for (account, id_), check in known.items():
            config = check["config"]
            status = self._statuses.get(id_)
            if config["Type"] in TYPES and (status is None or status.due <= now):
                due.append((account, id_, config))

        def request(account: str, config: Record) -> bool:
            with ministack.acting_for(account, ministack.region()):
                return is_open(config)

        results = self._pool.map(request, [item[0] for item in due], [item[2] for item in due])
        for (_, id_, config), result in zip(due, results, strict=True):
            status = self._statuses.setdefault(id_, Status(healthy=True))
            status.due = now + CLOCK.real(float(config["RequestInterval"]))
            status.contrary = 0 if result == status.healthy else status.contrary + 1
            if status.contrary >= int(config["FailureThreshold"]):
                status.healthy, status.contrary = result, 0


CHECKER = EndpointChecker()


def balancer_answers(config: Record, balancer: Record, zones: list[str]) -> bool:
    """Return whether a load balancer's listener answers a request, at the address of one zone."""
    if not zones:
        return False
    arn, zone = balancer["LoadBalancerArn"], random.choice(zones)  # noqa: S311 - DNS chooses at random, too
    return _answers(config, loopback.endpoint("balancer", arn, int(config["Port"]), zone))


def instance_answers(config: Record, instance_id: str) -> bool:
    """Return whether the servers that stand for an instance answer; True without such servers."""
    endpoint = stand_ins.endpoint(instance_id, int(config["Port"]))
    return endpoint is None or _answers(config, endpoint)


def balancers_run() -> bool:
    """Return whether load balancers have open ports on this machine."""
    return LIVING.is_on("balancers")


def _answers(config: Record, endpoint: loopback.Endpoint) -> bool:
    timeout = max(CLOCK.real(_CONNECT_S), _LEAST_TIMEOUT_S)
    if config["Type"] == "TCP":
        return probe.stays_open(endpoint, timeout)
    path, secure = str(config.get("ResourcePath") or "/"), config["Type"].startswith("HTTPS")
    return probe.http_get(endpoint, path, _ANY_STATUS_BELOW_400, timeout, secure=secure).passed
