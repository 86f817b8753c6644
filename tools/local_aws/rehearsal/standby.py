"""`make rehearse-standby`: a practised failover, and the faults of `failover check`, on live nodes.

    .venv/bin/python -m tools.local_aws.rehearsal.standby [--fault NAME …]

A site with two regions, whose nodes run their programs and whose standby is ready, is deployed to a
new local AWS. `denodo-ha failover practice` fails over to the standby and back while clients
connect. Then each fault of the standby is caused, and in `denodo-ha failover check` exactly the
lines for this fault must say no. Exit code 1: a result was not as expected. The progress is on
standard error.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from denodo_ha.aws.clients import Aws
from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from tools.local_aws import bootstrap
from tools.local_aws.credentials import Access
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.rehearsal.client_load import ClientLoad, Sample
from tools.local_aws.rehearsal.client_paths import ClientPaths
from tools.local_aws.rehearsal.comparison import recovery_seconds, tolerance
from tools.local_aws.rehearsal.deployed_resources import DeployedResources, DeployedSite
from tools.local_aws.rehearsal.rehearsal import Say, deployed
from tools.local_aws.rehearsal.scenario_choice import PACE
from tools.local_aws.rehearsal.standby_faults import FAULTS, Fault
from tools.local_aws.rehearsal.standby_site import ACTIVE, STANDBY, StandbySite, configuration

_LIVING = {"names": True, "metrics": True, "balancers": True, "nodes": True}
_STAY = "20s"
_SEEN_S = 240.0
"""Project default: real seconds within which a line of the check must show a fault, or its
repair."""
_POLL_S = 1.0
_INTERRUPTED = 130


@contextmanager
def ready_site(say: Say) -> Iterator[StandbySite]:
    """Deploy a site whose standby is ready, for the length of the block.

    Raises:
        LocalAwsError: the site cannot be deployed, or its standby does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="denodo-ha-standby-") as folder:
        config = configuration(Path(folder))
        loaded = load(config)
        with deployed(loaded, str(config), say, living=_LIVING, pace=PACE) as (endpoint, paths):
            home = Access(endpoint, *bootstrap.home_location(loaded.environment))
            os.environ.update(home.settings(paths))
            site = StandbySite(endpoint, paths, loaded, config, Aws(profile=None, attempts=2))
            say("enabling the nodes")
            site.make_ready()
            await_ready(site)
            yield site


def practise(site: StandbySite) -> Iterator[str]:
    """Practise a failover while clients connect; yield each difference from what is expected."""
    result = drill_paths([site.paths.assemblies / site.environment.name])
    resources = DeployedResources(site.endpoint, bootstrap.locations(site.environment))
    paths = ClientPaths(DeployedSite(site.endpoint, site.environment, result.model, resources))
    services = [service for path in paths.paths for service in path.services]
    load_ = ClientLoad(services, paths.resolver)
    begin = time.monotonic()
    with load_.running():
        done = site.run(
            *("failover", "practice", "--stay", _STAY, "--without-client", "--format", "json")
        )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        yield f"`denodo-ha failover practice` failed: {done.stderr.strip()[-500:]}"
        return
    if report["verdict"] != "passed":
        yield f"the verdict of the practice is {report['verdict']}: {'; '.join(report['findings'])}"
    yield from late_steps(report["directions"])
    yield from unserved_clients(load_.samples, begin, paths.cluster_of)


def late_steps(directions: Sequence[dict[str, object]]) -> Iterator[str]:
    """Yield a sentence for each step that took longer than the drill expects, in seconds of AWS."""
    for direction in directions:
        steps: list[dict[str, float | None]] = direction["steps"]  # type: ignore[assignment] # JSON has no types
        for step in steps:
            expected, seconds = step["expected"], step["seconds"]
            if expected is None or seconds is None:
                continue
            if seconds * PACE > expected + tolerance(PACE, expected):
                yield (
                    f"failover to {direction['to']}: the step {step['step']!r} took "
                    f"{seconds * PACE:.0f} s; the drill predicts at most {expected} s"
                )


