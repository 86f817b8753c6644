"""Which server of this machine stands for an instance.

An instance here runs nothing. A stand-in is told by `PUT /_local/stand-ins/INSTANCE` with
`{"address": "127.0.0.2"}`, and where its ports are not the node's own with
`{"address": "127.0.0.2", "ports": {"9999": 40123}}`; from then on the groups' health checks go
there. Without one an instance is as healthy as its state lets it be. With `"commands": 40124` the
commands of Systems Manager go to that port (`tools.local_aws.emulator.commands`).
"""

from ipaddress import ip_address
from typing import Any

from tools.local_aws.emulator.faults import MalformedError

STORE: dict[str, dict[str, Any]] = {}
"""Stand-ins by instance id."""


def put(instance_id: str, told: Any) -> dict[str, Any]:
    """Keep where an instance's stand-in is."""
    if not isinstance(told, dict) or "address" not in told:
        message = 'say where the stand-in is: {"address": "127.0.0.2"}'
        raise MalformedError(message)
    if not ip_address(told["address"]).is_loopback:
        message = f"a stand-in is on this machine, and {told['address']} is no loopback address"
        raise MalformedError(message)
    ports = {str(int(port)): int(real) for port, real in (told.get("ports") or {}).items()}
    taken = {"commands": int(told["commands"])} if told.get("commands") else {}
    STORE[instance_id] = {"address": told["address"], "ports": ports, **taken}
    return STORE[instance_id]


def endpoint(instance_id: str, port: int) -> tuple[str, int] | None:
    """Where an instance's port is on this machine, None without a stand-in."""
    known = STORE.get(instance_id)
    if known is None:
        return None
    return known["address"], int(known["ports"].get(str(port), port))


def commands(instance_id: str) -> tuple[str, int] | None:
    """Where an instance takes commands, None where it takes none."""
    known = STORE.get(instance_id, {})
    return (known["address"], known["commands"]) if "commands" in known else None
