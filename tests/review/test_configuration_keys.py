"""Review of changes of configuration keys: each change for the worse has the expected finding.

Two configurations are synthesised in this process: a base, and the base with all its keys made
worse.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment.facts.review_findings import CATEGORY_OF
from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.review.changes import outcome_findings
from denodo_ha.review.changes.haproxy_changes import file_findings
from denodo_ha.review.changes.outcome_findings import compare_outcomes
from denodo_ha.review.page.markdown_page import markdown_page
from denodo_ha.review.page.page_contents import page_of
from denodo_ha.review.review import Configuration, Review, change_findings, review_stacks
from denodo_ha.review.stack_pair import StackPair, pair_stacks
from tests.review.cluster_keys import CLUSTER_KEYS
from tests.review.configuration_key_rows import (
    BASE,
    Edited,
    Harmless,
    Like,
    OwnCase,
    Seeded,
    Worse,
)
from tests.review.environment_keys import ENVIRONMENT_KEYS
from tests.review.seeded_changes import SEEDS
from tests.support.assembly import ROOT, synthesise
from tests.support.configurations import Data, changed, loaded

TODAY: Final = date(2026, 11, 27)
KEYS: Final = {**ENVIRONMENT_KEYS, **CLUSTER_KEYS}
WORSE: Final = {key: row for key, row in KEYS.items() if isinstance(row, Worse)}
WORSE_CHANGES: Final = {
    path: value for row in WORSE.values() for path, value in row.changes.items()
}
IN_BOTH_DIRECTIONS: Final = {
    *("haproxy-replaced", "database-interrupted"),
    # The reverse change has these findings, too: resources that it adds need permissions, and
    # stricter checks take longer to find some failures.
    *("iam-widened", "failure-worse"),
}
EDITED: Final = {key: row for key, row in KEYS.items() if isinstance(row, Edited)}

Stacks = tuple[SynthesisedStack, ...]
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stacks, Stacks]:
    """Return the stacks of the base, and those with all keys made worse."""

    def read(data: Data) -> Stacks:
        folder = tmp_path_factory.mktemp("keys")
        synthesise(loaded(folder, data), folder / "cdk.out")
        return read_stacks([folder / "cdk.out"])

    return read(BASE), read(changed(BASE, WORSE_CHANGES))


@pytest.fixture(scope="module")
def worse(both: tuple[Stacks, Stacks]) -> Review:
    """Return the review of the change that makes all keys worse."""
    return reviewed(*both)


def reviewed(base: Stacks, new: Stacks) -> Review:
    """Return a review with a short search of event orders, which no key in this module affects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome_findings, "MOST_STATES", 100)
        return review_stacks(base, new, Configuration("prod"), TODAY)


@pytest.mark.parametrize("key", WORSE)
def test_a_worse_value_has_a_finding(key: str, worse: Review) -> None:
    row = WORSE[key]
    named = [item for item in worse.findings if item.name == row.name]
    assert any(row.text in item.text and item.where.endswith(row.part) for item in named), named


def test_the_page_names_all_of_them_in_its_first_lines(worse: Review) -> None:
    top = "\n".join(markdown_page(page_of(worse, "", ())).split("\n")[:5])
    assert {row.name for row in WORSE.values() if row.name not in top} == set()


def test_the_better_direction_has_only_what_both_directions_have(
    both: tuple[Stacks, Stacks],
) -> None:
    base, new = both
    names = {item.name for item in reviewed(new, base).findings}
    assert names - IN_BOTH_DIRECTIONS == set()


@pytest.mark.parametrize("key", EDITED)
def test_an_edit_of_the_templates_has_a_finding(key: str, both: tuple[Stacks, Stacks]) -> None:
    row = EDITED[key]
    base = edited(both[0], row.kind, row.before) if row.before else both[0]
    new = edited(both[0], row.kind, row.edit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcome_findings, "MOST_STATES", 100)
        findings = (
            compare_outcomes(*map(build_model, (base, new))).findings
            if row.name == "failure-worse"
            else change_findings(pair_stacks(base, new))
        )
    assert row.name in {item.name for item in findings}


def test_another_server_of_the_metadata_is_named(both: tuple[Stacks, Stacks]) -> None:
    base, new = (
        tuple(
            replace(stack, template={**stack.template, "Outputs": outputs(host)})
            for stack in both[0]
        )
        for host in ("db1.example.com", "db2.example.com")
    )
    texts = [item.text for item in change_findings(pair_stacks(base, new))]
    assert "the nodes' metadata is on another server: db1.example.com:5432 -> db2" in texts[0]


def outputs(host: str) -> Data:
    return {"CatalogHost": {"Value": host}, "CatalogPort": {"Value": "5432"}}


