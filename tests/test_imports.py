"""Each part of the project imports what the design lets it, and stacks read no file."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assembly import ROOT

MAY_IMPORT = {
    "app.py": {"aws_cdk", "config", "stacks"},
    "config": {"config", "pydantic", "pydantic_core", "annotated_types", "ruamel"},
    "stacks": {"aws_cdk", "config", "constructs", "jsii", "stacks"},
    "ops": {"boto3", "botocore", "config", "ops", "rich", "ruamel", "typer"},
    "ops/catalog": {"psycopg"},
    "node": {"node"},
}
"""Besides the standard library; annotated_types and botocore come with what they belong to."""

AWS = {"aws_cdk", "boto3", "botocore", "constructs", "jsii"}
OUTSIDE = {"http", "os", "pathlib", "shutil", "socket", "subprocess", "tempfile", "urllib"}
"""Modules by which a stack could ask the machine or the network."""

ASKING = {
    *("open", "environ", "getenv", "try_get_context", "get_all_context"),
    *("read_text", "read_bytes", "from_lookup", "value_from_lookup"),
}
"""Names by which a construct reads what is not in the configuration: files, context, accounts."""


def files(place: str) -> list[Path]:
    """The sources of a place; none where it does not exist yet."""
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def sources(*places: str) -> list[str]:
    """The sources of places, from the root."""
    return [str(file.relative_to(ROOT)) for place in places for file in files(place)]


def tree(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"), source)


def imported(source: str) -> set[str]:
    """The packages that a source imports, anywhere in it; a relative import is of its own place."""
    found: set[str] = set()
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(Path(source).parts[0] if node.level else str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("source", sorted({*sources(*MAY_IMPORT)}))
def test_imports_what_it_may(source: str) -> None:
    allowed = [MAY_IMPORT[place] for place in MAY_IMPORT if f"{source}/".startswith(f"{place}/")]
    assert imported(source) - sys.stdlib_module_names - set().union(*allowed) == set()


@pytest.mark.parametrize("source", sources("ops/haproxy"))
def test_what_runs_on_haproxy_s_host_needs_nothing(source: str) -> None:
    """Its own folder, by relative imports, and the standard library of Python 3.9."""
    code = ast.parse((ROOT / source).read_text(encoding="utf-8"), source, feature_version=(3, 9))
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or str(node.module).split(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names


def test_the_app_imports_no_more_than_it_needs() -> None:
    assert imported("app.py") == {"aws_cdk", "config", "stacks", "pathlib", "sys"}


@pytest.mark.parametrize("source", sources("config", "node"))
def test_nothing_of_aws_is_needed(source: str) -> None:
    assert imported(source) & AWS == set()


@pytest.mark.parametrize("source", sources("stacks"))
def test_stacks_ask_neither_machine_nor_network(source: str) -> None:
    assert imported(source) & OUTSIDE == set()


@pytest.mark.parametrize("source", sources("stacks"))
def test_stacks_know_the_configuration_only(source: str) -> None:
    names = {node.id for node in ast.walk(tree(source)) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree(source)) if isinstance(node, ast.Attribute)}
    assert (names | attributes) & ASKING == set()


@pytest.mark.parametrize("source", sources("config", "stacks"))
def test_importing_calls_nothing_of_aws(source: str) -> None:
    """What a module does when it is imported has no CDK in it, and no boto3.

    But for `jsii.implements`, which only notes what a class is for.
    """
    for call in _at_import(tree(source)):
        used = {node.id for node in ast.walk(call.func) if isinstance(node, ast.Name)}
        assert used & ((AWS - {"jsii"}) | _aliases(source)) == set(), ast.unparse(call)


def _at_import(module: ast.Module) -> Iterator[ast.Call]:
    """The calls that are made when a module is imported: all that are in no function."""
    waiting: list[ast.AST] = [*module.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting += ast.iter_child_nodes(node)


def _aliases(source: str) -> set[str]:
    """The names under which a source imports something of AWS."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in AWS
        for alias in node.names
    }


def test_the_checks_find_what_they_look_for() -> None:
    """The sources are there, and the app does read the context, as only it may."""
    assert {"config/model.py", "stacks/cluster.py", "app.py"} <= set(sources(*MAY_IMPORT))
    calls = {node.attr for node in ast.walk(tree("app.py")) if isinstance(node, ast.Attribute)}
    assert "get_all_context" in calls & ASKING
    assert "ec2" in _aliases("stacks/network.py")
    assert list(_at_import(ast.parse("x = f()\nclass A:\n    y = g()\n    def h(self): i()"))) != []
