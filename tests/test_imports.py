"""Imports follow the order of the packages. Stacks read no files, context or environment."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.assembly import ROOT

BELOW = {
    "denodo_ha.environment": set[str](),
    "hosts": set[str](),
    "denodo_ha.cli": {"denodo_ha.aws", "denodo_ha.environment"},
    "denodo_ha.aws": {"denodo_ha.cli", "denodo_ha.environment"},
    "denodo_ha.deployed": {"denodo_ha.aws", "denodo_ha.cli", "denodo_ha.environment"},
    "stacks": {"denodo_ha.environment"},
    "app": {"denodo_ha.environment", "hosts", "stacks"},
    "denodo_ha.__main__": {"denodo_ha.cli"},
    "denodo_ha.drill": {
        *("denodo_ha.aws", "denodo_ha.cli", "denodo_ha.environment", "denodo_ha.drill.live")
    },
}
"""Other packages of the project that a package may import; for command packages, see `COMMANDS`."""

COMMANDS = {
    "denodo_ha.aws",
    "denodo_ha.cli",
    "denodo_ha.deployed",
    "denodo_ha.environment",
    "hosts",
}
"""Packages that every command package may import."""

BESIDE = {
    "denodo_ha.drain": {"denodo_ha.drill.live"},
    "denodo_ha.drill.live": {"denodo_ha.drill"},
    "denodo_ha.failover": {
        *("denodo_ha.catalog", "denodo_ha.drill", "denodo_ha.standby", "denodo_ha.verify")
    },
    "denodo_ha.review": {"denodo_ha.drill", "denodo_ha.plan"},
    "denodo_ha.rollout": {"denodo_ha.plan"},
    "denodo_ha.standby": {"denodo_ha.catalog"},
    "denodo_ha.status": {"denodo_ha.drill.live"},
    "denodo_ha.support": {"denodo_ha.failover", "denodo_ha.logs", "denodo_ha.status"},
}
"""Command packages, each with other command packages that it may import."""

LIBRARIES = {
    "denodo_ha.environment": {"annotated_types", "pydantic", "pydantic_core", "ruamel"},
    "hosts": set[str](),
    "denodo_ha": {"boto3", "botocore", "markupsafe", "psycopg", "rich", "ruamel", "typer"},
    "stacks": {"aws_cdk", "constructs", "jsii"},
    "app": {"aws_cdk"},
}
"""Libraries outside of the standard library that a package may import. The entry with the longest
matching name applies."""

AWS = {"aws_cdk", "boto3", "botocore", "constructs", "jsii"}
OUTSIDE = {"http", "os", "pathlib", "shutil", "socket", "subprocess", "tempfile", "urllib"}
"""Modules with which a stack could read files, environment variables or the network."""

ASKING = {
    *("open", "environ", "getenv", "try_get_context", "get_all_context"),
    *("read_text", "read_bytes", "from_lookup", "value_from_lookup"),
}
"""Names of functions and attributes with which a construct could read files, context, environment
variables or an account."""


def sources(*folders: str) -> dict[str, ast.Module]:
    """Return the syntax tree of each source file in these folders, by the module's name."""
    files = [
        file
        for folder in folders
        for file in ([ROOT / folder] if folder.endswith(".py") else (ROOT / folder).rglob("*.py"))
    ]
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): ast.parse(file.read_bytes())
        for file in files
    }


@cache
def product() -> dict[str, ast.Module]:
    """Return the syntax trees of the product; only the worker that tests the trees parses."""
    return sources("app.py", "denodo_ha", "hosts", "stacks")


def imported(tree: ast.Module) -> set[str]:
    """Return the modules and names that a source file imports, in functions too."""
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import of {node.module}"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def _imported_by(node: ast.stmt) -> set[str]:
    """Return the modules that a statement at the top level of a module imports."""
    is_import = isinstance(node, ast.Import | ast.ImportFrom)
    return imported(ast.Module([node], [])) if is_import else set()


def package(module: str) -> str:
    """Return the package to which a module belongs, in the layout of `BELOW` and `BESIDE`."""
    parts = module.split(".")
    depth = 3 if parts[:3] == ["denodo_ha", "drill", "live"] else 2
    return ".".join(parts[:depth]) if parts[0] == "denodo_ha" else parts[0]


