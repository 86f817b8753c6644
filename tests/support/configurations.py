"""Small valid configurations as plain data, changes of them, and their text with positions."""

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import strategies as st

from denodo_ha.environment.loading import yaml_document
from denodo_ha.environment.loading.bounded_document import compose_yaml
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.loading.problem import ConfigError, Problem, Severity

Data = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
Key = tuple[str | int, ...]
Place = tuple[int, int]

ACCOUNT: Final = "111122223333"
OTHER_ACCOUNT: Final = "444455556666"
IMAGE: Final = "ami-0123456789abcdef0"
VPC: Final = "vpc-0123456789abcdef0"
CHECKERS: Final = "pl-0123456789abcdef0"
UUID: Final = "1234abcd-12ab-34cd-56ef-1234567890ab"
POLICY: Final = f"arn:aws:iam::{ACCOUNT}:policy/denodo"

GONE: Final = object()
"""Value in the `changes` of `changed` that removes a key."""


def cluster(
    region: str = "eu-west-1", *, auxiliary: bool = False, block: str = "10.0.0.0/16"
) -> Data:
    """Return settings of a cluster: two nodes in two zones of a created VPC, an internal NLB."""
    nodes: Data = {"node1": {"zone": f"{region}a"}, "node2": {"zone": f"{region}b"}}
    if auxiliary:
        nodes["node1"]["auxiliary_port"], nodes["node2"]["auxiliary_port"] = 19997, 29997
    return {
        "account": ACCOUNT,
        "region": region,
        "network": {"cidr": block, "zones": [f"{region}a", f"{region}b"]},
        "instance": {"type": "m5.xlarge", "image": IMAGE},
        "nodes": nodes,
        "balancer": {"kind": "nlb", "clients": ["10.0.0.0/8"], "deletion_protection": True},
    }


def minimal(version: str = "8.0") -> Data:
    """Return a configuration of one cluster; with version 7.0 its nodes have auxiliary ports."""
    return {
        "name": "test",
        "denodo": {"version": version},
        "services": {"jdbc": 9999},
        "clusters": {"main": cluster(auxiliary=version == "7.0")},
    }


def twins(version: str = "8.0") -> Data:
    """Return a configuration of two clusters in two regions with failover."""
    own = version == "7.0"
    return {
        "name": "test",
        "denodo": {"version": version},
        "services": {"jdbc": 9999},
        "clusters": {
            "main": cluster(auxiliary=own),
            "spare": cluster("us-east-1", auxiliary=own, block="10.1.0.0/16"),
        },
        "failover": {
            "primary": "main",
            "secondary": "spare",
            "zone": {"id": "Z0123456789", "name": "example.com"},
            "record": "denodo",
        },
    }


def subnet(number: int) -> str:
    """Return a well-formed subnet id."""
    return f"subnet-{number:017x}"


def given_network(region: str = "eu-west-1") -> Data:
    """Return settings of a network: an existing VPC with its subnets in two zones."""
    return {
        "vpc": VPC,
        "zones": {
            f"{region}a": {"nodes": subnet(1), "balancer": subnet(2)},
            f"{region}b": {"nodes": subnet(3), "balancer": subnet(4)},
        },
    }


def by_cluster(clusters: Data, service: str, resource: str) -> dict[str, str]:
    """Return by cluster the ARN of a resource in the cluster's account and region."""
    return {
        name: f"arn:aws:{service}:{of['region']}:{of['account']}:{resource}"
        for name, of in clusters.items()
    }


def maps_by_cluster(data: Data) -> list[dict[str, str]]:
    """Return the maps that have an entry for each cluster: certificates and secrets."""
    denodo: Any = data["denodo"]
    result = [
        item.get("tls") for item in data.get("services", {}).values() if isinstance(item, dict)
    ]
    result.append(denodo.get("security_token"))
    result.append(denodo.get("tls", {}).get("secret"))
    metadata = denodo.get("metadata")
    result.append(metadata.get("login") if isinstance(metadata, dict) else None)
    return [item for item in result if isinstance(item, dict)]


def networks(count: int) -> list[str]:
    """Return this number of CIDR blocks of clients."""
    return [f"10.{number}.0.0/16" for number in range(count)]


