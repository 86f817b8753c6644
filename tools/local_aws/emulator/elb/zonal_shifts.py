"""Zonal shifts of load balancers (AWS, Amazon Application Recovery Controller API).

MiniStack lacks this service. While a shift takes a zone out, the load balancer's address in that
zone is not in DNS (`zone_health`). With cross-zone load balancing, targets in that zone get no
connections (`forwarding`).
"""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.elb.load_balancers import balancer
from tools.local_aws.emulator.errors import AwsError

_SERVICE = "arc-zonal-shift"
_ENABLED = {"Key": "zonal_shift.config.enabled", "Value": "true"}
_UNITS = {"m": "minutes", "h": "hours"}
_EXPIRES_IN = re.compile(r"([1-9][0-9]*)([mh])")
"""Pattern of `expiresIn` (AWS, ARC API, StartZonalShift)."""

shifts = ministack.AccountRegionScopedDict()


def _fault(code: str, message: str, status: int) -> AwsError:
    return AwsError(code, message, service="ArcZonalShift", status=status)


def _expiry(given: dict[str, Any]) -> float:
    match = _EXPIRES_IN.fullmatch(str(given.get("expiresIn", "")))
    if match is None:
        raise _fault("ValidationException", "expiresIn is not valid", 400)
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    return (datetime.now(UTC) + duration).timestamp()


def _active(resource: str = "") -> list[dict[str, Any]]:
    now = datetime.now(UTC).timestamp()
    return [
        shift
        for shift in shifts.values()
        if shift["status"] == "ACTIVE"
        and shift["expiryTime"] > now
        and resource in {"", shift["resourceIdentifier"]}
    ]


def zones_away(arn: str) -> set[str]:
    """Return the ids of the zones that a zonal shift takes out of a load balancer's DNS name."""
    return {str(shift["awayFrom"]) for shift in _active(arn)}


def _start(given: dict[str, Any]) -> dict[str, Any]:
    arn = str(given.get("resourceIdentifier", ""))
    balancer(arn)
    if _ENABLED not in ministack.load_balancer_attributes.get(arn, []):
        raise _fault("ResourceNotFoundException", "The resource is not managed", 404)
    if _active(arn):
        raise _fault("ConflictException", "A zonal shift is active for the resource", 409)
    id_ = str(uuid.uuid4())
    shifts[id_] = {
        "zonalShiftId": id_,
        "resourceIdentifier": arn,
        "awayFrom": given["awayFrom"],
        "startTime": datetime.now(UTC).timestamp(),
        "expiryTime": _expiry(given),
        "status": "ACTIVE",
        "comment": given["comment"],
    }
    return dict(shifts[id_])


def _change(id_: str, changes: dict[str, Any]) -> dict[str, Any]:
    if id_ not in {shift["zonalShiftId"] for shift in _active()}:
        raise _fault("ResourceNotFoundException", "There is no active zonal shift", 404)
    shifts[id_] = {**shifts[id_], **changes}
    return dict(shifts[id_])


def _answer(method: str, path: str, body: bytes, query: dict[str, Any]) -> dict[str, Any]:
    given = json.loads(body or b"{}")
    id_ = path.rpartition("/")[2]
    match method:
        case "GET":
            resource = query.get("resourceIdentifier", "")
            return {"items": _active(resource[0] if isinstance(resource, list) else resource)}
        case "POST":
            return _start(given)
        case "PATCH":
            comment = {"comment": given["comment"]} if "comment" in given else {}
            return _change(id_, {**comment, "expiryTime": _expiry(given)})
        case "DELETE":
            return _change(id_, {"status": "CANCELED"})
    raise _fault("ValidationException", f"{method} is not an operation", 400)


async def _handle(
    method: str, path: str, _headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> tuple[int, dict[str, str], bytes]:
    kind = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4())}
    try:
        return 200, kind, json.dumps(_answer(method, path, body, query)).encode()
    except AwsError as refused:
        kind["x-amzn-ErrorType"] = refused.code
        return refused.status, kind, json.dumps({"message": refused.message}).encode()


def install() -> None:
    """Answer the API calls about zonal shifts."""
    ministack.patterns[_SERVICE] = {"credential_scope": _SERVICE}
    ministack.services[_SERVICE] = _handle
