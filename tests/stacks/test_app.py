"""`app.py` as the CDK CLI starts it: standard error has the errors, or the file's name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.assembly import ROOT
from tests.support.configurations import changed, minimal, write

# Limit of a run of the app, in seconds.
TIMEOUT = 300


def app(folder: Path, **context: str) -> subprocess.CompletedProcess[str]:
    """Run app.py in a folder, with these values in the CDK's context."""
    environment = {
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(folder / "out"),
        # Switch off the validation of templates, which other tests cover.
        "CDK_VALIDATION": "false",
        "JSII_NODE": os.environ["JSII_NODE"],
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": os.environ["JSII_RUNTIME_PACKAGE_CACHE_ROOT"],
        "PATH": os.environ["PATH"],
    }
    return subprocess.run(
        [sys.executable, ROOT / "app.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_broken_file_gives_all_its_errors_and_no_traceback(tmp_path: Path) -> None:
    data = changed(
        minimal(),
        {
            "name": "Dénodo",
            "services/odbc": 9999,
            "clusters/main/regoin": "eu-west-1",
            "clusters/main/nodes/node1/zone": "eu-west-1c",
        },
    )
    write(tmp_path, data)
    done = app(tmp_path, config="environment.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.partition(": is ")[0] for line in done.stderr.splitlines()] == [
        "environment.yaml:1:7: name",
        "environment.yaml:6:9: services.odbc.port",
        "environment.yaml:21:15: clusters.main.nodes.node1.zone",
        "environment.yaml:29:5: clusters.main.regoin",
    ]
    assert not [*tmp_path.glob("out/*.json")]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"confg": "environment.yaml"}, "-c: confg is an unknown context key;"),
        ({"config": "nowhere.yaml"}, "-c config: the file does not exist (nowhere.yaml);"),
        ({"config": "active-pasive"}, "-c config: neither config/active-pasive.yaml nor "),
    ],
)
def test_wrong_choice_is_one_line(tmp_path: Path, context: dict[str, str], message: str) -> None:
    write(tmp_path, minimal())
    done = app(tmp_path, **context)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_right_file_is_named_and_synthesised(tmp_path: Path) -> None:
    write(tmp_path, minimal())
    done = app(tmp_path, config="environment.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "Configuration: environment.yaml\n"
    assert (tmp_path / "out/test-main.template.json").is_file()