def unserved_clients(
    samples: Sequence[Sample], begin: float, cluster_of: Callable[[str], str]
) -> Iterator[str]:
    """Yield a sentence for each observation of clients that a planned failover should not cause."""
    served = list(dict.fromkeys(cluster_of(item.address) for item in samples if not item.fault))
    if set(served) != {ACTIVE, STANDBY}:
        yield (
            f"clients were served by {', '.join(served) or 'no cluster'}; expected: {ACTIVE}, "
            f"{STANDBY}"
        )
    last = max(samples, key=lambda item: item.at, default=None)
    if last is not None and cluster_of(last.address) != ACTIVE:
        yield (
            f"the last connection led to {cluster_of(last.address) or 'no cluster'}; expected: "
            f"{ACTIVE}"
        )
    ports = {item.port for item in samples}
    unserved = recovery_seconds(samples, begin, PACE, [*ports])
    if unserved > tolerance(PACE):
        yield (
            f"connections failed until {unserved:.0f} s after the start of the practice; a planned "
            f"failover may interrupt clients for at most {tolerance(PACE):.0f} s"
        )


def await_ready(site: StandbySite) -> None:
    """Poll until every line of the check is ok.

    Raises:
        LocalAwsError: a line does not become ok.
    """
    wrong = _await(site, _not_ok)
    if wrong:
        message = (
            f"the check of the standby does not report within {_SEEN_S:.0f} s that the standby is "
            f"ready: {wrong}"
        )
        raise LocalAwsError(message)


def _not_ok(states: dict[int, str], seen: dict[int, str]) -> str:
    return "; ".join(
        f"line {number} is {state}: {seen[number]}"
        for number, state in states.items()
        if state != "ok"
    )


def rehearse_fault(site: StandbySite, fault: Fault) -> str:
    """Cause a fault and repair it; return how the check differs from the expected lines, or "".

    Raises:
        LocalAwsError: the standby does not become ready after the repair.
    """
    fault.plant(site)
    try:
        return _await(site, fault.disagreement)
    finally:
        fault.repair(site)
        await_ready(site)


def _await(site: StandbySite, wrong: Callable[[dict[int, str], dict[int, str]], str]) -> str:
    """Poll `failover check` until `wrong` returns "", or for `_SEEN_S`; return `wrong`'s result."""
    deadline = time.monotonic() + _SEEN_S
    while True:
        lines = site.check()
        states = {number: str(line.state) for number, line in lines.items()}
        seen = {number: line.seen for number, line in lines.items()}
        reason = wrong(states, seen)
        if not reason or time.monotonic() > deadline:
            return reason
        time.sleep(_POLL_S)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse the practice and the faults; return the exit code."""
    parser = argparse.ArgumentParser(prog="standby", description=(__doc__ or "").split("\n")[0])
    names = [fault.name for fault in FAULTS]
    parser.add_argument(
        "--fault", action="append", choices=names, help="cause only this fault; repeatable"
    )
    chosen = parser.parse_args(arguments).fault
    faults = [fault for fault in FAULTS if chosen is None or fault.name in chosen]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with ready_site(_progress) as site:
            _progress("practising a failover to the standby, and back")
            failures = {"failover practice": "; ".join(practise(site))}
            _result("failover practice", failures["failover practice"])
            for fault in faults:
                failures[fault.name] = rehearse_fault(site, fault)
                _result(f"{fault.lines[0]} {fault.name}", failures[fault.name])
    except (LocalAwsError, ConfigError) as error:
        sys.stderr.write(f"make rehearse-standby: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(
            "\nmake rehearse-standby: interrupted; the rehearsal's local AWS has ended\n"
        )
        return _INTERRUPTED
    return int(any(failures.values()))


def _result(name: str, failure: str) -> None:
    sys.stdout.write(f"{name}: {failure or 'as expected'}\n")
    sys.stdout.flush()


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
