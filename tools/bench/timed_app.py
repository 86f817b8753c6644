"""App that runs app.py, and prints the seconds of its stages to stderr, as JSON after `MARK`.

`tools/bench/synth.py` starts this app instead of app.py, and `tools/bench/stages.py` parses the
output.
"""

import importlib
import json
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

ROOT = Path(__file__).resolve().parents[2]
MARK = "stages:"


def note(what: object) -> None:
    """Print a value to stderr, where `tools/bench/stages.py` finds the value among import times."""
    print(MARK, json.dumps(what), file=sys.stderr, flush=True)


def main() -> None:
    """Run app.py; measure the time of loading the configuration, of synthesis, and of all."""
    seconds = {"load": 0.0, "synth": 0.0, "all": 0.0}

    def timed(stage: str, call: Callable[P, R]) -> Callable[P, R]:
        def with_time(*args: P.args, **kwargs: P.kwargs) -> R:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                seconds[stage] += time.perf_counter() - start

        return with_time

    def time_calls(of: type | ModuleType, name: str, stage: str) -> None:
        setattr(of, name, timed(stage, getattr(of, name)))

    def run() -> None:
        time_calls(importlib.import_module("denodo_ha.environment.loading.loader"), "load", "load")
        time_calls(importlib.import_module("aws_cdk").App, "synth", "synth")
        runpy.run_path(str(ROOT / "app.py"), run_name="__main__")

    sys.path[0] = str(ROOT)
    note("start")
    try:
        timed("all", run)()
    finally:
        note(seconds)


if __name__ == "__main__":
    main()
