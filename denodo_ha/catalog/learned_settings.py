"""Settings of a component's database that an operator has entered in Denodo's web form on one node.

The node program reads the keys and replaces the values of the login by placeholders, so that no
password leaves the node. The result is a part of the configuration: `catalog.settings`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Failed, UsageError
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.cluster import read_cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.metadata_stack import COMPONENTS
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.loading.bounded_document import parse_json_answer
from denodo_ha.environment.model.catalog import Component

ACTION: Final = "catalog-settings"
"""Action of the node program that reads the settings."""


@dataclass(frozen=True)
class LearnedSettings:
    """The settings of one component.

    Attributes:
        file: path of the component's file, relative to DENODO_HOME.
        configured: True if the file has the JDBC URL of a PostgreSQL database.
        entries: the values that differ from the project's default settings; None for a default key
            that Denodo's form does not write.
        notes: what an operator should check, without values.
    """

    file: str
    configured: bool
    entries: Mapping[str, str | None]
    notes: tuple[str, ...]


def read_settings(
    aws: Aws, location: StackLocation, node: str, *, clock: Clock
) -> Mapping[str, LearnedSettings]:
    """Return the settings of each component that a node has.

    Raises:
        Refused: The deployed SSM document does not have the action `catalog-settings`.
        Failed: The node does not answer, or its answer cannot be read.
        UsageError: The cluster has no such node.
    """
    agent = NodeAgent(aws, read_cluster(aws, location), clock)
    result = agent.run(node, ACTION, timeout=node_agent.STATUS_S)
    try:
        # If the exit code is not 0, the output is not JSON, and `json.loads` raises ValueError.
        answer = parse_json_answer(result.output)
        return {_component(name): _settings(settings) for name, settings in answer.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        roll = full_command("roll", "--node", node, cluster=location.name)
        message = (
            f"{node} does not report its settings: {node_agent.explain_result(result)}; if the "
            f"node program is of an earlier version than this command, run `{roll}` first"
        )
        raise Failed(message) from None


def chosen(
    settings: Mapping[str, LearnedSettings], node: str, component: str
) -> Mapping[str, LearnedSettings]:
    """Return the settings of one component, or of all if `component` is empty.

    Raises:
        UsageError: The node does not have the component's file.
        Failed: No component's file has the JDBC URL of a PostgreSQL database.
    """
    if component and component not in settings:
        known = ", ".join(settings) or "none"
        message = (
            f"{node} has no settings file of {component}; components with a settings file: {known}"
        )
        raise UsageError(message)
    selected = {component: settings[component]} if component else settings
    if not any(learned.configured for learned in selected.values()):
        notes = [f"{name}: {note}" for name, each in selected.items() for note in each.notes]
        message = "\n".join([f"{node} has no settings of a shared database", *notes])
        raise Failed(message)
    return selected


def as_yaml(settings: Mapping[str, LearnedSettings]) -> str:
    """Return the settings as YAML for a cluster's configuration; empty if all are the defaults."""
    lines = []
    for component, learned in settings.items():
        if learned.entries:
            lines += [
                f"    {component}:",
                f"      file: {_quoted(learned.file)}",
                "      entries:",
                *(f"        {_quoted(key)}: {_quoted(text)}" for key, text in _sorted(learned)),
            ]
    return "\n".join(["catalog:", "  settings:", *lines, ""]) if lines else ""


def _sorted(learned: LearnedSettings) -> list[tuple[str, str | None]]:
    return sorted(learned.entries.items())


def _quoted(text: str | None) -> str:
    """Return a text as a JSON string, which is also valid YAML."""
    return json.dumps(text)


def _component(name: str) -> Component:
    """Return a component's name; raise ValueError for any other text, so that it is not printed."""
    for component in COMPONENTS:
        if name == component:
            return component
    raise ValueError(name)


def _settings(value: Mapping[str, object]) -> LearnedSettings:
    entries, notes = value["entries"], value["notes"]
    if not isinstance(entries, dict) or not isinstance(notes, list):
        raise TypeError
    return LearnedSettings(
        str(value["file"]),
        bool(value["configured"]),
        {str(key): None if text is None else str(text) for key, text in entries.items()},
        tuple(map(str, notes)),
    )
