"""Recorded calls to AWS, and simulated faults of calls.

    cloud.faults.throttle("DescribeTargetHealth", on=2)     # the second such call
    cloud.faults.deny("RegisterTargets")                    # every such call
    cloud.faults.interrupt("DeregisterTargets", after=True) # Ctrl-C after it has taken effect
    cloud.faults.interrupt(on=7, changing=True)             # Ctrl-C at the seventh changing call
    cloud.faults.lose("eu-west-1")                          # the region does not answer
    [call.operation for call in cloud.calls.changes]

An error response is returned without the SDK's own retries, as if all of them had failed.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError

OURS = "the tests themselves"
"""User agent of the tests' own clients, whose calls are not recorded and encounter no faults."""

Answer = tuple[AWSResponse, dict[str, Any]]

_READS = re.compile(r"^(Describe|Get|List|BatchGet|Lookup|Test)")


@dataclass(frozen=True)
class Call:
    """A call to AWS: boto3's name of the service, the operation, its parameters, the region."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str

    @property
    def changes(self) -> bool:
        """Return whether the call changes a resource."""
        return _READS.match(self.operation) is None


@dataclass
class Calls:
    """Calls of the code under test, in their order."""

    made: list[Call] = field(default_factory=list)

    @property
    def changes(self) -> list[Call]:
        """Return the recorded calls that change resources."""
        return [call for call in self.made if call.changes]

    def of(self, operation: str) -> list[Call]:
        """Return the recorded calls of an operation."""
        return [call for call in self.made if call.operation == operation]

    def forget(self) -> None:
        """Remove all recorded calls."""
        self.made.clear()


@dataclass
class Fault:
    """A fault of matching calls.

    Attributes:
        matches: returns True for the calls that can fail.
        on: number of the matching call that fails, counted from 1; None: every matching call.
        happen: returns the response to the call, or raises an exception.
        after: True if the call takes effect before the fault.
        met: number of calls that have matched.
    """

    matches: Callable[[Call], bool]
    happen: Callable[[Call], Answer | None]
    on: int | None = None
    after: bool = False
    met: int = 0


class Faults:
    """Simulated faults of later calls; see the module's docstring."""

    def __init__(self) -> None:
        self._all: list[Fault] = []
        self._lock = threading.Lock()

    def throttle(self, operation: str = "", *, on: int | None = None) -> None:
        """Make calls of an operation fail because AWS throttles them; "" is any operation."""
        self.answer("Throttling", "Rate exceeded", operation, on=on)

    def expire(self, operation: str = "", *, on: int | None = None) -> None:
        """Make calls fail because the credentials have expired."""
        message = "The security token included in the request is expired"
        self.answer("ExpiredToken", message, operation, on=on, status=403)

    def deny(self, operation: str = "", *, on: int | None = None) -> None:
        """Make calls of an operation fail because AWS denies them; "" is any operation."""
        message = "User: arn:aws:sts::111122223333:assumed-role/ops/me is not authorized"
        self.answer("AccessDenied", message, operation, on=on, status=403)

    def miss(
        self, operation: str = "", *, on: int | None = None, code: str = "TargetGroupNotFound"
    ) -> None:
        """Make calls fail because a resource does not exist."""
        self.answer(code, "One or more of them were not found", operation, on=on)

    def break_down(self, operation: str = "", *, on: int | None = None) -> None:
        """Make calls fail with an AWS internal error."""
        self.answer("InternalFailure", "An error has occurred", operation, on=on, status=500)

    def answer(
        self,
        code: str,
        message: str,
        operation: str = "",
        *,
        on: int | None = None,
        status: int = 400,
        region: str = "",
    ) -> None:
        """Make calls fail with an error response."""
        self.add(
            Fault(_matches(operation, region=region), lambda _: error(code, message, status), on)
        )

    def lose(self, region: str) -> None:
        """Make a region unreachable."""

        def unreachable(call: Call) -> None:
            raise EndpointConnectionError(
                endpoint_url=f"https://{call.service}.{region}.amazonaws.com/"
            )

        self.add(Fault(_matches("", region=region), unreachable))

    def interrupt(
        self,
        operation: str = "",
        *,
        on: int | None = 1,
        after: bool = False,
        changing: bool = False,
        kind: type[BaseException] = KeyboardInterrupt,
    ) -> None:
        """Raise Ctrl-C, or another exception, before a call, or after the call has taken effect."""

        def happen(_: Call) -> None:
            raise kind

        self.add(Fault(_matches(operation, changing=changing), happen, on, after))

    def add(self, fault: Fault) -> None:
        """Add a fault of later calls."""
        self._all.append(fault)

    def heal(self) -> None:
        """Remove all faults."""
        self._all.clear()

    def meet(self, call: Call, *, after: bool) -> Answer | None:
        """Apply the faults that match a call; return the first response of a fault, or None."""
        with self._lock:
            due = []
            for fault in self._all:
                if fault.after is after and fault.matches(call):
                    fault.met += 1
                    if fault.on in {None, fault.met}:
                        due.append(fault)
        for fault in due:
            if (answer := fault.happen(call)) is not None:
                return answer
        return None


def _matches(operation: str, *, region: str = "", changing: bool = False) -> Callable[[Call], bool]:
    """Return a function that tells whether a call matches operation, region and kind.

    "" matches every operation or region; with `changing`, only calls that change a resource match.
    """
    return lambda call: (
        operation in {"", call.operation}
        and region in {"", call.region}
        and (call.changes or not changing)
    )


def answer(parsed: Mapping[str, Any], status: int = 200) -> Answer:
    """Return a response of AWS with this parsed content."""
    metadata = {"HTTPStatusCode": status, "RetryAttempts": 0}
    return AWSResponse("", status, {}, None), {"ResponseMetadata": metadata, **parsed}


def error(code: str, message: str, status: int = 400) -> Answer:
    """Return an error response of AWS."""
    return answer({"Error": {"Code": code, "Message": message}}, status)
