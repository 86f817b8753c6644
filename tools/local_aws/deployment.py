"""`make local`: deploy a configuration to the local AWS and show its status."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import BotoCoreError
from rich.console import Console

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.full_command import make_command
from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import catalog_stack
from tools.local_aws import bootstrap, control, name_lookup, server_process
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access, require_local_aws
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths
from tools.local_aws.prerequisites import prerequisites_of
from tools.local_aws.server_process import Server
from tools.local_aws.shell_environment import write_commands
from tools.local_aws.things_to_try import TABLES_FILE, Thing, things_to_try

Say = Callable[[str], None]

LIVING = {
    "nodes": True,
    "balancers": True,
    "names": True,
    "metrics": True,
    "databases": True,
}
"""The parts of the local AWS that run for `make local` (`emulator/living.py`)."""

_SHARED = "127.0.0.1"
"""Address of all machines on a system that has only one loopback address, such as macOS."""
_FIRST_CHECKS_S = 10.0
_POLL_S = 0.2
_STATUS_TIMEOUT_S = 300.0


def make_local(
    config: str, paths: Paths, console: Console, *, port: int = 0, nodes: str = "light"
) -> None:
    """Deploy a configuration to the local AWS and show its status.

    Args:
        config: name or path of the configuration.
        paths: paths of the local AWS.
        console: shows the progress and the result.
        port: port of the server; 0 for a free port.
        nodes: kind of the nodes' servers: `light`, `jvm`, or `none` for instances without programs.
    """

    def say(text: str) -> None:
        console.print(f"[bold blue]==[/] {text}", highlight=False, soft_wrap=True)

    # Load before the server starts, so that an invalid configuration leaves no server running.
    file = configuration_file.find_configuration(config, ROOT)
    loaded = load(file)
    with paths.exclusive():
        say(f"Configuration {file}: {_summary(loaded.environment)}")
        server = server_process.ensure_running(paths, say, port=port)
        control.call(server.endpoint, "living", _parts(nodes), method="PUT")
        deploy(server, loaded, config, paths, say)
        with _running(paths):
            _wait_for_first_checks(server.endpoint, loaded.environment, say)
            console.print()
            _show_status(server, loaded.environment, config, paths)
        write_commands(paths)
        for line in name_lookup.servers(server.endpoint):
            say(f"Names: {line}")
        for line in _databases(server, loaded.environment):
            say(line)
        init = list(_init_commands(server, loaded.environment, config))
        say(_pace(server))
        missing = missing_for_haproxy(server, loaded.environment) if nodes != "none" else ""
        say(_machines(server, is_served=not missing))
        if missing:
            say(
                "HAProxy instances run no programs on this machine, and the local AWS treats them "
                f"as healthy: {missing}"
            )
        name = _client_name(server, loaded.environment)
    is_served = nodes != "none" and not missing
    things = things_to_try(loaded.environment, config, name, nodes_run=is_served, init=init)
    _show_next_steps(console, paths, things)


def _parts(nodes: str) -> dict[str, bool]:
    """Return which parts of the local AWS are on, by the kind of the nodes' servers (`nodes`)."""
    return LIVING | {"nodes": nodes != "none", "jvm": nodes == "jvm"}


def deploy(server: Server, loaded: Loaded, config: str, paths: Paths, say: Say) -> None:
    """Make the prerequisites, bootstrap, and deploy every stack with the CDK CLI.

    Raises:
        LocalAwsError: a step failed, or the server has ended.
    """
    environment = loaded.environment
    access = Access(server.endpoint, *bootstrap.home_location(environment))
    try:
        with _running(paths):
            require_local_aws(access)
            count = make_prerequisites(server.endpoint, loaded)
            if count:
                say(f"Made {count} resources that the configuration refers to but does not create")
            missing = bootstrap.not_bootstrapped(server.endpoint, environment)
            if missing:
                say(f"Bootstrapping {', '.join(' '.join(location) for location in missing)}")
                bootstrap.bootstrap(server.endpoint, paths, environment, missing)
            log = paths.folder / "deploy.log"
            say(f"Deploying with `cdk deploy --all` (log: {log})")
            assembly = paths.assemblies / environment.name
            assembly.mkdir(parents=True, exist_ok=True)
            cdk = Cdk(access, paths)
            chosen = f"config={_absolute(config)}"
            cdk.run("synth", "--quiet", "--output", str(assembly), "-c", chosen)
            options = ("--all", "--require-approval", "never", "--progress", "events")
            cdk.run_quietly(log, say, "deploy", *options, "--app", str(assembly))
    except _ServerEndedError:
        raise
    except (LocalAwsError, OSError) as error:
        others = [name for name in deployed_environments(paths) if name != environment.name]
        if others:
            message = (
                f"{error}\nThis deployment may conflict with {', '.join(others)}, also deployed to "
                "this local AWS, for example by equal DNS records or too many Elastic IPs. Remove "
                "all deployments with `make local-down`, and run "
                f"`{make_command('local')}` again"
            )
            raise LocalAwsError(message) from error
        raise


