"""The stacks that paths name: cloud assemblies (`cdk.out`) or single template files."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.reading.template_file import read

_MANIFEST = "manifest.json"
_STACK = "aws:cloudformation:stack"
_ASSEMBLY = "cdk:cloud-assembly"
_ENVIRONMENT = re.compile(r"aws://([^/]+)/(.+)")
_ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d)[a-z]")


@dataclass(frozen=True)
class Stack:
    """One template and where it is for.

    Attributes:
        name: the stack's name; a file's is the file's name.
        region: its region. Where nothing says it, the stack's name stands for it.
        account: its account, empty where nothing says it.
        template: the template's data.
    """

    name: str
    region: str
    account: str
    template: Mapping[str, Any] = field(repr=False)

    @property
    def resources(self) -> Mapping[str, Any]:
        """Resources by logical id."""
        found = self.template["Resources"]
        return {id_: one for id_, one in found.items() if isinstance(one, dict) and "Type" in one}


def stacks(paths: Iterable[Path]) -> tuple[Stack, ...]:
    """All stacks of the paths, in their order.

    Raises:
        UsageError: a path is no assembly and no template, or two stacks have one name.
    """
    found = [stack for path in paths for stack in _of(path)]
    names = [stack.name for stack in found]
    for name in names:
        if names.count(name) > 1:
            message = f"{name}: two of the stacks have this name; give one of them"
            raise UsageError(message)
    if not found:
        raise UsageError("there is no stack in these paths; synthesise first")
    return tuple(found)


def _of(path: Path) -> Iterator[Stack]:
    if not path.is_dir():
        yield _from_file(path)
        return
    manifest = path / _MANIFEST
    if not manifest.is_file():
        message = (
            f"{path}: has no {_MANIFEST}, so it is no cdk.out folder; "
            "run `make synth`, or give template files"
        )
        raise UsageError(message)
    yield from _assembly(path, manifest)


def _assembly(folder: Path, manifest: Path) -> Iterator[Stack]:
    try:
        artifacts = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
        for name, artifact in artifacts.items():
            settings = artifact.get("properties", {})
            if artifact["type"] == _ASSEMBLY:
                yield from _of(folder / settings["directoryName"])
            if artifact["type"] == _STACK:
                stack = settings.get("stackName", name)
                template = read(folder / settings["templateFile"])
                yield _stack(stack, artifact.get("environment", ""), template)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{manifest}: is no cloud assembly's manifest ({error!r})"
        raise UsageError(message) from None


def _from_file(file: Path) -> Stack:
    name = file.name.removesuffix(file.suffix).removesuffix(".template")
    return _stack(name, "", read(file))


def _stack(name: str, environment: str, template: Mapping[str, Any]) -> Stack:
    known = _ENVIRONMENT.fullmatch(environment)
    account, region = known.groups() if known else ("", "")
    if not region or region.startswith("unknown-"):
        region = _region(template) or name
    return Stack(name, region, "" if account.startswith("unknown-") else account, template)


def _region(template: Mapping[str, Any]) -> str | None:
    """The region of the zones that the template names."""
    for resource in template["Resources"].values():
        settings = resource.get("Properties") if isinstance(resource, dict) else None
        zone = settings.get("AvailabilityZone") if isinstance(settings, dict) else None
        named = _ZONE.fullmatch(zone) if isinstance(zone, str) else None
        if named:
            return named.group(1)
    return None
