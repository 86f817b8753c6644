"""SendCommand: the script of a document is sent to the stand-in of each instance.

A stand-in is a local server that acts for an instance (`emulator.stand_ins`). It receives commands
on the port of its setting `"commands"`, by POST with the content `{"document": …, "parameters": …,
"script": …, "timeout": seconds}`. The parameters are already inserted into the script. The answer
is `{"code": 0, "output": "", "error": ""}`.
"""

import http.client
import json
import re
import threading
import time
import uuid
from typing import Any

from tools.local_aws.emulator import ministack, stand_ins
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.errors import AwsError

invocations = ministack.AccountRegionScopedDict()

_OUTPUT, _ERROR = 24_000, 8_000
"""Maximum characters of output and of errors that GetCommandInvocation returns (AWS,
GetCommandInvocation)."""
_GRACE_S = 30
_DELIVERY_S = 3600
"""Default of TimeoutSeconds, within which a command must arrive at the instance (AWS,
SendCommand)."""


def _fault(code: str, message: str) -> AwsError:
    return AwsError(code, message, service="Ssm")


def send(asked: dict[str, Any], document: ministack.Record) -> dict[str, Any]:
    """Answer SendCommand for instances that are given by their ids."""
    content = json.loads(document["Content"])
    given = _parameters(content.get("parameters", {}), asked.get("Parameters") or {})
    ids = asked.get("InstanceIds") or []
    for id_ in ids:
        instance = ministack.instances.get(id_)
        running = instance is not None and instance["State"]["Name"] == "running"
        if not running or not stand_ins.accepts_commands(id_):
            raise _fault("InvalidInstanceId", f"Instances [[{id_}]] not in a valid state")
    command = str(uuid.uuid4())
    (step,) = content["mainSteps"]
    script = "\n".join(_filled(line, given) for line in step["inputs"]["runCommand"])
    timeout = float(_filled(str(step["inputs"].get("timeoutSeconds", "3600")), given))
    for id_ in ids:
        description = {
            "CommandId": command,
            "InstanceId": id_,
            "DocumentName": document["Name"],
            "Status": "InProgress",
            "StatusDetails": "InProgress",
            "ResponseCode": -1,
            "StandardOutputContent": "",
            "StandardErrorContent": "",
        }
        invocations[f"{command} {id_}"] = description
        details = {
            "document": document["Name"],
            "parameters": given,
            "script": script,
            "timeout": timeout,
            "delivery": float(asked.get("TimeoutSeconds") or _DELIVERY_S),
        }
        threading.Thread(target=_run, args=(description, id_, details), daemon=True).start()
    return {"Command": {"CommandId": command, "Status": "Pending", "InstanceIds": ids}}


def show(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer GetCommandInvocation."""
    result = invocations.get(f"{asked.get('CommandId')} {asked.get('InstanceId')}")
    if result is None:
        raise _fault("InvocationDoesNotExist", "")
    return dict(result)


def _parameters(declared: dict[str, Any], given: dict[str, list[str]]) -> dict[str, str]:
    """Return the values of the document's parameters, after the checks that AWS makes."""
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise _fault("InvalidParameters", f"Parameter {unknown[0]} is not in the document")
    result = {}
    for name, rule in declared.items():
        value = given[name][0] if given.get(name) else rule.get("default")
        if value is None:
            raise _fault("InvalidParameters", f"Parameter {name} has no value")
        allowed, pattern = rule.get("allowedValues"), rule.get("allowedPattern", "")
        if (allowed and value not in allowed) or not re.search(pattern, value):
            raise _fault("InvalidParameters", f"Parameter {name} has a value that is not allowed")
        result[name] = value
    return result


def _filled(text: str, given: dict[str, str]) -> str:
    return re.sub(r"\{\{ *(\w+) *\}\}", lambda match: given[match[1]], text)


def _run(invocation: dict[str, Any], instance_id: str, command: dict[str, Any]) -> None:
    """Send a command to the stand-in of an instance, and store the result."""
    place = stand_ins.commands_endpoint(instance_id)
    if place is None:
        # Wait for the delivery time-out: no event announces that a command has not arrived (AWS,
        # Monitoring commands, "Delivery Timed Out").
        invocation.update(Status="Pending", StatusDetails="Pending")
        time.sleep(CLOCK.real(command["delivery"]))
        invocation.update(Status="TimedOut", StatusDetails="DeliveryTimedOut")
        return
    try:
        connection = http.client.HTTPConnection(*place, timeout=command["timeout"] + _GRACE_S)
        connection.request("POST", "/", json.dumps(command))
        output = json.loads(connection.getresponse().read())
        connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        invocation.update(Status="Failed", StatusDetails="Undeliverable")
        return
    status = "Success" if output["code"] == 0 else "Failed"
    invocation.update(
        ResponseCode=output["code"],
        StandardOutputContent=output["output"][:_OUTPUT],
        StandardErrorContent=output["error"][:_ERROR],
        StatusDetails=status,
    )
    # Set last, because this status tells clients that the other fields are complete.
    invocation["Status"] = status
