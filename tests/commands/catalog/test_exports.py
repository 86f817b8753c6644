"""Manifests of exports: the facts about a site, of this version and of earlier ones."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from denodo_ha.catalog.exports import (
    Certificate,
    InstalledFile,
    LicenseManagerAnswer,
    SiteFacts,
    parse_manifest,
)

DAY = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = {"schema": 1, "at": DAY.isoformat(), "digest": "d", "size": 1}
FACTS: dict[str, Any] = {
    "site_digest": "s",
    "not_compared": ["sales/*"],
    "denodo_update": "8.0 update 20230301",
    "program_version": "abc",
    "encryption_key": "k",
    "files": [{"folder": "lib/x", "file": "a.jar", "sha256": "1"}],
    "certificates": [{"subject": "n", "where": "web", "not_after": "2027-01-01T00:00:00+00:00"}],
    "license_manager": {"host": "lm", "port": 10091, "answered": False, "reason": "refused"},
}


def read(**changes: Any) -> SiteFacts:
    export = parse_manifest("a", json.dumps({**EARLIER, **changes}).encode(), DAY)
    assert (export.error, export.digest) == ("", "d")
    return export.site


def test_a_manifest_of_an_earlier_version_states_nothing() -> None:
    assert read() == SiteFacts()


def test_all_facts() -> None:
    assert read(schema=2, **FACTS) == SiteFacts(
        site_digest="s",
        not_compared=("sales/*",),
        denodo_update="8.0 update 20230301",
        program_version="abc",
        encryption_key="k",
        files=(InstalledFile("lib/x", "a.jar", "1"),),
        certificates=(Certificate("n", "web", datetime(2027, 1, 1, tzinfo=UTC)),),
        license_manager=LicenseManagerAnswer("lm", 10091, answered=False, reason="refused"),
    )


@pytest.mark.parametrize("key", [*FACTS])
@pytest.mark.parametrize("value", [None, 1, [1], [{}], {"port": "x"}, ""])
def test_a_fact_that_is_not_valid_is_unknown(key: str, value: Any) -> None:
    facts = read(**{**FACTS, key: value})
    expected: Any = {"not_compared": ("1",) if value == [1] else (), "encryption_key": None}.get(
        key
    )
    if key == "encryption_key" and value == "":
        expected = ""  # an empty value: the installation has no encryption key of its own
    if key == "not_compared" and value == [{}]:
        expected = ("{}",)
    assert getattr(facts, key) == expected
    others = {name for name in FACTS if name != key}
    assert all(getattr(facts, name) for name in others)
