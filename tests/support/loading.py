"""A valid configuration, edits of it, and the errors of loading."""

from pathlib import Path

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError

BASE = """\
name: test
denodo:
  version: "8.0"
services:
  jdbc: 9999
  web: {port: 9090, sticky: true}
clusters:
  main:
    account: "111122223333"
    region: eu-west-1
    network:
      cidr: 10.0.0.0/16
      zones: [eu-west-1a, eu-west-1b]
    instance: {type: m5.xlarge, image: ami-0123456789abcdef0}
    nodes:
      node1: {zone: eu-west-1a}
      node2: {zone: eu-west-1b}
    balancer:
      kind: nlb
      clients: [10.0.0.0/8]
"""
FILE = "environment.yaml"


def said(content: str | bytes) -> list[str]:
    """Return the errors of loading a file with this content, each without the file's name."""
    file = Path(FILE)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        load(file)
    except ConfigError as error:
        lines = str(error).split("\n")
    else:
        return []
    assert all(line.startswith(f"{FILE}:") for line in lines)
    return [line.removeprefix(f"{FILE}:") for line in lines]


def edited(*edits: tuple[str, str]) -> str:
    """Return the base configuration with texts replaced; each text must occur in the base once."""
    result = BASE
    for old, new in edits:
        assert result.count(old) == 1, old
        result = result.replace(old, new)
    return result


def assert_said(content: str | bytes, *beginnings: str) -> None:
    """Assert that a file has exactly these errors, each of which begins with its expected text."""
    result = said(content)
    assert len(result) == len(beginnings), result
    for line, beginning in zip(result, beginnings, strict=True):
        assert line.startswith(beginning), line