class _ServerEndedError(LocalAwsError):
    pass


@contextmanager
def _running(paths: Paths) -> Iterator[None]:
    """Replace an error in the block by `_ServerEndedError` if the server has ended."""
    try:
        yield
    except (LocalAwsError, OSError, BotoCoreError) as error:
        if server_process.running(paths) is not None:
            raise
        message = (
            f"the server of the local AWS has ended (log: {paths.log}). Run "
            f"`{make_command('local')}` again: this command restores the state from before the "
            "deploy, and starts the deploy again"
        )
        raise _ServerEndedError(message) from error


def deployed_environments(paths: Paths) -> list[str]:
    """Return the names of the environments that were deployed to this local AWS."""
    return sorted(manifest.parent.name for manifest in paths.assemblies.glob("*/manifest.json"))


def make_prerequisites(endpoint: str, loaded: Loaded) -> int:
    """Make the prerequisites of a configuration; return how many did not exist yet."""
    count = 0
    for item in prerequisites_of(loaded):
        request = {"account": item.account, "region": item.region, "resources": [item.request]}
        count += len(control.call(endpoint, "prerequisites", request, method="POST")["made"])
    return count


def _absolute(config: str) -> str:
    """Return a configuration's name or absolute path, valid in another working folder."""
    path = Path(config).expanduser()
    return str(path.resolve()) if path.is_file() else config


def _summary(environment: Environment) -> str:
    nodes = sum(len(cluster.nodes) for cluster in environment.clusters.values())
    clusters = len(environment.clusters)
    return (
        f"{environment.name}, Denodo {environment.denodo.version}, "
        f"{clusters} cluster{'s' * (clusters != 1)}, {nodes} node{'s' * (nodes != 1)}"
    )


def _wait_for_first_checks(endpoint: str, environment: Environment, say: Say) -> None:
    """Poll until no target is in state `initial` or a timeout expires."""
    deadline = time.monotonic() + _FIRST_CHECKS_S
    waited = False
    while any(
        "initial" in _target_states(Access(endpoint, *location))
        for location in bootstrap.locations(environment)
    ):
        if time.monotonic() >= deadline:
            return
        if not waited:
            say("Waiting for the first health checks")
            waited = True
        time.sleep(_POLL_S)


def _target_states(access: Access) -> set[str]:
    client = access.client("elbv2")
    return {
        description["TargetHealth"]["State"]
        for group in client.describe_target_groups()["TargetGroups"]
        for description in client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])[
            "TargetHealthDescriptions"
        ]
    }


def _show_status(server: Server, environment: Environment, config: str, paths: Paths) -> None:
    """Run `denodo-ha status` and ignore its exit code, which reports the environment's health.

    Where instances run no programs, the nodes are not queried.
    """
    ask = [] if control.call(server.endpoint, "machines") else ["--no-ask"]
    access = Access(server.endpoint, *bootstrap.home_location(environment))
    sys.stdout.flush()
    subprocess.run(
        [sys.executable, "-m", "denodo_ha", "status", *ask, "-c", _absolute(config)],
        cwd=ROOT,
        env=access.environment(paths),
        stdin=subprocess.DEVNULL,
        timeout=_STATUS_TIMEOUT_S,
        check=False,
    )


