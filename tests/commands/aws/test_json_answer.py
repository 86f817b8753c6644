"""Every JSON answer of a machine or service results in data or in one kind of error."""

import json
from datetime import UTC, datetime

import pytest

from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.catalog.exports import parse_manifest
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.environment import names
from denodo_ha.environment.loading.bounded_document import ANSWER, parse_json_answer
from denodo_ha.status.haproxy_query import parse_answer

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "text", DEEP, DEEP + "]" * 100_000, '{"a":' * 100_000),
        *("NaN", "[Infinity]", "-Infinity", "1e999", "9" * 5_000),
        "[" * (ANSWER.depth + 1) + "]" * (ANSWER.depth + 1),
        *(b"\xff", " " * (ANSWER.size + 1), "[" + "1," * ANSWER.values + "1]"),
    ],
    ids=range(15),
)
def test_other_texts_are_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_json_answer(text)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "null", '{"a": [1, -2.5, "x"]}', "[" * ANSWER.depth + "]" * ANSWER.depth]
)
def test_json_is_data(text: str) -> None:
    assert parse_json_answer(text) == json.loads(text)


@pytest.mark.parametrize(
    "output", [DEEP, '{"servers": [], "workers": {"old": [], "failed": 1e999}}']
)
def test_an_answer_of_haproxy_that_cannot_be_read_is_no_answer(output: str) -> None:
    proxy = parse_answer("i-1", CommandResult(0, "Success", output, ""))
    assert proxy.servers == ()
    assert "cannot be read" in proxy.unasked


@pytest.mark.parametrize("text", [DEEP, '{"at": "0001-01-01T00:00:00+14:00"}'])
def test_a_manifest_that_cannot_be_read_is_an_error_of_its_export(text: str) -> None:
    assert parse_manifest("node1", text.encode(), datetime.now(UTC)).error


def test_a_drain_tag_outside_of_utc_is_kept_as_text() -> None:
    tag = DrainTag.from_tags({names.DRAINED_TAG: "0001-01-01T00:00:00+14:00 ann disk"})
    assert tag is not None
    assert "ann disk" in str(tag)