def longest(names: dict[str, set[str]], module: str) -> set[str]:
    """Return the entry of `names` for the innermost package that contains the module."""
    fits = [name for name in names if f"{module}.".startswith(f"{name}.")]
    return names[max(fits, key=len)]


def test_imports_point_down() -> None:
    wrong = []
    for module, tree in product().items():
        here = package(module)
        allowed = BELOW.get(here, COMMANDS | BESIDE.get(here, set())) | {here}
        for name in imported(tree):
            ours = name.split(".")[0] in {"denodo_ha", "hosts", "stacks", "tools", "tests"}
            # `denodo_ha.cli.commands` may import every command package: it imports a command when
            # the command runs.
            lazily = module == "denodo_ha.cli.commands"
            if ours and not lazily and package(name) not in allowed:
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_each_part_has_its_libraries() -> None:
    wrong = []
    for module, tree in product().items():
        allowed = longest(LIBRARIES, module) | {"denodo_ha", "hosts", "stacks"}
        tops = {name.split(".")[0] for name in imported(tree)}
        wrong += [f"{module}: {top}" for top in tops - allowed - sys.stdlib_module_names]
    assert wrong == []


def test_host_programs_are_python_3_9() -> None:
    for file in (ROOT / "hosts").rglob("*.py"):
        ast.parse(file.read_bytes(), str(file), feature_version=(3, 9))


def test_the_drill_needs_no_aws() -> None:
    """The drill and its imports do not need boto3, which some machines do not have.

    Modules that read live resources need boto3, so no module of the drill imports them at its top
    level.
    """
    waiting = [name for name in product() if package(name) == "denodo_ha.drill"]
    seen = {name for name in product() if package(name) == "denodo_ha.drill.live"}
    for module in waiting:
        at_import = {name for node in product()[module].body for name in _imported_by(node)}
        assert {package(name) for name in at_import} & {"denodo_ha.drill.live"} == set(), module
    while waiting:
        module = waiting.pop()
        if module in seen or module not in product():
            continue
        seen.add(module)
        names = imported(product()[module])
        assert {name.split(".")[0] for name in names} & AWS == set(), module
        waiting += [*names, *(name.rpartition(".")[0] for name in names)]
    assert "denodo_ha.cli.options" in seen


def test_stacks_ask_neither_machine_nor_network() -> None:
    for module, tree in product().items():
        if module.startswith("stacks."):
            assert {name.split(".")[0] for name in imported(tree)} & OUTSIDE == set(), module
            nodes = list(ast.walk(tree))
            names = {node.id for node in nodes if isinstance(node, ast.Name)}
            attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            assert (names | attributes) & ASKING == set(), module


def test_importing_calls_nothing_of_aws() -> None:
    """Modules import neither the CDK nor boto3 when they are imported.

    The exception is `jsii.implements`, which only registers the interface of a class.
    """
    for module, tree in product().items():
        if module.startswith(("denodo_ha.environment.", "stacks.")):
            for call in _at_import(tree):
                used = {node.id for node in ast.walk(call.func) if isinstance(node, ast.Name)}
                assert used & ((AWS - {"jsii"}) | _aliases(tree)) == set(), ast.unparse(call)


def _at_import(module: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls that run when a module is imported: the calls outside of functions."""
    waiting: list[ast.AST] = [*module.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting += ast.iter_child_nodes(node)


def _aliases(tree: ast.Module) -> set[str]:
    """Return the names under which a source file imports the CDK, jsii or boto3."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in AWS
        for alias in node.names
    }


def test_the_checks_find_what_they_look_for() -> None:
    """The source files are found, and each check of this module finds an example of its kind."""
    assert {"denodo_ha.environment.model.environment", "stacks.cluster_stack", "app"} <= set(
        product()
    )
    names = {node.attr for node in ast.walk(product()["app"]) if isinstance(node, ast.Attribute)}
    assert "get_all_context" in names & ASKING
    assert "ec2" in _aliases(product()["stacks.network.network"])
    assert list(_at_import(ast.parse("x = f()\nclass A:\n    y = g()\n    def h(self): i()"))) != []
    assert package("denodo_ha.drill.engine.engine") == "denodo_ha.drill"
    assert imported(ast.parse("from a.b import c\nimport d")) == {"a.b.c", "d"}
    assert Path("stacks").name in BELOW
