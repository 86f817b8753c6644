"""What was called of AWS, and faults that calls meet.

    cloud.faults.throttle("DescribeTargetHealth", on=2)     # the second such call
    cloud.faults.deny("RegisterTargets")                    # every one
    cloud.faults.interrupt("DeregisterTargets", after=True) # Ctrl-C when it has taken effect
    cloud.faults.interrupt(on=7, changing=True)             # Ctrl-C at the seventh change of all
    cloud.faults.lose("eu-west-1")                          # the region does not answer
    [call.operation for call in cloud.calls.changes]

A fault that is an answer is given after the SDK's own retries, which it does not try: as if all
had been in vain.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError

OURS = "the tests themselves"
"""What the tests' own clients have as user agent: their calls are not noted and meet no fault."""

Answer = tuple[AWSResponse, dict[str, Any]]

_READS = re.compile(r"^(Describe|Get|List|BatchGet|Lookup|Test)")


@dataclass(frozen=True)
class Call:
    """A call of AWS: boto3's name of the service, the operation, its parameters, the region."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str

    @property
    def changes(self) -> bool:
        """Whether it changes something."""
        return _READS.match(self.operation) is None


@dataclass
class Calls:
    """The calls that the code under test has made, in their order."""

    made: list[Call] = field(default_factory=list)

    @property
    def changes(self) -> list[Call]:
        """Those that change something."""
        return [call for call in self.made if call.changes]

    def of(self, operation: str) -> list[Call]:
        """Those of an operation."""
        return [call for call in self.made if call.operation == operation]

    def forget(self) -> None:
        """Begin anew."""
        self.made.clear()


@dataclass
class Fault:
    """What calls meet.

    Attributes:
        matches: which calls.
        on: which of those, counted from 1; None: each.
        happen: gives an answer, or raises.
        after: when the call has taken effect.
        met: how many calls have matched.
    """

    matches: Callable[[Call], bool]
    happen: Callable[[Call], Answer | None]
    on: int | None = None
    after: bool = False
    met: int = 0


class Faults:
    """Faults to come; see the module."""

    def __init__(self) -> None:
        self._all: list[Fault] = []
        self._lock = threading.Lock()

    def throttle(self, operation: str = "", *, on: int | None = None) -> None:
        """AWS has had too many calls."""
        self.answer("Throttling", "Rate exceeded", operation, on=on)

    def expire(self, operation: str = "", *, on: int | None = None) -> None:
        """The credentials have expired."""
        message = "The security token included in the request is expired"
        self.answer("ExpiredToken", message, operation, on=on, status=403)

    def deny(self, operation: str = "", *, on: int | None = None) -> None:
        """The credentials lack the permission."""
        message = "User: arn:aws:sts::111122223333:assumed-role/ops/me is not authorized"
        self.answer("AccessDenied", message, operation, on=on, status=403)

    def miss(
        self, operation: str = "", *, on: int | None = None, code: str = "TargetGroupNotFound"
    ) -> None:
        """What is asked for is not there."""
        self.answer(code, "One or more of them were not found", operation, on=on)

    def break_down(self, operation: str = "", *, on: int | None = None) -> None:
        """AWS has an error of its own."""
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
        """AWS answers with an error."""
        self.add(
            Fault(_matches(operation, region=region), lambda _: error(code, message, status), on)
        )

    def lose(self, region: str) -> None:
        """A region does not answer."""

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
        """Ctrl-C, or another exception, before a call or after it has taken effect."""

        def happen(_: Call) -> None:
            raise kind

        self.add(Fault(_matches(operation, changing=changing), happen, on, after))

    def add(self, fault: Fault) -> None:
        """Another fault."""
        self._all.append(fault)

    def heal(self) -> None:
        """No more faults."""
        self._all.clear()

    def meet(self, call: Call, *, after: bool) -> Answer | None:
        """What a call meets."""
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
    """Whether a call is of an operation and in a region, where they are given."""
    return lambda call: (
        operation in {"", call.operation}
        and region in {"", call.region}
        and (call.changes or not changing)
    )


def answer(parsed: Mapping[str, Any], status: int = 200) -> Answer:
    """An answer of AWS."""
    metadata = {"HTTPStatusCode": status, "RetryAttempts": 0}
    return AWSResponse("", status, {}, None), {"ResponseMetadata": metadata, **parsed}


def error(code: str, message: str, status: int = 400) -> Answer:
    """An error that AWS answers."""
    return answer({"Error": {"Code": code, "Message": message}}, status)
