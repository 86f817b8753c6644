"""Benchmark of HAProxy: this project's configuration compared with that of Denodo's article.

    .venv/bin/python -m tools.bench.haproxy --connections 1600

Both configurations get the same load. Two simulated nodes run on this machine
(tests/hosts/haproxy). The program asserts nothing: it counts failed connections and measures
speeds. Only the ratio of the speeds is comparable between machines.
"""

import argparse
import logging
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from denodo_ha.environment.haproxy.config_file import render_config
from hosts.haproxy.reloading import reload
from tests.hosts.haproxy import stand_ins
from tests.hosts.haproxy.running import Running, configuration, running
from tests.hosts.haproxy.stand_ins import Site
from tools.bench import load

ARTICLE = Path(__file__).with_name("article.cfg")
RATE = 200
CLIENTS = 8
SECONDS = 2.0


def article(proxy: Running, site: Site) -> str:
    """Return the configuration of Denodo's article (`article.cfg`), with the benchmark's ports."""
    values = {
        "run": proxy.folder,
        "jdbc": proxy.port("jdbc"),
        "web": proxy.port("web"),
        "node_jdbc": site.ports.jdbc,
        "node_web": site.ports.web,
    }
    return ARTICLE.read_text(encoding="utf-8").format(**values)


def generated(proxy: Running, _site: Site) -> str:
    """Return the HAProxy configuration that the project generates."""
    return render_config(proxy.environment, "main", proxy.host)


Make = Callable[[Running, Site], str]
FILES: dict[str, Make] = {"article's": article, "generated": generated}


@contextmanager
def _serving(site: Site, make: Make) -> Iterator[Running]:
    site.whole()
    with running(configuration(site.ports), started=False) as proxy:
        proxy.start(make(proxy, site))
        yield proxy


def _loss(site: Site, make: Make, what: Callable[[Running], None], total: int) -> load.Outcome:
    with _serving(site, make) as proxy:
        return load.connections(
            proxy.port("jdbc"),
            total=total,
            rate=RATE,
            event=lambda: what(proxy),
            after=total // 4,
        )


def _change(make: Make) -> Callable[[Running], None]:
    """Return a function that applies the configuration file again.

    The procedure of Denodo's article restarts HAProxy; this project reloads HAProxy.
    """

    def restart(proxy: Running) -> None:
        proxy.stop()
        proxy.start(proxy.haproxy.config.read_text(encoding="utf-8"))

    return restart if make is article else lambda proxy: reload(proxy.haproxy, None, lambda _: None)


def losses(site: Site, total: int) -> Iterator[str]:
    """Yield a table of how many connections fail at each event, and when the last of them fails."""
    yield f"{total} new connections, {RATE} a second: number of failed connections / seconds until"
    yield "the last failed connection"
    yield f"{'':34}" + "".join(f"{name:>18}" for name in FILES)
    events: dict[str, Callable[[Make], Callable[[Running], None]]] = {
        "node killed": lambda _: lambda _proxy: site["node1"].kill(),
        "node hung": lambda _: lambda _proxy: site["node1"].hang(),
        "configuration file changed": _change,
    }
    for name, event in events.items():
        cells = []
        for make in FILES.values():
            outcome = _loss(site, make, event(make), total)
            cells.append(f"{len(outcome.failed)} / {outcome.until_out}")
        yield f"{name:34}" + "".join(f"{cell:>18}" for cell in cells)


def speeds(site: Site, runs: int) -> Iterator[str]:
    """Measure both configurations in turn; yield a table of the median speeds and their ratio."""
    result: dict[str, list[list[float]]] = {"web requests a second": [[], []]}
    result["RMI connections a second"] = [[], []]
    for _ in range(runs):
        for place, make in enumerate(FILES.values()):
            with _serving(site, make) as proxy:
                web, jdbc = proxy.port("web"), proxy.port("jdbc")
                speed = load.requests(web, seconds=SECONDS, clients=CLIENTS)
                result["web requests a second"][place].append(speed)
                speed = load.handshakes(jdbc, seconds=SECONDS, clients=CLIENTS)
                result["RMI connections a second"][place].append(speed)
    yield f"Medians of {runs} runs, with {CLIENTS} clients"
    yield f"{'':34}" + "".join(f"{name:>18}" for name in FILES) + f"{'ratio':>8}"
    for name, (old, new) in result.items():
        first, second = statistics.median(old), statistics.median(new)
        yield f"{name:34}{first:18.0f}{second:18.0f}{second / first:8.2f}"


def main() -> int:
    """Print the tables of the benchmark."""
    parser = argparse.ArgumentParser(
        description="Compare the generated HAProxy configuration with that of Denodo's article."
    )
    parser.add_argument(
        "--connections", type=int, default=1600, help="number of new connections in each failure"
    )
    parser.add_argument("--runs", type=int, default=3, help="number of runs of each speed test")
    arguments = parser.parse_args()
    # Hide asyncio's error messages: the tables count failed connections.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    print("HAProxy: the generated configuration compared with that of Denodo's article")
    print(f"({platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()})\n")
    site = stand_ins.site()
    try:
        for line in losses(site, arguments.connections):
            print(line, flush=True)
        print()
        for line in speeds(site, arguments.runs):
            print(line, flush=True)
    finally:
        site.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
