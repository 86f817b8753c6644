"""Quotas: Service Quotas, and the limits of Route 53 and Elastic Load Balancing.

MiniStack has none of these calls. The values are AWS's defaults (AWS CLI Command Reference,
get-service-quota and describe-account-limits; AWS, Amazon Route 53 quotas); `PUT
/_local/quotas/ACCOUNT` with `{"eu-west-1": {"L-1216C47A": 32}}` sets other values.
"""

import json
import re
import uuid
from typing import Any, Final

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.call_faults import (
    Application,
    Receive,
    Send,
    replayed,
    whole_body,
)
from tools.local_aws.emulator.errors import InvalidRequestError

DEFAULTS: Final = {
    "L-1216C47A": 5.0,
    "L-0263D0A3": 5.0,
    "L-0EA8095F": 60.0,
    "L-2AFB9258": 5.0,
    "L-7B6409FD": 40.0,
}
"""AWS's default values by quota code: vCPUs, Elastic IPs, rules of a security group, security
groups of a network interface, DB instances."""
_BALANCERS: Final = {
    "network-load-balancers": 50,
    "target-groups": 3000,
    "listeners-per-network-load-balancer": 50,
    "targets-per-network-load-balancer": 3000,
    "targets-per-availability-zone-per-network-load-balancer": 500,
}
_HEALTH_CHECKS: Final = 200
_CREDENTIAL: Final = re.compile(r"Credential=(\d{12})/\d+/([a-z0-9-]+)/([a-z0-9-]+)/")
_LIMIT: Final = re.compile(r"/accountlimit/(\w+)$")
_NAMESPACES: Final = {
    "elb": "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    "route53": "https://route53.amazonaws.com/doc/2013-04-01/",
}

applied: dict[tuple[str, str], dict[str, float]] = {}
"""Values set with `put`, by account and region, and then by quota code."""


def put(account: str, region: str, values: Any) -> dict[str, float]:
    """Apply quotas in an account and region.

    Raises:
        InvalidRequestError: a value is not a number, or its code is not known.
    """
    if not isinstance(values, dict) or not values.keys() <= DEFAULTS.keys():
        message = (
            'write a number for each quota code, as in {"L-1216C47A": 32}; the codes are '
            f"{', '.join(DEFAULTS)}"
        )
        raise InvalidRequestError(message)
    applied[account, region] = {code: float(value) for code, value in values.items()}
    return applied[account, region]


def with_quotas(application: Application) -> Application:
    """Return an ASGI application that answers calls for quotas.

    `application` answers all other calls.
    """

    async def answered(scope: Any, receive: Receive, send: Send) -> None:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        credential = _CREDENTIAL.search(headers.get("authorization", ""))
        service = credential[3] if credential else ""
        limit = _LIMIT.search(scope["path"]) if service == "route53" else None
        if credential is None or not (
            limit or service in {"servicequotas", "elasticloadbalancing"}
        ):
            await application(scope, receive, send)
            return
        body = await whole_body(receive)
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if service == "servicequotas":
            await _send_json(send, *_quota(credential[1], credential[2], operation, body))
        elif limit:
            await _send_xml(send, _account_limit(limit[1]))
        elif b"Action=DescribeAccountLimits" in body:
            await _send_xml(send, _balancer_limits())
        else:
            await application(scope, replayed(body, receive), send)

    return answered


def _quota(account: str, region: str, operation: str, body: bytes) -> tuple[int, dict[str, Any]]:
    code = str(json.loads(body or b"{}").get("QuotaCode"))
    values = DEFAULTS
    if operation == "GetServiceQuota":
        values = applied.get((account, region), {})
    if code not in values:
        message = f"The request failed because {operation} has no value for the quota {code}"
        return 400, {"__type": "NoSuchResourceException", "Message": message}
    return 200, {"Quota": {"QuotaCode": code, "Value": values[code]}}


def _account_limit(kind: str) -> str:
    count = len(ministack.health_checks)
    return (
        f'<GetAccountLimitResponse xmlns="{_NAMESPACES["route53"]}"><Limit><Type>{kind}</Type>'
        f"<Value>{_HEALTH_CHECKS}</Value></Limit><Count>{count}</Count></GetAccountLimitResponse>"
    )


def _balancer_limits() -> str:
    members = "".join(
        f"<member><Name>{name}</Name><Max>{value}</Max></member>"
        for name, value in _BALANCERS.items()
    )
    return (
        f'<DescribeAccountLimitsResponse xmlns="{_NAMESPACES["elb"]}"><DescribeAccountLimitsResult>'
        f"<Limits>{members}</Limits></DescribeAccountLimitsResult><ResponseMetadata>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></DescribeAccountLimitsResponse>"
    )


async def _send_json(send: Send, status: int, content: dict[str, Any]) -> None:
    await _send(send, status, b"application/x-amz-json-1.1", json.dumps(content))


async def _send_xml(send: Send, content: str) -> None:
    await _send(send, 200, b"text/xml", content)


async def _send(send: Send, status: int, kind: bytes, content: str) -> None:
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content.encode()})
