"""The files that are generated from the configuration's model match the model."""

from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML

from denodo_ha.environment.loading import reference_page
from denodo_ha.environment.loading.reference_examples import EXAMPLES


def test_the_reference_is_current() -> None:
    current = reference_page.FILE.read_text(encoding="utf-8") == reference_page.text()
    assert current, "docs/reference/configuration.md is stale: run `make reference`"


def test_every_block_has_an_example_that_its_model_accepts() -> None:
    paths = [path.partition(", ")[0] for path, _ in reference_page.SECTIONS]
    assert list(EXAMPLES) == paths
    for path, section in zip(paths, dict(reference_page.SECTIONS).values(), strict=True):
        blocks = list(_blocks(YAML(typ="safe").load(EXAMPLES[path]), path))
        assert blocks, path
        for block in blocks:
            section.model_validate(block)


def _blocks(document: Any, path: str) -> Iterator[Any]:
    """Yield the blocks at a path of an example; a name in capitals stands for any name."""
    blocks = [document]
    keys = path.removeprefix("NAME.yaml").rpartition(": ")[2].split(".")
    for key in filter(None, keys):
        name = key.removesuffix("[]")
        blocks = [
            block
            for parent in blocks
            for block in (parent.values() if name.isupper() else [parent[name]])
            if not isinstance(block, int)  # leaves out a service that is only a port
        ]
        if key.endswith("[]"):
            blocks = [item for items in blocks for item in items]
    yield from blocks
