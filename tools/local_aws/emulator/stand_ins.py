"""Stand-ins: servers on this machine that answer in place of an instance.

Without the part `nodes`, an instance of the local AWS runs no programs. `PUT
/_local/stand-ins/INSTANCE` with `{"address": "127.0.0.2"}` sets the address of its stand-in, and
`"ports": {"9999": 40123}` the stand-in's port for a port of the instance, if the two differ. From
then on, the health checks of target groups connect to the stand-in. Without a stand-in, the health
depends on the instance's state only. With `"commands": 40124`, commands of Systems Manager are sent
to that port (`tools.local_aws.emulator.ssm.commands`). With `"commands": "never"`, AWS accepts
commands, but they never arrive, as if the SSM agent had lost its connection. With `"checks":
false`, the stand-in only gets commands, and the health depends on the instance's state, as without
a stand-in.
"""

from ipaddress import ip_address
from typing import Any

from tools.local_aws.emulator import loopback
from tools.local_aws.emulator.errors import InvalidRequestError

Endpoint = tuple[str, int]

NEVER = "never"
"""Value of `"commands"` for an instance to which commands are sent but never arrive."""

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
    commands = settings.get("commands")
    port = {"commands": commands if commands == NEVER else int(commands)} if commands else {}
    checks = {} if settings.get("checks", True) else {"checks": False}
    STORE[instance_id] = {"address": address, "ports": ports, **port, **checks}
    return STORE[instance_id]


def endpoint(instance_id: str, port: int) -> Endpoint | None:
    """Return the endpoint that answers for a port of an instance, None without a stand-in."""
    stand_in = STORE.get(instance_id)
    if stand_in is None or not stand_in.get("checks", True):
        return None
    if loopback.is_shared() and "commands" in stand_in and str(port) not in stand_in["ports"]:
        # A machine without an address of its own has its own ports on the shared address.
        return loopback.endpoint("instance", instance_id, port)
    return stand_in["address"], int(stand_in["ports"].get(str(port), port))


def any_checked() -> bool:
    """Return whether any instance has a stand-in to which health checks connect."""
    return any(stand_in.get("checks", True) for stand_in in STORE.values())


def accepts_commands(instance_id: str) -> bool:
    """Return whether Systems Manager accepts commands for an instance."""
    return "commands" in STORE.get(instance_id, {})


def commands_endpoint(instance_id: str) -> Endpoint | None:
    """Return the endpoint for Systems Manager commands; None if commands never arrive."""
    stand_in = STORE.get(instance_id, {})
    port = stand_in.get("commands", NEVER)
    return None if port == NEVER else (stand_in["address"], port)
