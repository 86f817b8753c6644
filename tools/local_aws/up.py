"""`make local`: from a configuration to its deployed topology, on this machine."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import BotoCoreError
from rich.console import Console

from denodo_ha.environment.loading import configuration_file
from denodo_ha.environment.loading.loader import Loaded, load
from tools.local_aws import bootstrap, control, server, table
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access, prove
from tools.local_aws.paths import ROOT, Place
from tools.local_aws.prerequisites import given
from tools.local_aws.problem import LocalError
from tools.local_aws.readback import Topology
from tools.local_aws.shell import write_commands

Say = Callable[[str], None]

_HEALTH_S = 10.0
_PAUSE_S = 0.2


def up(config: str, place: Place, console: Console, *, port: int = 0) -> None:
    """Deploy a configuration to the local AWS, and show what came of it."""

    def say(text: str) -> None:
        console.print(f"[bold blue]==[/] {text}", highlight=False, soft_wrap=True)

    # First of all, so that a broken configuration leaves no server behind.
    file = configuration_file.find(config, ROOT)
    loaded = load(file)
    with place.alone():
        say(f"Configuration {file}: {_described(loaded)}")
        found = server.ensure(place, say, port=port)
        deploy(found, loaded, config, place, say)
        with _running(place):
            topology = _settled(found.endpoint, loaded, say)
        table.show(topology, console)
        write_commands(place)
    _what_next(config, console)


def deploy(found: server.Server, loaded: Loaded, config: str, place: Place, say: Say) -> None:
    """Make what is given, bootstrap, and have the CDK CLI deploy everything."""
    environment = loaded.environment
    access = Access(found.endpoint, *bootstrap.home(environment))
    try:
        with _running(place):
            prove(access)
            count = give(found.endpoint, loaded)
            if count:
                say(f"Made {count} things that the configuration takes as given")
            where = bootstrap.missing(found.endpoint, environment)
            if where:
                say(f"Bootstrapping {', '.join(f'{one} {region}' for one, region in where)}")
                bootstrap.bootstrap(found.endpoint, place, environment, where)
            say("Deploying with `cdk deploy --all`")
            assembly = place.assemblies / environment.name
            assembly.mkdir(parents=True, exist_ok=True)
            Cdk(access, place).run(
                *("deploy", "--all", "--require-approval", "never", "--output", str(assembly)),
                *("-c", f"config={_absolute(config)}"),
            )
    except _EndedError:
        raise
    except (LocalError, OSError) as error:
        others = [one for one in environments(place) if one != environment.name]
        if others:
            message = (
                f"{error}\nThis local AWS also holds {', '.join(others)}, which may be in the way "
                "(the same record, or too many Elastic IPs): `make local-down` removes everything"
            )
            raise LocalError(message) from error
        raise


class _EndedError(LocalError):
    pass


@contextmanager
def _running(place: Place) -> Iterator[None]:
    """What fails in here while the server has ended, fails because of that."""
    try:
        yield
    except (LocalError, OSError, BotoCoreError) as error:
        if server.running(place) is not None:
            raise
        message = (
            f"the local AWS has ended meanwhile (log: {place.log}). Run `make local` again: it "
            "comes back as it was before the deploy, which then begins again"
        )
        raise _EndedError(message) from error


def environments(place: Place) -> list[str]:
    """The environments that were deployed here."""
    return sorted(one.parent.name for one in place.assemblies.glob("*/manifest.json"))


def give(endpoint: str, loaded: Loaded) -> int:
    """Make what a configuration takes as given; how many things were not there yet."""
    count = 0
    for one in given(loaded):
        told = {"account": one.account, "region": one.region, "resources": [one.wanted]}
        count += len(control.call(endpoint, "given", told, method="POST")["made"])
    return count


def _absolute(config: str) -> str:
    """A configuration as app.py finds it, wherever that runs."""
    path = Path(config).expanduser()
    return str(path.resolve()) if path.is_file() else config


def _described(loaded: Loaded) -> str:
    environment = loaded.environment
    nodes = sum(len(cluster.nodes) for cluster in environment.clusters.values())
    clusters = len(environment.clusters)
    return (
        f"{environment.name}, Denodo {environment.denodo.version}, "
        f"{clusters} cluster{'s' * (clusters != 1)}, {nodes} node{'s' * (nodes != 1)}"
    )


def _settled(endpoint: str, loaded: Loaded, say: Say) -> Topology:
    """The topology once the first health checks have ended."""
    deadline = time.monotonic() + _HEALTH_S
    told = False
    while True:
        topology = Topology(endpoint, loaded.environment)
        states = {
            target.state
            for cluster in topology.clusters.values()
            if cluster.balancer
            for listener in cluster.balancer.listeners
            for target in listener.group.targets
        }
        if "initial" not in states or time.monotonic() >= deadline:
            return topology
        if not told:
            say("Waiting for the first health checks")
            told = True
        time.sleep(_PAUSE_S)  # the API only tells how targets are when it is asked


def _what_next(config: str, console: Console) -> None:
    chosen = "" if config == configuration_file.DEFAULT else f" CONFIG={config}"
    console.print()
    console.print("What to try next:", style="bold")
    commands = [
        (f'eval "$(make -s local-env{chosen})"', "send this shell to the local AWS"),
        (f"npx cdk diff -c config={config}", "then edit the configuration, and see the change"),
        ("make local-down", "remove everything"),
    ]
    width = max(len(command) for command, _ in commands) + 2
    for command, told in commands:
        console.print(f"  {command:<{width}}[dim]{told}[/]", highlight=False, soft_wrap=True)
