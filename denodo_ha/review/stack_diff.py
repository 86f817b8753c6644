"""The differences between the templates of two revisions, as `cdk diff` prints them."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli.errors import Failed
from denodo_ha.review.base_synthesis import cdk_offline, required_clone, run

_PROCESSES: Final = 2
"""Project default: processes of the CDK CLI at the same time; each takes about 150 MB."""


def stack_differences(
    base: Iterable[SynthesisedStack], new: Iterable[SynthesisedStack]
) -> Iterator[str]:
    """Yield the differences of each stack that is added, removed or changed.

    Raises:
        UsageError: The package was installed without a clone of this project.
        Failed: `cdk diff` failed.
    """
    before = {stack.name: stack for stack in base}
    after = {stack.name: stack for stack in new}
    with ThreadPoolExecutor(max_workers=_PROCESSES) as pool:
        yield from filter(
            None, pool.map(lambda stack: _text(before.get(stack.name), stack), after.values())
        )
    for name, stack in before.items():
        if name not in after:
            yield f"Stack {name}\nGone: {_size(stack)} in {_location(stack)}"


def _text(old: SynthesisedStack | None, new: SynthesisedStack) -> str:
    """Return the difference of a stack between two revisions; empty if there is none."""
    if old is None:
        return f"Stack {new.name}\nNew: {_size(new)} in {_location(new)}"
    return _difference(old, new)


def _difference(old: SynthesisedStack, new: SynthesisedStack) -> str:
    """Return the difference between the old and the new template of a stack; empty if equal."""
    if _location(old) != _location(new):
        move = f"Moved from {_location(old)} to {_location(new)}, and created again: "
        return f"Stack {new.name}\n{move}{_size(new)}"
    if old.template == new.template:
        return ""
    assert old.file is not None  # both stacks were read from cloud assemblies
    assert new.file is not None
    clone = required_clone()
    # Without --exclusively, `cdk diff` would also compare the stacks on which this stack depends
    # with this stack's template. Without --ci, it would print the differences to stderr.
    comparison = ["--exclusively", "--template", str(old.file), "--method", "template", "--ci"]
    app = ["--app", str(new.file.parent)]
    details = run([cdk_offline(clone), "diff", new.name, *comparison, *app], cwd=clone)
    # Return only the body: `cdk diff` prints notes and a heading before it, and the number of
    # stacks after it.
    _, heading, body = details.partition(f"Stack {new.name}\n")
    if not heading:
        message = f"the output of `cdk diff {new.name}` does not contain the stack:\n{details}"
        raise Failed(message)
    return heading + body.partition("\n✨")[0].rstrip()


def _location(stack: SynthesisedStack) -> str:
    return f"aws://{stack.account or 'unknown-account'}/{stack.region}"


def _size(stack: SynthesisedStack) -> str:
    count = len(stack.template.get("Resources", {}))
    return f"{count} resource{'' if count == 1 else 's'}"
