"""Cuts: parts of AWS that are cut off from the network, in both directions.

`PUT /_local/cuts` replaces all cuts, and `{}` ends them:

    {"zones": ["eu-west-1a"], "regions": ["eu-central-1"], "resources": ["i-0…", "arn:…"],
     "alarms": ["NAME"], "checks": ["ID"], "machines": ["i-0…"]}

- A zone or region: the addresses of load balancers in it accept no connection and are not in DNS,
  and the health checks of targets in it fail. A region also reports no metrics, and endpoint checks
  of its load balancers and instances fail.
- A resource: an instance or a load balancer, which has no network.
- An alarm, by its name: the alarm's metric has no data, neither for this alarm nor for others.
- A health check, by its id: its status is unhealthy, whatever the check monitors.
- A machine, by its instance: EC2's status checks of the instance fail, as in a cut-off zone.
"""

from typing import Any

from tools.local_aws.emulator.errors import InvalidRequestError

STORE: dict[str, list[str]] = {
    "zones": [],
    "regions": [],
    "resources": [],
    "alarms": [],
    "checks": [],
    "machines": [],
}
"""Names and ids of all that is cut off, by kind."""


def put(settings: Any) -> dict[str, list[str]]:
    """Replace all cuts.

    Raises:
        InvalidRequestError: the settings are not lists of names.
    """
    cuts: dict[str, list[str]] = {kind: [] for kind in STORE}
    for kind, names in settings.items():
        if kind not in STORE or not isinstance(names, list):
            message = f"{kind!r}: write a list of names or ids for each of {', '.join(STORE)}"
            raise InvalidRequestError(message)
        cuts[kind] = sorted({str(name) for name in names})
    STORE.update(cuts)
    return STORE


def is_cut(region: str, zone: str = "", resource: str = "") -> bool:
    """Return whether a region is cut off, or the given zone or resource in the region."""
    return region in STORE["regions"] or zone in STORE["zones"] or resource in STORE["resources"]


def has_no_data(alarm: str) -> bool:
    """Return whether a cut of an alarm leaves the alarm's metric without data."""
    return alarm in STORE["alarms"]


def is_unhealthy(check: str) -> bool:
    """Return whether a cut makes a health check unhealthy, whatever the check monitors."""
    return check in STORE["checks"]


def fails_status_checks(region: str, zone: str, instance: str) -> bool:
    """Return whether EC2's status checks of an instance fail because of a cut."""
    return instance in STORE["machines"] or is_cut(region, zone, instance)