def changed(data: Data, changes: Mapping[str, Any]) -> Data:
    """Return the data with changes at paths like `clusters/main/region`; missing maps are added."""
    result = copy.deepcopy(data)
    for path, value in changes.items():
        *parents, last = path.split("/")
        owner = result
        for key in parents:
            owner = owner.setdefault(key, {})
        if value is GONE:
            owner.pop(last, None)
        else:
            owner[last] = copy.deepcopy(value)
    return result


@dataclass
class Text:
    """A configuration as YAML text, with the position of each key and scalar.

    The positions are computed without the loader, so that tests can compare them with the loader's
    positions.
    """

    lines: list[str] = field(default_factory=list)
    keys: dict[Key, Place] = field(default_factory=dict)
    scalars: dict[Key, Place] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"

    def places(self, path: Key) -> set[Place]:
        """Return the positions that a message about a path may have: key, value, or the parent."""
        while path and path not in self.keys:
            path = path[:-1]
        return {at for at in (self.keys.get(path, (1, 1)), self.scalars.get(path)) if at}


def text(data: Any) -> Text:
    """Write plain data as YAML: a line for every key and every item."""
    result = Text()
    _write(data, (), "", result)
    return result


def _write(value: Any, path: Key, indent: str, into: Text) -> None:
    if not isinstance(value, dict | list) or not value:
        into.lines.append(indent + _scalar(value))
        into.scalars[path] = len(into.lines), len(indent) + 1
        return
    pairs: Iterable[tuple[str | int, Any]] = (
        value.items() if isinstance(value, dict) else enumerate(value)
    )
    for key, item in pairs:
        here = (*path, key)
        begin = f"{_key(key)}:" if isinstance(key, str) else "-"
        into.lines.append(indent + begin)
        line, column = len(into.lines), len(indent) + 1
        if isinstance(value, list) and isinstance(item, str):
            # A message about a list such as zones can have the item's text, not its index, in its
            # path.
            into.keys[(*path, item)] = line, column + 2
        if isinstance(item, dict | list) and item:
            # An item of a list has no key: its position is where its first line of content starts.
            into.keys[here] = (line, column) if isinstance(key, str) else (line + 1, column + 2)
            _write(item, here, f"{indent}  ", into)
            continue
        into.lines[-1] += f" {_scalar(item)}"
        into.scalars[here] = line, column + len(begin) + 1
        into.keys[here] = (line, column) if isinstance(key, str) else into.scalars[here]


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z][\w.-]*", key, re.ASCII) else _quoted(key)


def _scalar(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(value: str) -> str:
    """Quote a string; characters that JSON and YAML escape differently get numeric escapes."""
    return '"' + "".join(_escaped(item) for item in value) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if " " <= character <= "~" else f"\\U{ord(character):08x}"


def write(folder: Path, data: Any, *, pins: Any = None, name: str = "environment") -> Path:
    """Write a configuration, and its pins if given, to a folder; text is written unchanged."""
    file = folder / f"{name}.yaml"
    beside = folder / f"{name}.pins.yaml"
    file.write_bytes(_bytes(data))
    if pins is None:
        beside.unlink(missing_ok=True)
    else:
        beside.write_bytes(_bytes(pins))
    return file


def _bytes(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else str(text(content))).encode()


def loaded(folder: Path, data: Any, *, pins: Any = None, deploying: bool = True) -> Loaded:
    """Load a configuration."""
    return load(write(folder, data, pins=pins), deploying=deploying)


def errors(folder: Path, data: Any, *, pins: Any = None, deploying: bool = True) -> list[Problem]:
    """Return the errors of loading, in order; empty if the configuration loads."""
    result = findings(folder, data, pins=pins, deploying=deploying)
    return [problem for problem in result if problem.severity is Severity.ERROR]


def findings(folder: Path, data: Any, *, pins: Any = None, deploying: bool = True) -> list[Problem]:
    """Return the errors of loading; if there are none, the warnings and notes."""
    try:
        return list(loaded(folder, data, pins=pins, deploying=deploying).findings)
    except ConfigError as error:
        return list(error.problems)


_composed = lru_cache(maxsize=64)(compose_yaml)


def keep_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all commands of a test process share the nodes of a configuration's text.

    The parser takes a fifth of the time of a short command, and most tests of a file run their
    commands with the same configuration. Commands read nodes, and do not change them.
    """
    monkeypatch.setattr(yaml_document, "compose_yaml", _composed)
