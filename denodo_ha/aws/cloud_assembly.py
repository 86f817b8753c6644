"""The stacks in cloud assemblies, the output folders of `cdk synth` (such as `cdk.out`)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from denodo_ha.aws.template_document import LIMITS, Template, read_template_file
from denodo_ha.cli.errors import UsageError
from denodo_ha.environment.full_command import cdk_command
from denodo_ha.environment.loading.bounded_document import DocumentError, load_json
from denodo_ha.environment.loading.text_file import UnreadableFileError, read_text_file

_MANIFEST = "manifest.json"
_TEMPLATE_SUFFIX = ".template.json"
_FILES_SUFFIX = ".assets.json"
_STACK_TYPE = "aws:cloudformation:stack"
_ASSEMBLY_TYPE = "cdk:cloud-assembly"
_ENVIRONMENT = re.compile(r"aws://([^/]+)/(.+)")
_ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-\d)[a-z]")


@dataclass(frozen=True)
class SynthesisedStack:
    """A synthesised template, with the account and region of its stack.

    Attributes:
        name: the stack's name; for a single template file, the file's name.
        region: the region, or the stack's name if the region is not known.
        account: the account, empty if it is not known.
        template: the content of the template.
        file: the template's file, None if the template was not read from a file.
    """

    name: str
    region: str
    account: str
    template: Template = field(repr=False)
    file: Path | None = None

    @cached_property
    def resources(self) -> Mapping[str, Any]:
        """The resources by logical id, without entries that are not resources."""
        return {
            id_: resource
            for id_, resource in self.template["Resources"].items()
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        }


def read_templates(folder: Path) -> dict[str, Template]:
    """Return the templates of a cloud assembly by stack name.

    Raises:
        UsageError: The folder is not the output of cdk synth.
    """
    return {stack.name: _synthesised(stack) for stack in _read_assembly(folder)}


def _synthesised(stack: SynthesisedStack) -> Template:
    for id_, resource in stack.template["Resources"].items():
        is_resource = isinstance(resource, dict) and isinstance(resource.get("Type"), str)
        if not is_resource and not str(id_).startswith("Fn::"):
            message = (
                f"{stack.file}: is not the output of cdk synth, because {id_} of Resources has no "
                "Type; write the folder again with "
                f"`{_synth((stack.file or Path()).parent)}`"
            )
            raise UsageError(message)
    return stack.template


def read_stacks(paths: Iterable[Path]) -> tuple[SynthesisedStack, ...]:
    """Return the stacks of cloud assemblies and of single template files, in their order.

    Raises:
        UsageError: A path is neither a cloud assembly nor a template, two stacks have the same
            name, or there is no stack.
    """
    stacks = [
        stack
        for path in paths
        for stack in (_read_assembly(path) if path.is_dir() else [_read_file(path)])
    ]
    names = [stack.name for stack in stacks]
    for name in names:
        if names.count(name) > 1:
            message = f"{name}: two of the given stacks have this name; give only one of the two"
            raise UsageError(message)
    if not stacks:
        message = (
            "the given paths contain no stack; write a folder with stacks with "
            f"`{_synth(Path('cdk.out'))}`"
        )
        raise UsageError(message)
    return tuple(stacks)


def _synth(folder: Path) -> str:
    """Return the command, for error messages, that writes a cloud assembly."""
    return cdk_command("synth", "--output", str(folder))


def _read_assembly(folder: Path, parents: tuple[Path, ...] = ()) -> Iterator[SynthesisedStack]:
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        message = (
            f"{folder}: has no {_MANIFEST}, so the folder is not the output of cdk synth; write "
            f"the folder with `{_synth(folder)}`"
        )
        raise UsageError(message)
    if folder.resolve() in parents:
        message = (
            f"{manifest}: the folder names itself as a part of itself, so the folder is not the "
            f"output of cdk synth; write the folder again with `{_synth(folder)}`"
        )
        raise UsageError(message)
    try:
        artifacts = load_json(read_text_file(manifest, LIMITS.size), LIMITS)["artifacts"]
        for name, artifact in artifacts.items():
            settings = artifact.get("properties", {})
            if artifact["type"] == _ASSEMBLY_TYPE:
                inner = folder / settings["directoryName"]
                yield from _read_assembly(inner, (*parents, folder.resolve()))
            if artifact["type"] == _STACK_TYPE:
                file = folder / settings["templateFile"]
                environment = artifact.get("environment", "")
                yield _stack(settings.get("stackName", name), environment, file)
    except DocumentError as error:
        message = (
            f"{manifest}{error.suffix}: is not the output of cdk synth ({error.what}); write the "
            f"folder again with `{_synth(folder)}`"
        )
        raise UsageError(message) from None
    except (UnreadableFileError, KeyError, TypeError, AttributeError) as error:
        message = (
            f"{manifest}: is not the output of cdk synth ({error!r}); write the folder again with "
            f"`{_synth(folder)}`"
        )
        raise UsageError(message) from None


def _read_file(file: Path) -> SynthesisedStack:
    name = file.name.removesuffix(file.suffix).removesuffix(".template")
    return _stack(name, "", file)


def _stack(name: str, environment: str, file: Path) -> SynthesisedStack:
    template = read_template_file(file)
    match = _ENVIRONMENT.fullmatch(environment)
    account, region = match.groups() if match else ("", "")
    if not region or region.startswith("unknown-"):
        region = _region_of_zones(template) or name
    return SynthesisedStack(
        name, region, "" if account.startswith("unknown-") else account, template, file
    )


def _region_of_zones(template: Template) -> str | None:
    """Return the region of the Availability Zones in a template."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties") if isinstance(resource, dict) else None
        zone = properties.get("AvailabilityZone") if isinstance(properties, dict) else None
        match = _ZONE.fullmatch(zone) if isinstance(zone, str) else None
        if match:
            return match.group(1)
    return None


def read_file_asset(stack: SynthesisedStack, name: str) -> str | None:
    """Return the text of a file that the deploy of a stack publishes, None if it cannot be read.

    Args:
        stack: the stack, whose folder contains a manifest of its files.
        name: object key of the file in the CDK's bucket.
    """
    if stack.file is None:
        return None
    manifest = stack.file.with_name(stack.file.name.removesuffix(_TEMPLATE_SUFFIX) + _FILES_SUFFIX)
    try:
        files = load_json(read_text_file(manifest, LIMITS.size), LIMITS)["files"]
        for asset in files.values():
            keys = [destination["objectKey"] for destination in asset["destinations"].values()]
            if name in keys:
                # Use only the last part of the path: the CDK writes assets without folders, and a
                # changed manifest must not make this function read a file outside of the cloud
                # assembly.
                file = stack.file.with_name(Path(asset["source"]["path"]).name)
                return read_text_file(file, LIMITS.size)
    except (DocumentError, UnreadableFileError, KeyError, TypeError, AttributeError, ValueError):
        return None
    return None
