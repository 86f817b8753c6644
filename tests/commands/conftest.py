"""Fixtures of the tests of commands: a cloud, and a function that runs a command."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from denodo_ha.aws import deadline
from denodo_ha.cli.commands import COMMANDS, Command
from denodo_ha.cli.main import build_program
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.environment import Environment
from tests.commands.account import catalog_cloud, deployed_accounts
from tests.commands.account.catalog_cloud import STACK, Catalog
from tests.commands.account.cloud import Cloud
from tests.commands.account.postgres import Managed, managed
from tests.support import client_creation
from tests.support.assembly import ROOT, SharedAssemblies, Template
from tests.support.configurations import keep_documents, write
from tests.support.printed_commands import assert_complete

Clouds = Callable[..., Cloud]
Run = Callable[..., Result]
Templates = Callable[[Path], Mapping[str, Template]]
Init = Callable[..., Result]

_DEADLINE_NOW = deadline._now  # noqa: SLF001 - restored for tests of deadlines


@pytest.fixture(scope="session")
def templates_of(assemblies: SharedAssemblies) -> Templates:
    """Return a function that synthesises a configuration file once, and returns its templates."""
    return lambda file: assemblies.of(file).templates


@cache
def _environment(file: Path, _content: str) -> Environment:
    return load(file).environment


@pytest.fixture(autouse=True)
def stopped_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the time of deadlines, so that no call times out because the machine is busy."""
    monkeypatch.setattr(deadline, "_now", lambda: 1000.0)


@pytest.fixture
def running_deadlines(stopped_deadlines: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let deadlines expire, for a test that is about deadlines."""
    _ = stopped_deadlines
    monkeypatch.setattr(deadline, "_now", _DEADLINE_NOW)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set fake credentials, and remove the user's AWS settings from the environment."""
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    client_creation.keep_descriptions(monkeypatch)
    keep_documents(monkeypatch)
    # Do not load the public images, of which each region has hundreds: no test uses them.
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    # Switch off colours, which the output would have if the variable CI is set.
    monkeypatch.setenv("_TYPER_FORCE_DISABLE_TERMINAL", "1")
    for key in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(key, raising=False)


@pytest.fixture
def clouds(
    templates_of: Templates,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Clouds]:
    """Return a function that deploys an example, a configuration file or one cluster to a cloud."""
    with contextlib.ExitStack() as stack:
        made: list[Cloud] = []

        def make(config: str, only: str | None = None) -> Cloud:
            file = Path(config)
            if not file.suffix:
                file = ROOT / "config/examples" / f"{config}.yaml"
            stack.enter_context(mock_aws())
            content = file.read_text()
            cloud = Cloud(_environment(file, content), templates_of(file))
            cloud.install(monkeypatch)
            if made:
                cloud.deploy(only)
            else:
                deployed_accounts.deploy(cloud, only, key=(file, content, only))
            made.append(cloud)
            return cloud

        yield make


@pytest.fixture
def cloud(clouds: Clouds) -> Cloud:
    """Return a cloud with the active-passive example: Denodo 7.0, two clusters of two nodes."""
    return clouds("active-passive")


@pytest.fixture
def denodo_ha() -> Run:
    """Return a function that runs `denodo-ha …` in this process, without the function `main`."""

    def run(
        *arguments: str,
        commands: Sequence[Command] = COMMANDS,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        done = CliRunner().invoke(build_program(commands), [*arguments], env=env)
        # A help text also names commands that are not meant to be run, such as `denodo-ha COMMAND`.
        if "--help" not in arguments:
            assert_complete(done.output)
        return done

    return run


@pytest.fixture(scope="module")
def catalog_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    """Run a PostgreSQL server like RDS's for the tests of a module."""
    with managed(tmp_path_factory.mktemp("certificates")) as server:
        yield server


@pytest.fixture(scope="module")
def catalog_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of a cluster with a metadata database."""
    return write(tmp_path_factory.mktemp("catalog"), catalog_cloud.configuration())


@pytest.fixture
def catalog(
    catalog_server: Managed, clouds: Clouds, templates_of: Templates, catalog_config: Path
) -> Catalog:
    """Deploy the cluster of `catalog_config` to a cloud, and reset the database server."""
    catalog_server.reset()
    cloud, template = clouds(str(catalog_config)), templates_of(catalog_config)[STACK]
    return catalog_cloud.deploy(cloud, catalog_server, catalog_config, template)


@pytest.fixture
def init(catalog: Catalog, denodo_ha: Run) -> Init:
    """Return a function that runs `denodo-ha catalog init` on the cluster of `catalog`."""

    def run(*more: str) -> Result:
        ca = () if "--ca" in more else ("--ca", str(catalog.server.ca))
        return denodo_ha("catalog", "init", *catalog.reach, *ca, *more)

    return run
