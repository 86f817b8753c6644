"""Route 53's queries: status and tags of health checks, and the DNS answer for a name."""

import re
from typing import Any
from xml.etree.ElementTree import Element, SubElement, fromstring

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private
from tools.local_aws.emulator.route53 import dns_answer, health_status, hosted_zones

_STATUS = re.compile(r"/healthcheck/([^/]+)/(status|lastfailurereason)$")
_TAGS = re.compile(r"/tags/(healthcheck|hostedzone)$")
_ANSWER = re.compile(r"/testdnsanswer$")
_TAGGED_AT_ONCE = 10
"""Maximum number of resources in one call (AWS, Amazon Route 53 API Reference,
ListTagsForResources)."""
_CHECKER = ("eu-west-1", "192.0.2.53")
"""Region and address of the only health checker of the local AWS."""

_r53 = ministack.route53


def _health_check_status(check_id: str, asked: str) -> Any:
    """Answer GetHealthCheckStatus and GetHealthCheckLastFailureReason."""
    check = ministack.health_checks.get(check_id)
    if check is None:
        message = f"No health check exists with the specified ID {check_id}."
        raise hosted_zones.fault("NoSuchHealthCheck", message, status=404)
    if check["config"]["Type"] == "CALCULATED":
        # Route 53 refuses this call for calculated health checks (AWS, Route 53 API,
        # GetHealthCheckStatus).
        message = "GetHealthCheckStatus does not support calculated health checks"
        raise hosted_zones.fault("InvalidInput", message)
    result = health_status.of_check(check_id)
    name = "GetHealthCheckStatus" if asked == "status" else "GetHealthCheckLastFailureReason"

    def build(root: Element) -> None:
        observations = SubElement(root, "HealthCheckObservations")
        if result.healthy and asked != "status":
            return
        item = SubElement(observations, "HealthCheckObservation")
        SubElement(item, "Region").text, SubElement(item, "IPAddress").text = _CHECKER
        report = SubElement(item, "StatusReport")
        word = "Success" if result.healthy else "Failure"
        SubElement(report, "Status").text = f"{word}: {result.reason}"
        SubElement(report, "CheckedTime").text = private(_r53, "_now_iso")()

    return private(_r53, "_xml_response")(f"{name}Response", build)


def _tags_of_several(kind: str, body: bytes) -> Any:
    """Answer ListTagsForResources."""
    ids = [item.text or "" for item in fromstring(body).iter() if item.tag.endswith("ResourceId")]  # noqa: S314 - the SDK of a test has written the body
    if not 1 <= len(ids) <= _TAGGED_AT_ONCE:
        message = f"ResourceIds must have 1 to {_TAGGED_AT_ONCE} items"
        raise hosted_zones.fault("InvalidInput", message)
    for id_ in ids:
        if kind == "healthcheck" and id_ not in ministack.health_checks:
            message = f"No health check exists with the specified ID {id_}."
            raise hosted_zones.fault("NoSuchHealthCheck", message, status=404)

    def build(root: Element) -> None:
        sets = SubElement(root, "ResourceTagSets")
        for id_ in ids:
            item = SubElement(sets, "ResourceTagSet")
            SubElement(item, "ResourceType").text = kind
            SubElement(item, "ResourceId").text = id_
            tags = SubElement(item, "Tags")
            for key, value in ministack.route53_tags.get((kind, id_), {}).items():
                tag = SubElement(tags, "Tag")
                SubElement(tag, "Key").text, SubElement(tag, "Value").text = key, value

    return private(_r53, "_xml_response")("ListTagsForResourcesResponse", build)


def _test_dns_answer(parameters: dict[str, list[str]]) -> Any:
    """Answer TestDNSAnswer."""
    given = {key: "".join(values) for key, values in parameters.items()}
    zone = hosted_zones.zone(given.get("hostedzoneid", ""))
    if zone["private"]:
        raise hosted_zones.fault("InvalidInput", "TestDNSAnswer supports public hosted zones only")
    name, kind = f"{given.get('recordname', '').rstrip('.')}.".lower(), given.get("recordtype", "")
    exists = dns_answer.exists(zone["id"], name)
    records = dns_answer.in_zone(zone["id"], name, kind)

    def build(root: Element) -> None:
        SubElement(root, "Nameserver").text = "ns-1.local-aws.example"
        SubElement(root, "RecordName").text = name
        SubElement(root, "RecordType").text = records.kind if records else kind
        data = SubElement(root, "RecordData")
        for value in records.values if records else ():
            SubElement(data, "RecordDataEntry").text = value
        SubElement(root, "ResponseCode").text = "NOERROR" if exists else "NXDOMAIN"
        SubElement(root, "Protocol").text = "UDP"

    return private(_r53, "_xml_response")("TestDNSAnswerResponse", build)


def install() -> None:
    """Replace MiniStack's answers to the calls of this module."""
    others = private(_r53, "handle_request")

    async def handled(method: str, path: str, headers: Any, body: bytes, parameters: Any) -> Any:
        try:
            if method == "GET" and (request := _STATUS.search(path)):
                return _health_check_status(*request.groups())
            if method == "POST" and (request := _TAGS.search(path)):
                return _tags_of_several(request[1], body)
            if method == "GET" and _ANSWER.search(path):
                return _test_dns_answer(parameters)
        except AwsError as fault:
            return private(_r53, "_error_response")(fault.code, fault.message, fault.status)
        return await others(method, path, headers, body, parameters)

    ministack.replace(_r53, "handle_request", handled)
