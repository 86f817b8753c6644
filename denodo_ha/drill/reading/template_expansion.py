"""Expansion of templates as in CloudFormation: loops are expanded, nested stacks added.

A loop that cannot be expanded, or a nested template that has no local file, is recorded as unknown:
it may contain any resource.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.aws.template_document import LIMITS, read_template_file
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.notes import ReadingNotes
from denodo_ha.drill.reading.expressions import NestedStack, Resolver
from denodo_ha.drill.reading.values import as_list, as_mapping

NESTED_STACK: Final = "AWS::CloudFormation::Stack"
_APPLICATION: Final = "AWS::Serverless::Application"
_LOOP: Final = "Fn::ForEach::"
_MAX_ITERATIONS: Final = 5_000
"""Maximum number of loop iterations: more than any template with at most 500 resources needs."""
_MAX_NESTING: Final = 8
_MAX_NESTED: Final = 500
_MAX_VALUES: Final = 1_000_000
"""Maximum number of values in a template with expanded loops; real templates have fewer values."""

Stacks = tuple[SynthesisedStack, ...]


def expand_templates(stacks: Stacks, notes: ReadingNotes) -> tuple[Stacks, tuple[NestedStack, ...]]:
    """Return the stacks with expanded loops and with their local nested stacks.

    A template file that is also a nested stack of another stack is read only as the nested stack.
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
        is_too_much = len(parents) >= _MAX_NESTING or len(nested) >= _MAX_NESTED
        if file is None or file in parents or is_too_much:
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
    # The CDK writes the nested template to the parent's folder, and the file's name to the metadata
    # of the resource.
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
        stack.file or stack.name,
    )
    return replace(stack, template=loops.expanded(stack.template))


def _has_loop(template: object) -> bool:
    """Return whether a template has a loop.

    A YAML alias can make a part of the template contain itself: each part is visited only once.
    """
    waiting, seen = [template], {id(template)}
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if any(isinstance(key, str) and key.startswith(_LOOP) for key in value):
                return True
            value = [*value.values()]
        for item in value if isinstance(value, list) else ():
            if isinstance(item, dict | list) and id(item) not in seen:
                seen.add(id(item))
                waiting.append(item)
    return False


class _Loops:
    """Expansion of the loops (Fn::ForEach) of one template.

    Args:
        collection: returns the value of a loop's collection.
        failed: is called with the name of each loop that cannot be expanded.
        origin: the template's file or name.
    """

    def __init__(
        self,
        collection: Callable[[object], object],
        failed: Callable[[str], None],
        origin: Path | str,
    ) -> None:
        self._collection, self._failed, self._origin = collection, failed, origin
        self._iterations, self._values = 0, 0

    def _count(self, depth: int) -> None:
        self._values += 1
        if depth > LIMITS.depth or self._values > _MAX_VALUES:
            message = (
                f"{self._origin}: the loops (Fn::ForEach) of this template make more than "
                f"{_MAX_VALUES} values, or more than {LIMITS.depth} levels: write fewer or smaller "
                "loops"
            )
            raise UsageError(message)

    def expanded(self, value: Any, depth: int = 0) -> Any:
        """Return a value with all loops in it expanded.

        Raises:
            UsageError: The result is too large, or contains itself.
        """
        self._count(depth)
        if isinstance(value, list):
            return [self.expanded(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        result: dict[Any, Any] = {}
        for key, item in value.items():
            if isinstance(key, str) and key.startswith(_LOOP):
                for body in self._bodies(key.removeprefix(_LOOP), item):
                    result |= self.expanded(body, depth + 1)
            else:
                result[key] = self.expanded(item, depth + 1)
        return result

    def _bodies(self, name: str, loop: object) -> Iterator[dict[str, Any]]:
        """Yield the body of an `Fn::ForEach` loop for each item of the loop's collection."""
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
            yield self._substituted(body, identifier, str(item), 0)

    def _substituted(self, value: Any, identifier: str, item: str, depth: int) -> Any:
        """Return a loop's body in which one item replaces `${Name}`, `&{Name}` and `Ref`.

        `&{Name}` is for logical ids: only the letters and digits of the item replace it.
        """
        self._count(depth)
        if isinstance(value, list):
            return [self._substituted(one, identifier, item, depth + 1) for one in value]
        if isinstance(value, dict):
            if value == {"Ref": identifier}:
                return item
            return {
                self._substituted(key, identifier, item, depth): self._substituted(
                    one, identifier, item, depth + 1
                )
                for key, one in value.items()
            }
        if not isinstance(value, str):
            return value
        letters = "".join(letter for letter in item if letter.isalnum())
        return value.replace(f"${{{identifier}}}", item).replace(f"&{{{identifier}}}", letters)
