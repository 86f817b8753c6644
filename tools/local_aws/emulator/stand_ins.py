"""Stand-ins: servers on this machine that answer in place of an instance.

An instance of the local AWS runs no programs. `PUT /_local/stand-ins/INSTANCE` with `{"address":
"127.0.0.2"}` sets the address of its stand-in, and `"ports": {"9999": 40123}` the stand-in's port
for a port of the instance, if the two differ. From then on, the health checks of target groups
connect to the stand-in. Without a stand-in, the health depends on the instance's state only. With
`"commands": 40124`, commands of Systems Manager are sent to that port
(`tools.local_aws.emulator.ssm.commands`).
"""

from ipaddress import ip_address
from typing import Any

from tools.local_aws.emulator.errors import InvalidRequestError

Endpoint = tuple[str, int]

STORE: dict[str, dict[str, Any]] = {}
"""Stand-ins by instance id."""


def put(instance_id: str, settings: Any) -> dict[str, Any]:
    """Store the stand-in of an instance.

    Raises:
        InvalidRequestError: the settings have no loopback address.
    """
    if not isinstance(settings, dict) or "address" not in settings:
        message = 'the address of the stand-in is missing: {"address": "127.0.0.2"}'
        raise InvalidRequestError(message)
    address = settings["address"]
    if not ip_address(address).is_loopback:
        message = f"a stand-in must be on this machine, and {address} is not a loopback address"
        raise InvalidRequestError(message)
    ports = {str(int(port)): int(actual) for port, actual in (settings.get("ports") or {}).items()}
    commands_port = {"commands": int(settings["commands"])} if settings.get("commands") else {}
    STORE[instance_id] = {"address": address, "ports": ports, **commands_port}
    return STORE[instance_id]


def endpoint(instance_id: str, port: int) -> Endpoint | None:
    """Return the endpoint that answers for a port of an instance, None without a stand-in."""
    stand_in = STORE.get(instance_id)
    if stand_in is None:
        return None
    return stand_in["address"], int(stand_in["ports"].get(str(port), port))


def commands_endpoint(instance_id: str) -> Endpoint | None:
    """Return the endpoint for Systems Manager commands, None if the instance accepts none."""
    stand_in = STORE.get(instance_id, {})
    return (stand_in["address"], stand_in["commands"]) if "commands" in stand_in else None
