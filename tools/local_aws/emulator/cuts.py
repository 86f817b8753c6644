"""Cuts: zones and regions that nothing outside reaches, and that reach nothing outside.

`PUT /_local/cuts` with `{"zones": ["eu-west-1a"], "regions": ["eu-central-1"]}` replaces all cuts;
`{}` ends them. A zone of a region that is cut is cut, too. While a zone is cut, its address of a
load balancer accepts no connection and is not in DNS, and the health checks of its targets fail.
While a region is cut, its metrics also have no data for Route 53, and endpoint checks fail.
"""

from typing import Any

from tools.local_aws.emulator.errors import InvalidRequestError

STORE: dict[str, list[str]] = {"zones": [], "regions": []}
"""Names of the zones and regions that are cut."""


def put(settings: Any) -> dict[str, list[str]]:
    """Replace all cuts.

    Raises:
        InvalidRequestError: the settings are not lists of names.
    """
    cuts: dict[str, list[str]] = {kind: [] for kind in STORE}
    for kind, names in settings.items():
        if kind not in STORE or not isinstance(names, list):
            message = f'{kind}: cuts are {{"zones": [NAME, …], "regions": [NAME, …]}}'
            raise InvalidRequestError(message)
        cuts[kind] = sorted({str(name) for name in names})
    STORE.update(cuts)
    return STORE


def is_cut(region: str, zone: str = "") -> bool:
    """Return whether a region is cut, or a zone of the region."""
    return region in STORE["regions"] or zone in STORE["zones"]
