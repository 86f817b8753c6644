"""Cuts: what nothing outside reaches, and what reaches nothing outside.

`PUT /_local/cuts` replaces all cuts, and `{}` ends them:

    {"zones": ["eu-west-1a"], "regions": ["eu-central-1"], "resources": ["i-0…", "arn:…"],
     "alarms": ["NAME"], "checks": ["ID"], "machines": ["i-0…"]}

- A zone or region: its addresses of load balancers accept no connection and are not in DNS, and the
  health checks of its targets fail. A region also reports no metrics, and its endpoint checks fail.
- A resource: an instance, whose network is gone, or a load balancer.
- An alarm, by its name: its metric has no data, also for other alarms. A health check, by its id:
  its status is unhealthy, whatever it monitors.
- A machine, by its instance: EC2's status checks of it fail, as they do in a cut zone.
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
"""Names and ids of what is cut, by kind."""


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
    """Return whether a region is cut, or a zone of the region, or a resource in the zone."""
    return region in STORE["regions"] or zone in STORE["zones"] or resource in STORE["resources"]


def has_no_data(alarm: str) -> bool:
    """Return whether the metric of an alarm is cut off."""
    return alarm in STORE["alarms"]


def is_unhealthy(check: str) -> bool:
    """Return whether a health check is unhealthy, whatever it monitors."""
    return check in STORE["checks"]


def fails_status_checks(region: str, zone: str, instance: str) -> bool:
    """Return whether EC2's status checks of an instance fail because of a cut."""
    return instance in STORE["machines"] or is_cut(region, zone, instance)
