"""Runs of the fault matrix in this process, with short waits."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff
from typer.testing import CliRunner

from denodo_ha.aws import deadline, ssm_command
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import poll_until
from denodo_ha.cli import process
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.deployed import instances
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.rotation import rotation, target_group_rotation
from denodo_ha.drain import draining, enabling
from denodo_ha.environment.loading import loader
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.pins import pins_file
from denodo_ha.failover import command as failover_command
from denodo_ha.failover import switching
from denodo_ha.failover.practice import client_observer, failing_back, observation, practice
from denodo_ha.rollout import node_sequence, replace_command, rollout_command, state_roll
from tests.faults import cases, oracle
from tests.faults.cases import WITHOUT_CONFIGURATION, Case
from tests.faults.deployment import MachineDeployer
from tests.faults.preparations import prepare
from tests.faults.site import KEPT, Done, Site
from tests.support import client_creation, local_aws_server
from tests.support.servers.fault_proxy import INTERRUPT
from tools.local_aws.credentials import Access

_THREADS_S = 60
_APPLY_S = 10
_COMMAND_S = 3
_LIMITS: Final = (
    (target_group_rotation, "VISIBLE_S"),
    (enabling, "HEALTHY_S"),
    (instances, "VISIBLE_S"),
    (node_sequence, "READY_S"),
    (node_sequence, "HEALTHY_S"),
    (switching, "EFFECT_S"),
)
_UNDISTURBED_S = 60
"""Seconds for the waits of `_LIMITS` in runs without faults: so long that no slow machine reaches
the limit.
"""


def _shared_clients() -> Callable[[Aws, str, str], Any]:
    """Return a replacement for `Aws._create`: all runs share clients.

    Creating its clients is most of a run's CPU time. `RetryQuota` of botocore counts the retries of
    a client; a command makes too few retries to exceed the quota.
    """
    create, clients = Aws._create, dict[tuple[str, str, int], Any]()  # noqa: SLF001 - the function that is replaced

    def shared(aws: Aws, service: str, region: str) -> Any:
        key = service, region, aws._attempts  # noqa: SLF001 - a part of the key
        if key not in clients:
            clients[key] = create(aws, service, region)
        return clients[key]

    return shared


def _kept_configurations() -> Callable[..., Loaded]:
    """Return a replacement for `loader.load` that reads equal files once.

    Reading the configuration is most of a short run's CPU time.
    """
    load, kept = loader.load, dict[tuple[object, ...], Loaded]()

    def load_once(file: Path, **options: bool) -> Loaded:
        texts = [each.read_text() for each in (file, pins_file(file)) if each.exists()]
        key = file, *texts, *sorted(options.items())
        if key not in kept:
            kept[key] = load(file, **options)
        return kept[key]

    return load_once


def _poll_briefly(observe: Callable[[], Any], *, timeout: float, **options: Any) -> Any:
    """Poll a command of Systems Manager for `_COMMAND_S` at most: the agents answer at once."""
    return poll_until(observe, timeout=min(timeout, _COMMAND_S), **options)


@contextmanager
def short_waits(site: Site) -> Iterator[None]:
    """Make commands in this process call the proxy, and use short waiting times."""
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(key)
        access = Access(site.proxy.endpoint, site.account, KEPT)
        for key, value in access.settings(local_aws_server.paths()).items():
            patch.setenv(key, value)
        client_creation.keep_descriptions(patch)
        patch.setattr(Aws, "_create", _shared_clients())
        patch.setattr(loader, "load", _kept_configurations())
        patch.setattr(RetryQuota, "acquire", lambda *_: True)
        patch.setenv("_TYPER_FORCE_DISABLE_TERMINAL", "1")
        # DNS cannot resolve the names of the local AWS, so no look-up has a result.
        patch.setattr(dns_answer, "lookup", lambda _name: None)
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
        for module, name, seconds in (
            (rotation, "EVERY_S", 0.1),
            (target_group_rotation, "VISIBLE_EVERY_S", 0.1),
            (target_group_rotation, "VISIBLE_S", 3),
            (draining, "LOOK_EVERY_S", 0.1),
            (draining, "SETTLE_S", 1.5),
            (draining, "UNDO_S", 6),
            (enabling, "HEALTHY_S", 8),
            (enabling, "VISIBLE_EVERY_S", 0.1),
            (instances, "VISIBLE_EVERY_S", 0.1),
            (instances, "VISIBLE_S", 1),
            (switching, "EVERY_S", 0.1),
            (switching, "EFFECT_S", 3),
            (failover_command, "CLIENTS_S", 0.1),
            (ssm_command, "EVERY_S", 0.05),
            (ssm_command, "HASTE_S", 0.05),
            (node_sequence, "READY_S", 4),
            (node_sequence, "HEALTHY_S", 8),
            (state_roll, "BUSY_S", 0.1),
            (state_roll, "EXTRA_S", _APPLY_S - site.agents.longest_restart()),
            (failing_back, "EVERY_S", 0.1),
            (failing_back, "EFFECT_S", 3),
            (practice, "CLIENTS_S", 3),
            (client_observer, "ANSWERS_EVERY_S", 0.5),
            (observation, "SWITCH_EVERY_S", 0.5),
        ):
            patch.setattr(module, name, seconds)
        patch.setattr(ssm_command, "poll_until", _poll_briefly)
        for command in (rollout_command, replace_command):
            patch.setattr(command, "Cdk", lambda _profile: MachineDeployer(site))
        yield


@contextmanager
def patient_waits(site: Site) -> Iterator[None]:
    """Make commands call the proxy, with limits that a command without hanging calls never reaches.

    Otherwise, on a busy machine, a command would report that AWS does not answer.
    """
    with short_waits(site), pytest.MonkeyPatch.context() as patch:
        _wait_long(patch)
        yield


def _wait_long(patch: pytest.MonkeyPatch) -> None:
    """Set the limits of waits for runs without faults, and remove the deadlines of commands."""
    for module, name in _LIMITS:
        patch.setattr(module, name, _UNDISTURBED_S)
    patch.setattr(ssm_command, "poll_until", poll_until)
    patch.setattr(deadline, "left", lambda limit: limit)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Handle Ctrl-C as the program does, and ignore Ctrl-C once the command has ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "_interrupted", False)
        before = signal.signal(signal.SIGINT, process._interrupt)  # noqa: SLF001 - the handler that the program sets
        try:
            yield
        finally:
            with INTERRUPT:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGINT, before)


def run_here(site: Site, arguments: Sequence[str]) -> Done:
    """Run a command in this process."""
    new_file = site.assembly.parent / f"{time.monotonic_ns()}.tar.gz"
    filled = [part.format(assembly=site.assembly, new_file=new_file) for part in arguments]
    if arguments[0] not in WITHOUT_CONFIGURATION:
        filled += ["-c", str(site.file)]
    begin = time.monotonic()
    with _interruptible():
        result = CliRunner().invoke(build_program(COMMANDS), filled)
    stderr = result.stderr
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        stderr += f"Traceback: {result.exception!r}"
    return Done(result.exit_code, result.stdout, stderr, time.monotonic() - begin)


def settle(site: Site) -> None:
    """Wait until the calls and threads that a command has abandoned have ended.

    Calls may take effect after their command has ended. The threads of a command in a process of
    its own would end with the process; in this process, they would call AWS during the next run.
    """
    site.proxy.settle()
    for thread in threading.enumerate():
        if thread.name.startswith(("ThreadPoolExecutor", observation.THREADS)):
            thread.join(_THREADS_S)
    site.proxy.settle()


def undisturbed_calls(site: Site, arguments: tuple[str, ...]) -> list[tuple[str, str]]:
    """Run a command without faults; return the command's calls."""
    prepare(site, arguments)
    with pytest.MonkeyPatch.context() as patch:
        _wait_long(patch)
        done = run_here(site, arguments)
    settle(site)
    calls = cases.named(site.proxy.calls)
    assert calls, f"{arguments} does not call AWS"
    assert done.code == cases.expected_code(arguments), (
        f"{arguments} ends with {done.code}:\n{done.text}"
    )
    return calls


def problems(site: Site, case: Case, calls: Sequence[tuple[str, str]]) -> list[str]:
    """Run a case of the fault matrix, and return the violations that the oracle finds."""
    prepare(site, case.arguments)
    before = site.state()
    site.proxy.add(case.rule(calls))
    done = run_here(site, case.arguments)
    settle(site)
    run = oracle.Run(
        case.arguments,
        done,
        before,
        site.state(),
        tuple(site.proxy.arrived),
        tuple(site.proxy.disturbed),
        tuple(site.agents.wrong),
        case.fault if case.lasting else None,
    )
    return [f"{case.key}: {violation}\n{done.text}" for violation in oracle.violations(run)]
