"""The templates as CloudFormation processes them: loops expanded, local nested stacks added.

Whatever cannot be expanded or followed is noted as unknown, because it could contain any resource.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.aws.template_document import read_template_file
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.notes import ReadingNotes
from denodo_ha.drill.reading.expressions import NestedStack, Resolver, as_list, as_mapping

NESTED_STACK: Final = "AWS::CloudFormation::Stack"
_APPLICATION: Final = "AWS::Serverless::Application"
_LOOP: Final = "Fn::ForEach::"
_MAX_ITERATIONS: Final = 5_000
"""More iterations than any template can have: a template has at most 500 resources."""
_MAX_NESTING: Final = 8

Stacks = tuple[SynthesisedStack, ...]


def expand_templates(stacks: Stacks, notes: ReadingNotes) -> tuple[Stacks, tuple[NestedStack, ...]]:
    """Return the stacks with expanded loops and with their local nested stacks.

    A template file that is also a nested stack of another is read as the nested stack only.
    """
    expanded: list[SynthesisedStack] = []
    nested: list[NestedStack] = []
    files: set[Path] = set()
    for stack in stacks:
        whole = _with_loops_expanded(stack, notes)
        expanded.append(whole)
        _add_nested(whole, (), notes, nested, files)
    own = [stack for stack in expanded if not _is_read_as_nested(stack, files)]
    names = {stack.name for stack in own}
    return (*own, *(one.stack for one in nested if one.stack.name not in names)), tuple(nested)


def _is_read_as_nested(stack: SynthesisedStack, files: set[Path]) -> bool:
    return stack.file is not None and stack.file.resolve() in files


def _add_nested(
    parent: SynthesisedStack,
    parents: tuple[Path, ...],
    notes: ReadingNotes,
    nested: list[NestedStack],
    files: set[Path],
) -> None:
    """Add the nested stacks of a stack, with their own nested stacks."""
    for id_, resource in parent.resources.items():
        if resource["Type"] not in (NESTED_STACK, _APPLICATION):
            continue
        file = _local_file(parent, resource)
        key = f"{parent.name}/{id_}"
        if file is None or file in parents or len(parents) >= _MAX_NESTING:
            notes.nested_stack_unknown(key)
            continue
        try:
            template = read_template_file(file)
        except UsageError as error:
            notes.nested_stack_unreadable(key, str(error))
            continue
        child = SynthesisedStack(
            f"{parent.name}-{id_}", parent.region, parent.account, template, file
        )
        child = _with_loops_expanded(child, notes)
        nested.append(NestedStack(parent, id_, child))
        files.add(file)
        _add_nested(child, (*parents, file), notes, nested, files)


def _local_file(parent: SynthesisedStack, resource: Mapping[str, Any]) -> Path | None:
    """Return the local file of a nested stack's template, None if there is none."""
    properties = as_mapping(resource.get("Properties"))
    # The CDK writes the template beside its parent's, and names it in the metadata.
    of_asset = as_mapping(resource.get("Metadata")).get("aws:asset:path")
    location = of_asset or properties.get("TemplateURL") or properties.get("Location")
    if parent.file is None or not isinstance(location, str) or "://" in location:
        return None
    file = (parent.file.parent / location).resolve()
    return file if file.is_file() else None


def _with_loops_expanded(stack: SynthesisedStack, notes: ReadingNotes) -> SynthesisedStack:
    if not _has_loop(stack.template):
        return stack
    resolver = Resolver((stack,))
    loops = _Loops(
        lambda collection: resolver.value(stack, collection),
        lambda name: notes.loop_unknown(stack.name, name),
    )
    return replace(stack, template=loops.expanded(stack.template))


def _has_loop(value: object) -> bool:
    if isinstance(value, dict):
        return any(
            (isinstance(key, str) and key.startswith(_LOOP)) or _has_loop(item)
            for key, item in value.items()
        )
    return isinstance(value, list) and any(map(_has_loop, value))


class _Loops:
    """Expansion of the loops of one template.

    Args:
        collection: returns the value of a loop's collection.
        failed: is called with the name of each loop that cannot be expanded.
    """

    def __init__(
        self, collection: Callable[[object], object], failed: Callable[[str], None]
    ) -> None:
        self._collection, self._failed = collection, failed
        self._iterations = 0

    def expanded(self, value: Any) -> Any:
        """Return a value with all loops in it expanded."""
        if isinstance(value, list):
            return [self.expanded(item) for item in value]
        if not isinstance(value, dict):
            return value
        result: dict[Any, Any] = {}
        for key, item in value.items():
            if isinstance(key, str) and key.startswith(_LOOP):
                for body in self._bodies(key.removeprefix(_LOOP), item):
                    result |= self.expanded(body)
            else:
                result[key] = self.expanded(item)
        return result

    def _bodies(self, name: str, loop: object) -> Iterator[dict[str, Any]]:
        """Yield the body of a loop for each item of its collection."""
        identifier, collection, body = (*as_list(loop), None, None, None)[:3]
        items = self._collection(collection)
        known = isinstance(items, list) and all(isinstance(item, str | int) for item in items)
        if not (isinstance(identifier, str) and isinstance(body, dict) and known):
            self._failed(name)
            return
        for item in as_list(items):
            self._iterations += 1
            if self._iterations > _MAX_ITERATIONS:
                self._failed(name)
                return
            yield _substituted(body, identifier, str(item))


def _substituted(value: Any, identifier: str, item: str) -> Any:
    """Return a loop's body for one item: its `${Identifier}`, `&{Identifier}` and `Ref` replaced.

    `&{Identifier}` is for logical ids: it leaves out all that is neither a letter nor a digit.
    """
    if isinstance(value, list):
        return [_substituted(one, identifier, item) for one in value]
    if isinstance(value, dict):
        if value == {"Ref": identifier}:
            return item
        return {
            _substituted(key, identifier, item): _substituted(one, identifier, item)
            for key, one in value.items()
        }
    if not isinstance(value, str):
        return value
    letters = "".join(letter for letter in item if letter.isalnum())
    return value.replace(f"${{{identifier}}}", item).replace(f"&{{{identifier}}}", letters)