def test_haproxy_without_tls_is_named(tmp_path: Path) -> None:
    environment = loaded(tmp_path, BASE).environment
    text = render_config(environment, "spare", Host())
    pair = StackPair("test-spare", None, None)

    def named(new: str) -> list[tuple[str, str, str]]:
        return [(item.name, item.where, item.text) for item in file_findings(pair, text, new)]

    plain_nodes = re.sub(r" ssl verify required .*? check-sni \S+", "", text)
    assert [name[:2] for name in named(plain_nodes)] == [("tls-off", "test-spare: web-tls")]
    plain_clients = re.sub(r" ssl crt \S+ alpn \S+", "", plain_nodes)
    assert list(file_findings(pair, plain_clients, text)) == []
    # HAProxy terminated no TLS before the change: it passed the TLS of clients through to the
    # nodes.
    assert [name for name in named(plain_clients) if name[0] == "tls-off"] == []
    clients = [item.text for item in file_findings(pair, plain_nodes, plain_clients)]
    assert clients == ["connections from clients to HAProxy have no TLS any more"]


def test_connections_that_haproxy_no_longer_ends_are_named(tmp_path: Path) -> None:
    text = render_config(loaded(tmp_path, BASE).environment, "spare", Host())
    new = text.replace(" on-marked-down shutdown-sessions", "")
    findings = list(file_findings(StackPair("test-spare", None, None), text, new))
    assert {item.name for item in findings} == {"health-check-weaker"}
    assert {item.where for item in findings} == {"test-spare: jdbc", "test-spare: odbc"}


def test_a_haproxy_file_that_is_missing_is_unknown(both: tuple[Stacks, Stacks]) -> None:
    base, new = (tuple(replace(stack, file=None) for stack in stacks) for stacks in both)
    names = {item.name for item in change_findings(pair_stacks(base, new))}
    assert "haproxy-settings-unknown" in names
    assert "haproxy-timeout-shorter" not in names


def test_a_new_haproxy_file_is_applied_afterwards(worse: Review) -> None:
    commands = [step.command for step in worse.steps]
    assert commands.index("denodo-ha haproxy apply -c prod") > commands.index(
        "npx cdk deploy -c config=prod --all"
    )


def edited(stacks: Stacks, kind: str, edit: Edit) -> Stacks:
    """Return the stacks with edited resources, or with edited desired states."""
    templates = [copy.deepcopy(stack.template) for stack in stacks]
    for resource in (each for template in templates for each in template["Resources"].values()):
        properties = resource.get("Properties", {})
        if resource["Type"] == kind:
            edit(properties)
        if resource["Type"] == "AWS::SSM::Parameter" and not kind:
            properties["Value"] = edited_state(properties["Value"], edit)
    pairs = zip(stacks, templates, strict=True)
    return tuple(replace(stack, template=template) for stack, template in pairs)


def edited_state(value: Any, edit: Edit) -> str:
    """Return a desired state with an edit; references become their JSON without quotes."""
    parts = value["Fn::Join"][1] if isinstance(value, dict) else [value]
    texts = (
        part if isinstance(part, str) else json.dumps(part).replace('"', "'") for part in parts
    )
    state = json.loads("".join(texts))
    edit(state)
    return json.dumps(state)


def test_every_key_of_the_configuration_has_a_row() -> None:
    schema = json.loads((ROOT / "config/schema.json").read_text())
    keys = dict.fromkeys(keys_of(schema, schema["$defs"]))
    assert [key for key in keys if row_of(key) is None] == []
    unknown = [key for key in KEYS if not any(f"{each}.".startswith(f"{key}.") for each in keys)]
    assert unknown == []


def keys_of(node: Mapping[str, Any], types: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of the keys that contain no other keys."""
    if "$ref" in node:
        yield from keys_of(types[node["$ref"].rpartition("/")[2]], types, path)
    for word in ("anyOf", "oneOf", "allOf"):
        for option in node.get(word, ()):
            yield from keys_of(option, types, path)
    for key, value in node.get("properties", {}).items():
        below = f"{path}.{key}" if path else key
        inner = list(keys_of(value, types, below))
        yield from inner or [below]
    maps = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    for inner_type in maps:
        if isinstance(inner_type, dict):
            yield from keys_of(inner_type, types, f"{path}.*")
    if isinstance(node.get("items"), dict):
        yield from keys_of(node["items"], types, path)


def row_of(key: str) -> object:
    """Return the row of a key or of the section that contains the key; None without a row.

    In a section that is `Like` another one, a key has the row of the same key in the other section.
    """
    if key in KEYS:
        return KEYS[key]
    section, _, name = key.rpartition(".")
    while section:
        row = KEYS.get(section)
        if isinstance(row, Like):
            return row_of(f"{row.key}.{name}")
        if row is not None:
            return row
        section, _, last = section.rpartition(".")
        name = f"{last}.{name}"
    return None


def test_rows_refer_to_what_exists() -> None:
    for key, row in KEYS.items():
        match row:
            case Seeded(name):
                assert name in SEEDS, key
            case OwnCase(test):
                assert test in globals(), key
            case Like(other):
                assert any(f"{each}.".startswith(f"{other}.") for each in KEYS), key
            case Harmless(reason):
                assert reason, key
            case Worse() | Edited():
                assert row.name in CATEGORY_OF, key
