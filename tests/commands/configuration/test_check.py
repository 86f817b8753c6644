"""`denodo-ha check`: errors, warnings and placeholders of a configuration."""

import json
import re
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.environment.loading.placeholders import is_placeholder
from tests.commands.conftest import Run
from tests.support.assembly import EXAMPLES, ROOT
from tests.support.configurations import changed, minimal, write

_VALUE = re.compile(r"(?:\w+-[0-9a-f]{17}|arn:[^\s\"}]+|[0-9]{12}|[^\s\"@{}\[\],]*@?[\w.]+\.com)")


def test_a_valid_file(denodo_ha: Run) -> None:
    done = denodo_ha("check", "-c", "active-passive")
    assert done.exit_code == exit_codes.DONE
    assert done.stderr == ""
    assert "[ack: denodo-ha:no-pins]" in done.stdout
    warnings = done.stdout.count("\nwarning: ") + done.stdout.startswith("warning: ")
    assert done.stdout.endswith(f"active-passive.yaml is valid, with {warnings} warnings\n")
    # For an example itself, `check` does not list the values that users must replace.
    assert "of the examples" not in done.stdout


def test_all_errors_and_no_traceback(denodo_ha: Run, tmp_path: Path) -> None:
    data = changed(minimal(), {"services/odbc": 9999, "clusters/main/regoin": "eu-west-1"})
    file = write(tmp_path, data)
    done = denodo_ha("check", "-c", str(file))
    assert done.exit_code == exit_codes.USAGE
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "services.odbc.port",
        "clusters.main.regoin",
    ]
    assert "is valid" not in done.stdout


def test_json(denodo_ha: Run, tmp_path: Path) -> None:
    file = write(tmp_path, changed(minimal(), {"clusters/main/regoin": "eu-west-1"}))
    done = denodo_ha("check", "-c", str(file), "--format", "json")
    assert done.exit_code == exit_codes.USAGE
    document = json.loads(done.stdout)
    assert document["valid"] is False
    (error,) = (row for row in document["findings"] if row["severity"] == "error")
    assert error["name"] is None
    assert error["message"].startswith(f"{file}:{error['line']}:{error['column']}: clusters.main")


def test_placeholders_of_a_copied_example(denodo_ha: Run, tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    text = (ROOT / "config/examples/active-passive.yaml").read_text()
    file.write_text(text)
    done = denodo_ha("check", "-c", str(file))
    assert done.exit_code == exit_codes.DONE
    assert "is one of several placeholders from the examples" in done.stdout
    assert "111122223333 in line 29" in done.stdout
    file.write_text(f"{text}\naccept: {{placeholder: {{why: local, until: 2999-12-31}}}}\n")
    assert "of the examples" not in denodo_ha("check", "-c", str(file)).stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_values_that_are_marked_yours_are_known_as_placeholders(example: Path) -> None:
    for line in example.read_text().splitlines():
        content, mark, _ = line.partition("# yours")
        for value in _VALUE.findall(content) if mark else ():
            assert is_placeholder(value), line


@pytest.mark.parametrize(
    "value",
    ["ami-0a1b2c3d4e5f60719", "222233334444", "sm.corp.example", "10.0.0.0/8", "Z05112342ABC"],
)
def test_other_values_are_not(value: str) -> None:
    assert not is_placeholder(value)
