"""States of the environment in which rows of the fault matrix begin, besides the deployed state."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from tests.faults.site import PRIMARY, Site
from tests.support import pinned_template

NODE: Final = "node1"
ZONE: Final = "eu-west-1a"
_TYPES: Final = {"m7i.xlarge": "m7i.2xlarge", "m7i.2xlarge": "m7i.xlarge"}


def _drained(site: Site) -> None:
    site.take_out(PRIMARY, NODE)


def _stale(site: Site) -> None:
    site.agents.make_stale(PRIMARY, NODE)


def _other_type(site: Site) -> None:
    """Configure an instance type for one node that differs from the deployed type."""
    template = site.templates[f"{site.loaded.environment.name}-{PRIMARY}"]
    deployed = pinned_template.node_properties(template)[NODE]["InstanceType"]
    data = json.loads(site.text)
    data["clusters"][PRIMARY]["nodes"][NODE]["instance"] = {"type": _TYPES[deployed]}
    site.file.write_text(json.dumps(data))


def _shifted(site: Site) -> None:
    site.shift(ZONE)


BEFORE: Final[Mapping[str, Callable[[Site], None]]] = {
    "enable": _drained,
    "roll": _stale,
    "rollout": _other_type,
    "shift --back": _shifted,
}
"""Preparation for the row of a command, by the first words of the row's arguments."""


def prepare(site: Site, arguments: tuple[str, ...]) -> None:
    """Bring the environment into the state in which a row's command starts."""
    site.restore()
    for begin, preparation in BEFORE.items():
        words = tuple(begin.split())
        if arguments[: len(words)] == words:
            site.touch()
            preparation(site)
