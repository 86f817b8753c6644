"""What Route 53 says of health checks, and what it would answer for a name."""

import re
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private
from tools.local_aws.emulator.route53 import health_status, hosted_zones

_STATUS = re.compile(r"/healthcheck/([^/]+)/(status|lastfailurereason)$")
_ANSWER = re.compile(r"/testdnsanswer$")
_CHECKER = ("eu-west-1", "192.0.2.53")
"""Region and address of the one checker that there is here."""

_r53 = ministack.route53


def _status(check_id: str, asked: str) -> Any:
    """GetHealthCheckStatus and GetHealthCheckLastFailureReason."""
    check = ministack.health_checks.get(check_id)
    if check is None:
        message = f"No health check exists with the specified ID {check_id}."
        raise hosted_zones.fault("NoSuchHealthCheck", message, status=404)
    if check["config"]["Type"] == "CALCULATED":
        # AWS, Route 53 API, GetHealthCheckStatus: not for calculated health checks.
        message = "The status of a calculated health check cannot be asked for"
        raise hosted_zones.fault("InvalidInput", message)
    found = health_status.of_check(check_id)
    name = "GetHealthCheckStatus" if asked == "status" else "GetHealthCheckLastFailureReason"

    def build(root: Element) -> None:
        observations = SubElement(root, "HealthCheckObservations")
        if found.healthy and asked != "status":
            return
        one = SubElement(observations, "HealthCheckObservation")
        SubElement(one, "Region").text, SubElement(one, "IPAddress").text = _CHECKER
        report = SubElement(one, "StatusReport")
        word = "Success" if found.healthy else "Failure"
        SubElement(report, "Status").text = f"{word}: {found.reason}"
        SubElement(report, "CheckedTime").text = private(_r53, "_now_iso")()

    return private(_r53, "_xml_response")(f"{name}Response", build)


def _answered(parameters: dict[str, list[str]]) -> Any:
    """TestDNSAnswer."""
    given = {key: "".join(values) for key, values in parameters.items()}
    zone = hosted_zones.zone(given.get("hostedzoneid", ""))
    if zone["private"]:
        raise hosted_zones.fault("InvalidInput", "TestDNSAnswer supports public hosted zones only")
    name, kind = f"{given.get('recordname', '').rstrip('.')}.".lower(), given.get("recordtype", "")
    there = [one for one in ministack.records.get(zone["id"], []) if one["Name"].lower() == name]
    record = _chosen([one for one in there if one["Type"] in (kind, "CNAME")])

    def build(root: Element) -> None:
        SubElement(root, "Nameserver").text = "ns-1.local-aws.example"
        SubElement(root, "RecordName").text = name
        SubElement(root, "RecordType").text = record["Type"] if record else kind
        data = SubElement(root, "RecordData")
        for value in (record or {}).get("ResourceRecords") or []:
            SubElement(data, "RecordDataEntry").text = value
        SubElement(root, "ResponseCode").text = "NOERROR" if there else "NXDOMAIN"
        SubElement(root, "Protocol").text = "UDP"

    return private(_r53, "_xml_response")("TestDNSAnswerResponse", build)


def _chosen(records: list[ministack.Record]) -> ministack.Record | None:
    """The record that is answered: PRIMARY if healthy, else SECONDARY if healthy, else PRIMARY."""
    roles = {one.get("Failover", "PRIMARY"): one for one in records}
    primary, secondary = roles.get("PRIMARY"), roles.get("SECONDARY")
    if primary is None or secondary is None:
        return primary or secondary
    moved = not health_status.of_record(primary) and health_status.of_record(secondary)
    return secondary if moved else primary


def install() -> None:
    """Answer these calls in front of MiniStack's own."""
    others = private(_r53, "handle_request")

    async def handled(method: str, path: str, headers: Any, body: bytes, parameters: Any) -> Any:
        try:
            if method == "GET" and (asked := _STATUS.search(path)):
                return _status(*asked.groups())
            if method == "GET" and _ANSWER.search(path):
                return _answered(parameters)
        except AwsError as fault:
            return private(_r53, "_error_response")(fault.code, fault.message, fault.status)
        return await others(method, path, headers, body, parameters)

    ministack.replace(_r53, "handle_request", handled)