def _pace(server: Server) -> str:
    """Return a sentence on how AWS's durations are shortened."""
    pace = control.call(server.endpoint, "identity")["pace"]
    return (
        f"Time: {pace:g} seconds of AWS pass in one second, in health checks, alarms, TTLs and "
        "deregistration delays"
    )


def _databases(server: Server, environment: Environment) -> Iterator[str]:
    """Yield a sentence on each database that the configuration creates."""
    databases = control.call(server.endpoint, "databases")
    created = [name for name, of in environment.clusters.items() if _creates_database(of)]
    if created and not databases:
        yield (
            f"The database of {', '.join(created)} does not run: this machine has no PostgreSQL. "
            f"Install PostgreSQL with `make dev`, then run `{make_command('local')}` again"
        )
    for name, database in databases.items() if created else ():
        address, port = database["endpoint"]
        yield f"Database {name}: PostgreSQL at {address}:{port}"


def _init_commands(server: Server, environment: Environment, config: str) -> Iterator[str]:
    """Yield the command that creates the users of each database of the configuration."""
    databases = control.call(server.endpoint, "databases")
    for cluster, of in environment.clusters.items():
        if of.catalog is None or not _creates_database(of):
            continue
        prefix = f"{of.region}/{catalog_stack(environment.name, cluster)}-".lower()
        tables = "".join(
            f" --{component}-sql {TABLES_FILE}"
            for component in of.catalog.components
            if component != "vdp"
        )
        for name, database in databases.items():
            if name.lower().startswith(prefix):
                address, port = database["endpoint"]
                yield (
                    f"denodo-ha catalog init --cluster {cluster} -c {config} "
                    f"--ca {database['authority']} --through {address}:{port}{tables}"
                )


def _creates_database(cluster: Cluster) -> bool:
    return cluster.catalog is not None and cluster.catalog.existing is None


def _machines(server: Server, *, is_served: bool) -> str:
    """Return a sentence on the instances that run programs.

    With `is_served`, add a sentence on how new nodes begin to serve clients.
    """
    machines = control.call(server.endpoint, "machines")
    if not machines:
        return "Instances run no programs (docs/reference/local.md, What is not like AWS)"
    shared = all(machine["address"] == _SHARED for machine in machines.values())
    where = (
        f". All share the address {_SHARED}, each with its own ports: read the port that stands "
        f"for a port of an instance with `curl {server.endpoint}/_local/endpoints/INSTANCE/PORT`"
        if shared
        else ""
    )
    text = f"{len(machines)} instances run their programs{where}"
    if not is_served:
        return text
    return (
        f"{text}. A new node serves clients after an operator has confirmed the node's metadata, "
        "with the command below"
    )


def missing_for_haproxy(server: Server, environment: Environment) -> str:
    """Return why HAProxy instances run no programs; empty if they run, or if there are none."""
    if all(cluster.balancer.kind != "haproxy" for cluster in environment.clusters.values()):
        return ""
    return str(control.call(server.endpoint, "haproxy")["missing"])


def _client_name(server: Server, environment: Environment) -> str:
    """Return the failover name, else the first load balancer's name; empty if there is none."""
    if environment.failover is not None:
        return failover_plan.dns_name(environment.failover)
    for location in bootstrap.locations(environment):
        client = Access(server.endpoint, *location).client("elbv2")
        for balancer in client.describe_load_balancers()["LoadBalancers"]:
            if balancer["Type"] == "network":
                return str(balancer["DNSName"])
    return ""


def _show_next_steps(console: Console, paths: Paths, things: list[Thing]) -> None:
    console.print()
    console.print("What to try next:", style="bold")
    others = [
        Thing(f"tail -f {paths.notifications}", "show the notifications of alarms as they arrive"),
        Thing("make local-down", "remove all stacks and the local AWS"),
    ]
    for number, thing in enumerate([*things, *others], 1):
        prefix = f"{number}." if number <= len(things) else "  "
        console.print(f"  {prefix} [dim]{thing.text}[/]", highlight=False, soft_wrap=True)
        console.print(f"     {thing.command}", markup=False, highlight=False, soft_wrap=True)
