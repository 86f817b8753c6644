"""Breakages of a configuration: wrong settings of a failover."""

from tests.environment.breakages.breakage import FAILOVER, Breakage, Paths, of_failover
from tests.support.configurations import Data


def failover_to_nobody(data: Data) -> Paths | None:
    if "failover" not in data:
        return None
    data["failover"]["secondary"] = "nobody"
    return ((*FAILOVER, "secondary"),)


def failover_from_nobody(data: Data) -> Paths | None:
    if "failover" not in data:
        return None
    data["failover"]["primary"] = "nobody"
    return ((*FAILOVER, "primary"),)


def failover_to_itself(data: Data) -> Paths | None:
    if "failover" not in data:
        return None
    data["failover"]["secondary"] = data["failover"]["primary"]
    return ((*FAILOVER, "secondary"),)


BREAKAGES: tuple[Breakage, ...] = (
    of_failover("record", "de nodo"),
    of_failover("record", "denodo.example.com"),
    of_failover("zone", {"id": "/hostedzone/Z1", "name": "example.com"}),
    of_failover("zone", {"id": "Z1", "name": "example.com."}),
    of_failover("health", "always"),
    of_failover("control", "auto"),
    of_failover("ttl", -1),
    of_failover("interval", 20),
    of_failover("threshold", 11),
    of_failover("secondary_health", "no"),
    of_failover("region", "Europe"),
    of_failover("account", 1),
    of_failover("switch_namespace", "AWS/Denodo"),
    of_failover("switch_namespace", "denodo*"),
    failover_to_nobody,
    failover_from_nobody,
    failover_to_itself,
)
